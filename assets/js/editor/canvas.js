// The stage itself: the picture and the three canvases over it. Draws what it is given and remembers what is stale.

import { legend } from "./colours.js";
import { make } from "./dom.js";
import { MaskLayer } from "./layers.js";
import { drawBrush, drawMarks, drawRubber, drawUnder, needsUnder } from "./marks.js";

export class Canvas {
  /** `state()` says what there is to draw whenever a frame is due; `resized()` hears of another size. */
  constructor(view, state, resized) {
    Object.assign(this, { view, state, stale: {}, frame: null, dpr: 0, widths: new Map(), timing: {} });
    this.image = make("img", { class: "pp-ed-picture", draggable: "false" });
    [this.under, this.masks, this.marks] = [1, 2, 3].map(() => make("canvas", { "aria-hidden": "true" }));
    this.element = make("div", {
      class: "pp-ed-stage", tabindex: "0", role: "application", "aria-roledescription": "picture editor",
      "aria-label": "Picture with what was found on it", "aria-describedby": "pp-ed-described",
    }, this.image, this.under, this.masks, this.marks);
    this.image.addEventListener("load", () => this.touch("under"));
    this.layer = new MaskLayer(this.masks);
    this.watcher = new ResizeObserver(resized);
    this.watcher.observe(this.element);
  }

  /** Another picture; its size is that of the original, whatever the size of the file shown. */
  show({ file, name, w, h }) {
    this.image.alt = `The picture ${name}, with what was found drawn on it; the table below says the same in words`;
    this.image.src = file.url;
    Object.assign(this.image.style, { width: `${w}px`, height: `${h}px` });
    this.element.style.aspectRatio = `${w} / ${h}`;
  }

  /** Fits the view and the canvases to the element; false where it has no size yet. */
  resize(picture) {
    const { clientWidth: w, clientHeight: h } = this.element;
    if (!w || !h) return false;
    this.dpr = Math.min(3, window.devicePixelRatio || 1);
    this.view.resize({ w, h }, picture);
    for (const canvas of [this.under, this.marks]) {
      const size = { width: Math.round(w * this.dpr), height: Math.round(h * this.dpr) };
      if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
    }
    return true;
  }

  /** The view moved. */
  place() {
    const { x, y, scale } = this.view;
    this.image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.touch("masks", "marks", "under");
  }

  /** Has parts drawn again with the next frame: "masks", "marks", "under". */
  touch(...parts) {
    for (const part of parts) this.stale[part] = true;
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  /** Draws now what is stale. */
  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    const state = this.dpr && this.state();
    if (!state) return;
    const { objects, picture, palette, looks } = state, stale = this.stale, { overlays, threshold } = looks;
    this.stale = {};
    const colours = legend(objects, palette);
    const cut = { threshold, mask: overlays.includes("mask"), polygon: overlays.includes("polygon") };
    if (stale.masks) {
      this.#timed("masks", () => {
        this.layer.lie(this.view, this.dpr);
        this.layer.draw(objects, colours, cut);
      });
    }
    const under = stale.under || (stale.masks && needsUnder(overlays));
    if (!under && !stale.marks) return;
    const { view, image } = this;
    const spot = ([x, y]) => view.toScreen(x * picture.w, y * picture.h);
    const placed = objects.map((object) => ({
      object, rect: rectOf(object, view, picture), point: object.point && spot(object.point), colour: colours.get(object.label),
    }));
    const all = { placed, stage: view.stage, view, image, shapes: () => this.layer.shapes(objects, colours, cut) };
    if (under) this.#timed("under", () => drawUnder(this.#clear(this.under), overlays, all));
    if (stale.marks) this.#timed("marks", () => this.#drawMarks(state, all));
  }

  #drawMarks({ objects, looks, selected, hovered, rubber, brush }, all) {
    const context = this.#clear(this.marks);
    const find = (id) => objects.find((each) => each.id === id);
    const texts = { font: getComputedStyle(this.element).fontFamily, widths: this.widths };
    drawMarks(context, looks.overlays, { ...all, selected: find(selected), hovered: find(hovered), texts });
    if (rubber) drawRubber(context, ...rubber);
    if (brush) drawBrush(context, brush.at, brush.radius * this.view.scale, brush.erase);
  }

  #clear(canvas) {
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    return context;
  }

  #timed(what, act) {
    const began = performance.now();
    act();
    this.timing[what] = performance.now() - began;
  }
}

/** [x, y, w, h] of an object on the stage; null for a point. */
export function rectOf(object, view, { w, h }) {
  const frame = object.box ?? object.mask?.frame;
  if (!frame) return null;
  const [x1, y1] = view.toScreen(frame[0] * w, frame[1] * h), [x2, y2] = view.toScreen(frame[2] * w, frame[3] * h);
  return [x1, y1, x2 - x1, y2 - y1];
}
