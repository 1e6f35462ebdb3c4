// The bar of tools over the picture and the panel under it: what is selected, its label, its review, its threshold and
// where it came from.

import { icon, make } from "./dom.js";
import { isEdited, ownScore } from "./objects.js";
import { KEYS } from "./keys.js";
import { rectPx } from "./masks.js";

const TOOLS = [
  ["select", "Select and move", "V", "M5 3l11 6-5 1.5L8.5 16z"],
  ["box", "Draw a box", "B", "M4 5h12v10H4zM2 5h2M4 3v2M16 15h2M16 15v2"],
  ["point", "Set a point", "P", "M10 3v4M10 13v4M3 10h4M13 10h4M10 9.2a.8.8 0 1 1 0 1.6.8.8 0 0 1 0-1.6"],
  ["brush", "Paint a mask", "M", "M16.5 3.5c-3 1-6.5 4.5-8 7l1.5 1.5c2.5-1.5 6-5 7-8zM7.5 11.5c-2.5 0-2.5 3.5-5 4 2.5 1.5 6.5.5 6.5-2.5"],
  ["erase", "Erase from a mask", "E", "M8 16l-4.5-4.5L11 4l5 5-7 7zM7 8l5 5M8 16h9"],
];
const ACTIONS = [
  ["undo", "Undo", "Ctrl+Z", "M7 4L3 8l4 4M3 8h8a5 5 0 0 1 0 9H8"],
  ["redo", "Redo", "Ctrl+Y", "M13 4l4 4-4 4M17 8H9a5 5 0 0 0 0 9h3"],
  ["out", "Zoom out", "−", "M8.5 3a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11M12.5 12.5L17 17M6 8.5h5"],
  ["in", "Zoom in", "+", "M8.5 3a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11M12.5 12.5L17 17M6 8.5h5M8.5 6v5"],
  ["whole", "Whole picture", "0", "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4"],
  ["full", "Full screen", "", "M11 9l6-6M12 3h5v5M9 11l-6 6M3 12v5h5"],
  ["help", "Keys", "?", "M7.5 7.5a2.5 2.5 0 1 1 3.5 2.3c-.8.4-1 .9-1 1.700M10 14.5v.5M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15"],
];
const REVIEWS = [["accepted", "✓ Accept", "A"], ["unsure", "? Unsure", "U"], ["rejected", "✗ Reject", "R"]];

export class Panel {
  constructor(bar, host, editor) {
    Object.assign(this, { bar, host, editor });
    this.#buildBar();
    this.#buildPanel();
  }

