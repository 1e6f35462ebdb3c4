// The table under the picture: one row an object, in step with the stage. Rows are kept and only what changed is
// written, so that two hundred rows follow a slider.

import { make } from "./dom.js";
import { isEdited, ownScore, rejected } from "./objects.js";
import { rectPx } from "./masks.js";

const REVIEWS = [
  ["accepted", "✓", "Accept"],
  ["unsure", "?", "Unsure"],
  ["rejected", "✗", "Reject"],
];

export class Table {
  constructor(host, editor) {
    Object.assign(this, { host, editor, rows: new Map() });
    this.body = make("tbody");
    const heads = [["Label"], ["Score"], ["Box", "x1, y1 – x2, y2 px"], ["Mask", "px"], ["Review"]];
    const head = make("tr", {}, ...heads.map(([name, unit]) => {
      return make("th", { scope: "col" }, name, unit ? " " : null, unit ? make("small", { text: unit }) : null);
    }));
    this.frame = make("div", { class: "pp-table", hidden: true },
      make("table", {}, make("caption", { text: "What was found" }), make("thead", {}, head), this.body));
    this.hint = make("p", { class: "pp-hint", hidden: true });
    host.replaceChildren(this.frame, this.hint);
    this.body.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("pointerleave", () => editor.hover(null));
  }

  /** All rows for `objects`; `hidden`: how many the score floor keeps out. */
  show(objects, hidden) {
    const wanted = new Set(objects.map(({ id }) => id));
    for (const [id, row] of this.rows) if (!wanted.has(id)) this.rows.delete(id) && row.element.remove();
    objects.forEach((object, place) => {
      if (!this.rows.has(object.id)) this.rows.set(object.id, this.#row(object.id));
      const { element } = this.rows.get(object.id);
      if (this.body.children[place] !== element) this.body.insertBefore(element, this.body.children[place] || null);
      this.#fill(object);
    });
    this.frame.hidden = objects.length === 0;
    this.hint.hidden = hidden === 0;
    this.hint.textContent = `${hidden} more below the score floor.`;
    this.mark();
  }

  /** Which row is selected, which the pointer is on; the selected one (else the first) is where Tab arrives. */
  mark() {
    const { selected, hovered } = this.editor;
    const stop = this.rows.has(selected) ? selected : this.editor.shown()[0]?.id;
    for (const [id, { element, buttons }] of this.rows) {
      set(element, "aria-selected", String(id === selected));
      set(element, "data-hovered", String(id === hovered));
      set(element, "tabindex", id === stop ? "0" : "-1");
      for (const button of buttons) set(button, "tabindex", id === selected ? "0" : "-1");
    }
  }

  /** The area column again: the threshold moved. */
  showAreas(objects) {
    for (const object of objects) this.#area(object);
  }

  #row(id) {
    const { editor } = this;
    const cells = { swatch: make("i"), label: make("bdi"), badge: make("small"), score: make("td"), box: make("td"), mask: make("td") };
    const buttons = REVIEWS.map(([review, sign, name]) =>
      make("button", {
        type: "button", class: "pp-ed-review", "data-review": review, title: name, text: sign,
        onclick: (event) => {
          event.stopPropagation();
          editor.review(id, review);
        },
      }));
    const element = make("tr", {
      onclick: () => editor.select(id, { reveal: true }),
      onpointerenter: () => editor.hover(id),
      onfocus: () => editor.hover(id),
      ondblclick: () => editor.rename(id),
    },
    make("th", { scope: "row" }, cells.swatch, cells.label, cells.badge),
    cells.score, cells.box, cells.mask, make("td", { class: "pp-ed-reviews" }, ...buttons));
    element.dataset.id = id;
    return { element, cells, buttons };
  }

  #fill(object) {
    const { cells, buttons, element } = this.rows.get(object.id);
    const { picture } = this.editor.scene;
    cells.swatch.style.background = this.editor.colours.get(object.label);
    write(cells.label, object.label || "no label", object.label ? "" : "pp-unknown");
    write(cells.badge, !object.model ? "drawn" : isEdited(object) ? "edited" : "", "pp-ed-badge");
    if (object.score === null) write(cells.score, object.model ? "unknown" : "–", "pp-unknown");
    else if (ownScore(object) === null) write(cells.score, `${object.score.toFixed(2)} before`, "pp-unknown");
    else write(cells.score, object.score.toFixed(2), "");
    const [x1, y1, x2, y2] = object.box ? rectPx(object.box, picture.w, picture.h) : [];
    const spot = object.point && [object.point[0] * picture.w, object.point[1] * picture.h].map(Math.floor);
    write(cells.box, object.box ? `${x1}, ${y1} – ${x2}, ${y2}` : spot ? `point ${spot.join(", ")}` : "–");
    set(element, "data-review", object.review);
    for (const button of buttons) {
      set(button, "aria-pressed", String(button.dataset.review === object.review));
      set(button, "aria-label", `${button.title} ${object.label || "this object"}`);
    }
    this.#area(object);
  }

  #area(object) {
    const row = this.rows.get(object.id);
    if (!row) return;
    const area = this.editor.areaOf(object);
    const words = area === null ? "none" : rejected(object) ? "–" : area === undefined ? "…" : grouped(area);
    write(row.cells.mask, area === 0 ? `${words} (empty at this threshold)` : words);
  }

  #key(event) {
    const { editor } = this;
    if (event.target.closest("button") && (event.key === "Enter" || event.key === " ")) return;
    const ids = editor.shown().map(({ id }) => id);
    const at = ids.indexOf(Number(event.target.closest("tr")?.dataset.id));
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (next !== undefined && ids[next] !== undefined) {
      editor.select(ids[next], { reveal: true });
      this.rows.get(ids[next]).element.focus();
    } else if (event.key === " ") editor.select(ids[at], { reveal: true });
    else if (!editor.keys.objectKey(event, ids[at])) return;
    event.preventDefault();
  }
}

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, " ");

function write(element, text, className = element.className) {
  if (element.textContent !== text) element.textContent = text;
  if (element.className !== className) element.className = className;
}

function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
