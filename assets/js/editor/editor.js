// The editor of one picture: what is shown of it, what is selected, how it is looked at. Everything else asks it.

import { Canvas, rectOf } from "./canvas.js";
import { legend } from "./colours.js";
import { make } from "./dom.js";
import { boxWords, Edits } from "./edits.js";
import { Gestures } from "./gestures.js";
import { Keys } from "./keys.js";
import { decode } from "./masks.js";
import { Naming } from "./naming.js";
import { ownScore } from "./objects.js";
import { Panel } from "./panel.js";
import { Sync } from "./sync.js";
import { Table } from "./table.js";
import { View } from "./view.js";

const AREAS_MS = 60; // how long after a threshold moved the table's areas follow
const SLICE_MS = 12; // of counting areas at a time; the page stays quick between

export class Editor extends Edits {
  /** `root`: the element to fill. `tableHost`: where the table goes. `send`: hands a correction to the server. */
  constructor(root, tableHost, send) {
    super();
    Object.assign(this, { root, selected: null, hovered: null, tool: "select", radius: 12 });
    Object.assign(this, { rubber: null, cursor: null, colours: new Map(), left: false });
    this.looks = { overlays: ["mask", "box", "label"], threshold: 127, floor: 0 };
    this.view = new View();
    this.canvas = new Canvas(this.view, () => this.#state(), () => this.#resized());
    this.stage = this.canvas.element;
    this.#build();
    this.sync = new Sync(send, (words) => this.#told(words));
    this.panel = new Panel(this.bar, this.panelHost, this);
    this.table = new Table(tableHost, this);
    this.gestures = new Gestures(this.stage, this);
    this.keys = new Keys(this.stage, this);
    this.naming = new Naming(this.stage, this);
    this.stage.addEventListener("focus", () => (this.left = false));
  }

  #build() {
    this.bar = make("div", { class: "pp-ed-bar", role: "toolbar", "aria-label": "Tools" });
    this.live = make("p", { class: "pp-ed-live", "aria-live": "polite" });
    this.trouble = make("p", { class: "pp-problem", role: "alert", hidden: true });
    this.panelHost = make("section", { class: "pp-ed-panel", "aria-label": "The selected object" });
    const described = make("p", { id: "pp-ed-described", class: "pp-ed-live", text:
      "Tab goes through the objects, arrows move, Shift and arrows resize, Enter changes the label, Delete deletes, Control Z undoes. The question mark shows all keys. Escape, then Tab, leaves." });
    this.root.replaceChildren(this.bar, this.stage, this.trouble, this.panelHost, described, this.live);
  }

  /** A picture with its objects as the server describes them; the same answer again keeps view and selection. */
  async load(scene) {
    this.loading = scene;
    const objects = await Promise.all((scene?.objects ?? []).map(async (each) => {
      return { ...each, mask: each.mask && (await decode(each.mask)) };
    }));
    if (this.loading !== scene) return; // a newer one came meanwhile
    const other = this.scene?.picture.key !== scene?.picture.key;
    const cut = this.scene?.key !== scene?.key && this.#letGo();
    this.scene = scene;
    if (!scene) return;
    this.begin(objects);
    if (!this.object(this.naming.id)) this.naming.close({ keep: false });
    this.rubber = null;
    if (!objects.some(({ id }) => id === this.selected)) this.selected = null;
    this.hovered = null;
    this.sync.begin(scene.key, objects, cut);
    if (other) {
      this.canvas.show(scene.picture);
      this.view.fitted = true;
      this.radius = Math.max(4, Math.max(scene.picture.w, scene.picture.h) / 60);
    }
    this.#resized();
    this.#listChanged();
    this.canvas.paint();
    this.root.dataset.drawn = scene.key;
  }

  /** Nothing of this answer is held any more: the same number means another object in the next. True: it was changing. */
  #letGo() {
    const changing = Boolean(this.draft || this.rubber) || this.panel.typing || this.naming.typing;
    this.gestures.stop();
    this.naming.close({ keep: false });
    this.panel.shown = this.selected = null;
    return changing;
  }