  #buildBar() {
    const { editor } = this;
    const button = (name, title, key, path, act) => make("button", {
      type: "button", class: "pp-ed-tool", "data-act": name, title: key ? `${title} (${key})` : title,
      "aria-label": title, "aria-keyshortcuts": key.replace("Ctrl", "Control").replace("−", "-") || null, onclick: act,
    }, icon(path));
    this.tools = TOOLS.map(([name, title, key, path]) => button(name, title, key, path, () => {
      editor.setTool(name);
      editor.stage.focus({ preventScroll: true });
    }));
    const acts = {
      undo: () => editor.undo(), redo: () => editor.redo(), in: () => editor.zoom(1.25), out: () => editor.zoom(0.8),
      whole: () => editor.zoom(0), full: () => editor.fullScreen(), help: () => this.toggleHelp(),
    };
    this.actions = Object.fromEntries(ACTIONS.map(([name, title, key, path]) => [name, button(name, title, key, path, acts[name])]));
    this.size = make("input", {
      type: "range", min: 1, max: 100, "aria-label": "Brush size",
      oninput: () => editor.setRadius(radiusOf(Number(this.size.value), editor.scene.picture)),
    });
    this.sizeWords = make("span");
    this.sizing = make("label", { class: "pp-ed-size", title: "Brush size ([ and ])", hidden: true }, this.size, this.sizeWords);
    this.saved = make("span", { class: "pp-ed-saved" });
    const group = (...items) => make("span", { class: "pp-ed-group" }, ...items);
    const { undo, redo, out, in: closer, whole, full, help } = this.actions;
    this.bar.append(group(...this.tools), this.sizing, group(undo, redo), this.saved, group(out, closer, whole, full, help));
    this.help = make("dl", { class: "pp-ed-help", hidden: true });
    for (const [keys, means] of KEYS) this.help.append(make("dt", { text: keys }), make("dd", { text: means }));
    this.bar.after(this.help);
  }

  #buildPanel() {
    const { editor } = this;
    this.choices = make("datalist", { id: "pp-ed-labels" });
    this.label = make("input", {
      type: "text", class: "pp-ed-label", list: "pp-ed-labels", maxlength: 200, autocomplete: "off", "aria-label": "Label",
      placeholder: "label", dir: "auto", onkeydown: (event) => this.#labelKey(event), onchange: () => this.#relabel(),
    });
    this.reviews = REVIEWS.map(([review, title, key]) => make("button", {
      type: "button", "data-review": review, title: `${title} (${key})`, text: title,
      onclick: () => editor.review(editor.selected, review),
    }));
    this.threshold = make("input", {
      type: "range", min: 0, max: 255, "aria-label": "This object's own mask threshold",
      oninput: () => editor.setThreshold(editor.selected, Number(this.threshold.value)),
    });
    this.thresholdWords = make("output");
    const act = (text, title, run) => make("button", { type: "button", class: "pp-ed-act", text, title, onclick: run });
    this.shared = act("As all", "Follow the mask threshold of all objects again", () => editor.setThreshold(editor.selected, null));
    this.thresholds = make("label", { class: "pp-ed-threshold" }, make("span", { text: "Own threshold" }), this.threshold, this.thresholdWords, this.shared);
    this.fit = act("Fit box to mask", "The box to what is seen of the mask (F)", () => editor.fit(editor.selected));
    this.reset = act("Back to the model’s", "Undo every correction of this object", () => editor.reset(editor.selected));
    this.remove = act("Delete", "Delete this object (Delete)", () => editor.remove(editor.selected));
    this.facts = make("dl", { class: "pp-ed-facts" });
    this.origin = make("details", { class: "pp-ed-origin" }, make("summary", { text: "Where it came from" }), this.facts);
    this.idle = make("p", { class: "pp-hint", text: "Select an object on the picture or in the table to correct it, or draw one. Press ? on the picture for the keys." });
    this.form = make("div", { class: "pp-ed-form", hidden: true },
      make("div", { class: "pp-ed-line" }, this.label, this.choices, make("span", { class: "pp-ed-verdict", role: "group", "aria-label": "Review" }, ...this.reviews)),
      make("div", { class: "pp-ed-line" }, this.thresholds, this.fit, this.reset, this.remove),
      this.origin);
    this.host.append(this.idle, this.form);
  }

  /** Everything as the editor has it now. */
  show() {
    const { editor } = this;
    const object = editor.object(editor.selected);
    for (const tool of this.tools) tool.setAttribute("aria-pressed", String(tool.dataset.act === editor.tool));
    this.actions.undo.disabled = !editor.history.back.length;
    this.actions.redo.disabled = !editor.history.forth.length;
    this.sizing.hidden = editor.tool !== "brush" && editor.tool !== "erase";
    this.size.value = sizeOf(editor.radius, editor.scene.picture);
    this.sizeWords.textContent = `${Math.round(2 * editor.radius)} px`;
    this.idle.hidden = Boolean(object);
    this.form.hidden = !object;
    if (object) this.#showObject(object);
  }

  #showObject(object) {
    const { editor } = this;
    const of = editor.looks.threshold;
    if (document.activeElement !== this.label || this.shown !== object.id) this.label.value = object.label;
    this.shown = object.id;
    for (const button of this.reviews) button.setAttribute("aria-pressed", String(button.dataset.review === object.review));
    this.thresholds.hidden = this.fit.hidden = !object.mask;
    if (object.mask) {
      this.threshold.value = object.mask.threshold ?? of;
      this.thresholdWords.textContent = object.mask.threshold ?? `${of} (as all)`;
      this.shared.hidden = object.mask.threshold === null;
    }
    this.reset.hidden = !object.model || !isEdited(object);
    this.facts.replaceChildren(...facts(object, editor.scene.picture).flatMap(([name, value]) => {
      return [make("dt", { text: name }), make("dd", { text: value, dir: "auto" })];
    }));
  }

  /** Whether a label is being typed that is not the object's yet. */
  get typing() {
    const object = this.editor.object(this.shown);
    return document.activeElement === this.label && object !== null && this.label.value !== object.label;
  }

  /** What may be completed to. */
  offer(labels) {
    this.choices.replaceChildren(...labels.map((label) => make("option", { value: label })));
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
    this.actions.help.setAttribute("aria-expanded", String(!this.help.hidden));
  }

  #labelKey(event) {
    const { editor } = this;
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();
    if (event.key === "Escape") this.label.value = editor.object(editor.selected)?.label ?? "";
    else this.#relabel();
    editor.stage.focus({ preventScroll: true });
  }

  #relabel() {
    this.editor.relabel(this.shown, this.label.value);
  }
}

/** The slider's 1-100 grows by squares: fine for small brushes, up to an eighth of the picture. */
const radiusOf = (value, { w, h }) => Math.max(1, (value / 100) ** 2 * Math.max(w, h) / 8);
const sizeOf = (radius, { w, h }) => Math.round(100 * Math.sqrt((8 * radius) / Math.max(w, h)));

function facts(object, picture) {
  const { origin, model } = object;
  const lines = [];
  const file = origin?.backend === "file" && origin.parameters; // read from a file that says no more
  if (origin?.backend === "person") lines.push(["Drawn by", "a person"]);
  else if (file) lines.push(["Imported from", [file.file, file.format].filter(Boolean).join(" · ")]);
  else if (origin) {
    lines.push(["Model", [origin.model, origin.backend].filter(Boolean).join(" · ") || "unknown"]);
    if (origin.prompt) lines.push(["Asked", origin.prompt]);
    if (origin.answered_at) lines.push(["Answered", origin.answered_at]);
    const parameters = Object.entries(origin.parameters).map(([name, value]) => `${name} ${value}`).join(", ");
    if (parameters) lines.push(["Parameters", parameters]);
  }
  if (model) {
    const score = object.score?.toFixed(3) + (ownScore(object) === null ? ", before it was changed" : "");
    lines.push(["Score", object.score === null ? (file ? "none in the file" : "the model gave none") : score]);
    lines.push(["Edited", isEdited(object) ? "yes, by a person" : `no, as the ${file ? "file" : "model"} gave it`]);
    if (model.label !== object.label) lines.push(["Label before", model.label || "none"]);
    if (model.box) lines.push(["Box before", rectPx(model.box, picture.w, picture.h).join(", ") + " px"]);
  }
  if (object.box) lines.push(["Box now", rectPx(object.box, picture.w, picture.h).join(", ") + " px"]);
  return lines;
}
