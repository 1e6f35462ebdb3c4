// What a person may do to the objects of a picture, each a step that can be undone. How they are looked at is the
// editor's: it extends this, and has scene, looks, selected, shown(), select(), setTool(), say() and changed().

import { History, asSaid, drawn, fitted } from "./objects.js";

export class Edits {
  constructor() {
    Object.assign(this, { scene: null, history: new History(), said: new Map(), lastLabel: null, draft: null });
  }

  /** Another answer's objects, nothing done to them yet. */
  begin(objects) {
    this.history = new History(objects);
    this.said = new Map(objects.filter(({ model }) => model).map((each) => [each.id, asSaid(each)]));
    this.draft = null;
  }

  get objects() {
    return this.history.objects;
  }

  object(id) {
    return this.objects.find((each) => each.id === id) ?? null;
  }

  relabel(id, words) {
    const object = this.object(id), label = words.trim().replace(/\s+/g, " ");
    if (object && label !== object.label) this.replace({ ...object, label }, `now ${label || "without a label"}`);
  }

  review(id, review) {
    const object = this.object(id);
    const next = object?.review === review ? "open" : review;
    if (object) this.replace({ ...object, review: next }, next === "open" ? "open again" : next);
  }

  fit(id) {
    const object = this.object(id);
    if (object?.mask) this.replace(fitted(object, this.looks.threshold), "box fitted to the mask");
  }

  setThreshold(id, threshold) {
    const object = this.object(id);
    if (!object?.mask) return;
    const words = threshold === null ? "threshold as all" : `own threshold ${threshold}`;
    this.replace({ ...object, mask: { ...object.mask, threshold } }, words, "threshold");
  }

  nudgeThreshold(id, step) {
    const mask = this.object(id)?.mask;
    if (mask) this.setThreshold(id, Math.min(255, Math.max(0, (mask.threshold ?? this.looks.threshold) + step)));
  }

  /** As the model gave it, its review kept. */
  reset(id) {
    const object = this.object(id), said = this.said.get(id);
    if (object && said) this.replace({ ...said, review: object.review }, "as the model gave it");
  }

  /** A new object in place of the one with its number. `kind`: steps of one kind in quick succession undo as one. */
  replace(object, words, kind = null) {
    this.#commit(this.objects.map((each) => (each.id === object.id ? object : each)), kind && `${kind} ${object.id}`);
    this.say(`${object.label || "Object"}: ${words}${words === "moved" || words === "resized" ? `, ${boxWords(object, this.scene.picture)}` : ""}`);
  }

  add(shape) {
    if (shape.box === null) return;
    const object = shape.id === undefined ? drawn(this.objects, this.nextLabel, shape) : shape;
    this.#commit([...this.objects, object]);
    this.setTool(shape.mask ? this.tool : "select");
    this.select(object.id);
  }

  placePoint([x, y]) {
    const { w, h } = this.scene.picture;
    if (x < 0 || y < 0 || x > w || y > h) return;
    const point = [x / w, y / h], chosen = this.object(this.selected);
    if (chosen?.point && !chosen.box) this.replace({ ...chosen, point }, "moved");
    else this.add({ point });
  }

  remove(id) {
    const object = this.object(id);
    if (!object) return;
    const place = this.shown().findIndex((each) => each.id === id);
    this.#commit(this.objects.filter((each) => each.id !== id));
    this.say(`${object.label || "Object"} deleted`);
    this.select((this.shown()[place] ?? this.shown().at(-1))?.id ?? null, { quiet: true });
  }

  undo() {
    if (this.history.undo()) this.changed("Undone");
  }

  redo() {
    if (this.history.redo()) this.changed("Done again");
  }

  /** The label of what is drawn next: that of the selected or last drawn object, else what was asked for first. */
  get nextLabel() {
    return this.object(this.selected)?.label ?? this.lastLabel ?? this.scene.labels[0] ?? this.objects[0]?.label ?? "";
  }

  #commit(objects, kind = null) {
    this.draft = null;
    this.history.commit(objects, kind);
    this.lastLabel = this.object(this.selected)?.label ?? this.lastLabel;
    this.changed();
  }
}

/** Where an object is, for those who hear it. */
export function boxWords({ box, point }, { w, h }) {
  const px = (values) => values.map((value, at) => Math.round(value * (at % 2 ? h : w)));
  if (box) return `box ${px(box).slice(0, 2).join(", ")} to ${px(box).slice(2).join(", ")}`;
  return point ? `point ${px(point).join(", ")}` : "no box";
}