  /** Overlays, threshold and score floor, as the controls beside the picture have them. */
  setLooks(looks) {
    const moved = looks.threshold !== this.looks.threshold;
    const listed = looks.floor !== this.looks.floor;
    this.looks = looks;
    if (!this.scene) return;
    if (listed) this.#listChanged();
    else if (moved) this.#areasLater();
    this.canvas.touch("masks", ...(moved && !listed ? [] : ["marks", "under"]));
    this.panel.show();
  }

  /** What the score floor lets through; unknown scores always. */
  shown() {
    return this.objects.filter((object) => ownScore(object) === null || ownScore(object) >= this.looks.floor);
  }

  /** Those under a point of the picture, the smallest first. */
  objectsAt(x, y) {
    const near = 8 / this.view.scale, { w, h } = this.scene.picture;
    const hits = [];
    for (const each of this.shown()) {
      const frame = each.box ?? each.mask?.frame;
      const on = frame && x >= frame[0] * w && x <= frame[2] * w && y >= frame[1] * h && y <= frame[3] * h;
      const onPoint = each.point && Math.hypot(each.point[0] * w - x, each.point[1] * h - y) <= near;
      if (onPoint) hits.push([0, each]);
      else if (on) hits.push([(frame[2] - frame[0]) * (frame[3] - frame[1]), each]);
    }
    return hits.sort((a, b) => a[0] - b[0]).map(([, each]) => each);
  }

  rectOf(object) {
    return rectOf(object, this.view, this.scene.picture);
  }

  /** Pixels of the picture the mask covers at its threshold; null without one, undefined while they are counted. */
  areaOf({ mask }) {
    return mask && this.canvas.layer.counted(mask)?.[mask.threshold ?? this.looks.threshold];
  }

  select(id, { reveal = false, quiet = false } = {}) {
    const object = this.object(id);
    this.selected = object ? id : null;
    const frame = object && (object.box ?? object.mask?.frame ?? [...object.point, ...object.point]);
    if (reveal && frame) {
      this.view.reveal(frame);
      this.viewChanged();
    }
    if (object && !quiet) this.say(this.#inWords(object));
    this.table.mark();
    this.panel.show();
    this.canvas.touch("marks");
  }

  /** The next or the previous one; false at the end, where Tab goes on out of the picture. */
  selectNext(step) {
    const ids = this.shown().map(({ id }) => id);
    const at = ids.indexOf(this.selected);
    if (this.selected === null && this.left) return false;
    const next = this.selected === null && step < 0 ? ids.length - 1 : at + step;
    if (ids[next] === undefined) {
      this.select(null);
      return false;
    }
    this.select(ids[next], { reveal: true });
    return true;
  }

  hover(id) {
    if (id === this.hovered) return;
    this.hovered = id;
    this.table.mark();
    this.canvas.touch("marks");
  }

  rename(id) {
    this.select(id, { quiet: true, reveal: true });
    this.naming.open(id);
  }

  /** What `draw` adds is asked for its label, unless there is just one to have. */
  drawByHand(draw) {
    const before = this.objects.length, plain = this.known().length === 1;
    draw();
    if (this.objects.length > before && !plain) this.naming.open(this.selected);
  }

  setTool(tool) {
    this.tool = tool;
    this.stage.style.cursor = tool === "select" ? "default" : tool === "brush" || tool === "erase" ? "none" : "crosshair";
    this.panel.show();
    this.#touchAction();
    this.canvas.touch("marks");
  }

  setRadius(radius) {
    this.radius = Math.min(Math.max(1, radius), Math.max(this.scene.picture.w, this.scene.picture.h) / 8);
    this.panel.show();
    this.canvas.touch("marks");
  }

  zoom(factor) {
    if (factor) this.view.zoom(factor);
    else this.view.fit();
    this.viewChanged();
    this.say(`Zoom ${Math.round((100 * this.view.scale) / this.view.fitScale)} %`);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  viewChanged() {
    this.canvas.place();
    this.naming.place();
    this.#touchAction();
  }

  /** An object as it is while it is dragged or painted; null when that ends without a change. */
  setDraft(object) {
    const masked = object?.mask || this.draft?.mask;
    this.draft = object;
    this.canvas.touch("marks", ...(masked ? ["masks"] : []));
  }

  setRubber(corners) {
    this.rubber = corners;
    this.canvas.touch("marks");
  }

  /** Where the brush is, px of the stage; null: the pointer left. */
  cursorAt(at) {
    this.cursor = at;
    if (this.tool === "brush" || this.tool === "erase") this.canvas.touch("marks");
  }

  /** The brush's place in px of the picture; the middle of what is seen where no pointer was yet. */
  cursorPx() {
    this.cursor ??= [this.view.stage.w / 2, this.view.stage.h / 2];
    return this.view.toPicture(...this.cursor);
  }

  moveCursor(dx, dy) {
    const [x, y] = this.cursorPx(), { w, h } = this.scene.picture;
    this.cursorAt(this.view.toScreen(Math.min(w, Math.max(0, x + dx)), Math.min(h, Math.max(0, y + dy))));
    return true;
  }

  say(words) {
    this.live.textContent = words;
  }

  #told(words) {
    this.trouble.textContent = words;
    this.trouble.hidden = !words;
    this.panel.saved.textContent = words ? "Not saved" : "";
  }

  #inWords(object) {
    const place = this.shown().findIndex(({ id }) => id === object.id) + 1;
    const verdict = object.review === "open" ? "" : `, ${object.review}`;
    return `${object.label || "No label"}, ${place} of ${this.shown().length}, ${boxWords(object, this.scene.picture)}${verdict}`;
  }

