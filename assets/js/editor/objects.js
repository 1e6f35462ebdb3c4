// The objects of a picture and what a person may do to them. An object is never changed in place: each function gives
// a new one, so that undo is only going back to an earlier list. Knows no page.
//
// An object: {id, label, box, point, score, review, mask, model, origin}; box [x1, y1, x2, y2] and point [x, y] in
// [0, 1] or null; mask as in masks.js or null; model: what the model said of it, or null where a person drew it.

import { bounds } from "./masks.js";

const unit = (value) => Math.min(1, Math.max(0, value));

/** Moves by whole pixels, never over the edge: box, point and mask together. */
export function moved(object, dxPx, dyPx, picture) {
  const extents = [object.box, object.mask && object.mask.frame, object.point && [...object.point, ...object.point]];
  const there = extents.filter(Boolean);
  const dx = within(dxPx / picture.w, there.map((e) => [e[0], e[2]]));
  const dy = within(dyPx / picture.h, there.map((e) => [e[1], e[3]]));
  const shift = ([x1, y1, x2, y2]) => [unit(x1 + dx), unit(y1 + dy), unit(x2 + dx), unit(y2 + dy)];
  return {
    ...object,
    box: object.box && shift(object.box),
    point: object.point && [unit(object.point[0] + dx), unit(object.point[1] + dy)],
    mask: object.mask && { ...object.mask, frame: shift(object.mask.frame) },
  };
}

const within = (step, sides) => Math.max(-Math.min(...sides.map((s) => s[0])), Math.min(step, 1 - Math.max(...sides.map((s) => s[1]))));

/** With the edges named in `grip` ("n", "se", ...) at `atPx`, on whole pixels and at least one apart. The mask stays. */
export function resized(object, grip, [x, y], picture) {
  const box = [...object.box];
  const step = [1 / picture.w, 1 / picture.h];
  const snap = (value, side) => unit(Math.round(value) / side);
  if (grip.includes("w")) box[0] = Math.min(snap(x, picture.w), box[2] - step[0]);
  if (grip.includes("e")) box[2] = Math.max(snap(x, picture.w), box[0] + step[0]);
  if (grip.includes("n")) box[1] = Math.min(snap(y, picture.h), box[3] - step[1]);
  if (grip.includes("s")) box[3] = Math.max(snap(y, picture.h), box[1] + step[1]);
  return { ...object, box: box.map(unit) };
}

/** Right and lower edge moved by whole pixels. */
export function stretched(object, dxPx, dyPx, picture) {
  const grip = (dyPx ? "s" : "") + (dxPx ? "e" : "");
  return resized(object, grip, [object.box[2] * picture.w + dxPx, object.box[3] * picture.h + dyPx], picture);
}

/** A box in [0, 1] between two corners in pixels, on whole pixels; null where it has no width or no height. */
export function boxBetween([ax, ay], [bx, by], picture) {
  const x = [ax, bx].map((v) => unit(Math.round(v) / picture.w)).sort((a, b) => a - b);
  const y = [ay, by].map((v) => unit(Math.round(v) / picture.h)).sort((a, b) => a - b);
  return x[0] < x[1] && y[0] < y[1] ? [x[0], y[0], x[1], y[1]] : null;
}

/** A new object drawn by a person. */
export function drawn(objects, label, shape) {
  const id = objects.reduce((most, each) => Math.max(most, each.id), -1) + 1;
  const origin = { backend: "person", model: "", prompt: "", parameters: {}, answered_at: null };
  return { id, label, box: null, point: null, score: null, review: "open", mask: null, model: null, origin, ...shape };
}

/** The box that holds exactly what is seen of the mask; the object itself where nothing is. */
export function fitted(object, threshold) {
  const box = object.mask && bounds(object.mask, thresholdOf(object, threshold));
  return box ? { ...object, box: box.map(unit) } : object;
}

/** `object` with a painted mask; the box grows to hold what is seen of it. */
export function painted(object, mask, threshold) {
  const seen = bounds(mask, mask.threshold ?? threshold);
  const grown = !seen ? object.box : !object.box ? seen : [
    Math.min(object.box[0], seen[0]), Math.min(object.box[1], seen[1]),
    Math.max(object.box[2], seen[2]), Math.max(object.box[3], seen[3]),
  ];
  return { ...object, mask, box: grown && grown.map(unit) };
}

export const thresholdOf = (object, threshold) => object.mask?.threshold ?? threshold;

const same = (a, b) => (a && b ? a.every((v, at) => Math.abs(v - b[at]) < 1e-7) : !a === !b);

/** Whether `object` differs from what the model said (label, place, mask), or did before it came to this page. */
export function isEdited(object) {
  const model = object.model;
  if (!model || object.edited) return true;
  const mask = object.mask;
  const maskSame = mask ? mask.own && mask.threshold === null && same(mask.frame, model.frame) : !model.frame;
  return !(object.label === model.label && same(object.box, model.box) && same(object.point, model.point) && maskSame);
}

/** The score where it is of this very box and label; null where a person changed either since. */
export function ownScore({ score, label, box, model }) {
  return model && !(label === model.label && same(box, model.box)) ? null : score;
}

/** As the model gave it; a mask that was painted before it came to this page stays, for the model's is not known. */
export function asSaid(object) {
  const { label, box, point, frame } = object.model;
  const mask = object.mask?.own ? { ...object.mask, frame, threshold: null } : object.mask;
  return { ...object, label, box, point, mask };
}

export const rejected = (object) => object.review === "rejected";

/** Lists of objects as they were: going back and forth. Steps of one kind in quick succession count as one. */
export class History {
  constructor(objects = [], most = 100, quickMs = 1000) {
    Object.assign(this, { objects, back: [], forth: [], most, quickMs, kind: null, at: 0 });
  }

  commit(objects, kind = null, now = Date.now()) {
    const goesOn = kind !== null && kind === this.kind && now - this.at < this.quickMs && this.back.length > 0;
    if (!goesOn) this.back = [...this.back, this.objects].slice(-this.most);
    Object.assign(this, { objects, forth: [], kind, at: now });
  }

  undo() {
    return this.#step(this.back, this.forth);
  }

  redo() {
    return this.#step(this.forth, this.back);
  }

  #step(from, to) {
    if (!from.length) return false;
    to.push(this.objects);
    this.objects = from.pop();
    this.kind = null;
    return true;
  }
}