  /** The objects are others than before: see Edits. */
  changed(words = "") {
    if (this.selected !== null && !this.object(this.selected)) this.selected = null;
    this.#listChanged();
    this.canvas.touch("masks", "marks", "under");
    this.sync.changed(this.objects);
    if (words) this.say(words);
  }

  #listChanged() {
    this.colours = legend(this.objects, this.scene.palette);
    const shown = this.shown();
    this.table.show(shown, this.objects.length - shown.length);
    this.panel.offer(this.known());
    this.panel.show();
    this.root.classList.toggle("pp-ed-empty", this.objects.length === 0);
    this.#countLater();
  }

  /** The labels asked for, those of the project and those the objects have. */
  known() {
    const labels = [...this.scene.labels, ...this.objects.map(({ label }) => label)];
    return [...new Set(labels.filter(Boolean))];
  }

  /** Areas are counted a few at a time, so that the picture is there first. */
  #countLater() {
    clearTimeout(this.counting);
    const waiting = () => this.shown().filter(({ mask }) => mask && !this.canvas.layer.counted(mask));
    if (!waiting().length) return;
    this.counting = setTimeout(() => {
      const until = performance.now() + SLICE_MS, counted = [];
      for (const each of waiting()) {
        this.canvas.layer.count(each.mask, this.scene.picture);
        counted.push(each);
        if (performance.now() > until) break;
      }
      this.table.showAreas(counted);
      if (waiting().length) this.#countLater();
      else this.canvas.touch("masks"); // the smaller of two lies on top
    });
  }

  #areasLater() {
    this.areasTimer ??= setTimeout(() => {
      this.areasTimer = null;
      this.table.showAreas(this.shown());
    }, AREAS_MS);
  }

  #resized() {
    if (this.scene && this.canvas.resize(this.scene.picture)) this.viewChanged();
  }

  /** On a phone one finger scrolls the page while the whole picture is shown and only selecting is meant. */
  #touchAction() {
    this.stage.style.touchAction = this.tool === "select" && this.view.fitted ? "pan-y" : "none";
  }

  /** What there is to draw, with what is being dragged as it is. */
  #state() {
    if (!this.scene) return null;
    const { draft, looks, hovered, rubber, tool, cursor, radius } = this;
    const shown = this.shown();
    const objects = !draft ? shown : shown.some(({ id }) => id === draft.id)
      ? shown.map((each) => (each.id === draft.id ? draft : each)) : [...shown, draft];
    const painting = (tool === "brush" || tool === "erase") && cursor;
    const brush = painting ? { at: cursor, radius, erase: tool === "erase" } : null;
    const { picture, palette } = this.scene;
    return { objects, picture, palette, looks, selected: draft?.id ?? this.selected, hovered, rubber, brush };
  }
}
