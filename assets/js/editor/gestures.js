// Mouse, pen and fingers on the stage: select, move, resize, draw, paint, pan, pinch. Knows objects only by the editor.

import { boxBetween, drawn, moved, painted, resized } from "./objects.js";
import { stroke } from "./paint.js";
import { grips } from "./marks.js";

const CURSORS = { n: "ns-resize", s: "ns-resize", e: "ew-resize", w: "ew-resize", nw: "nwse-resize", se: "nwse-resize", ne: "nesw-resize", sw: "nesw-resize" };
/** How far from a grip's middle it can still be taken, in px: a finger covers 44. */
const REACH = { mouse: 9, pen: 12, touch: 22 };
const STILL = { mouse: 3, pen: 5, touch: 8 };

export class Gestures {
  constructor(stage, editor) {
    Object.assign(this, { stage, editor, pointers: new Map(), drag: null, space: false });
    const on = (name, act, options) => stage.addEventListener(name, act.bind(this), options);
    on("pointerdown", this.#down);
    on("pointermove", this.#move);
    on("pointerup", this.#up);
    on("pointercancel", this.#cancel);
    on("pointerleave", () => this.pointers.size || this.#leave());
    on("dblclick", (event) => this.#double(event));
    on("wheel", this.#wheel, { passive: false });
    on("touchstart", this.#touch, { passive: false });
    on("contextmenu", (event) => this.pointers.size && event.preventDefault());
  }

  /** A finger scrolls the page, unless it means something here. */
  #touch(event) {
    if (event.target.closest("button, input")) return;
    const { editor } = this;
    const [x, y] = this.#at(event.touches[0]);
    const mine = editor.tool !== "select" || !editor.view.fitted || event.touches.length > 1;
    if (mine || this.#grip(x, y, REACH.touch) || this.#onSelected(x, y)) event.preventDefault();
  }

  #down(event) {
    const { editor, stage, pointers } = this;
    if (event.target.closest("button, input")) return;
    const at = this.#at(event);
    stage.focus({ preventScroll: true });
    try {
      stage.setPointerCapture(event.pointerId);
    } catch {
      // the pointer is gone already
    }
    pointers.set(event.pointerId, at);
    if (pointers.size === 2) return this.#beginPinch();
    if (pointers.size > 2 || event.button > 1) return;
    const type = event.pointerType || "mouse";
    if (event.button === 1 || this.space) this.drag = this.#pan(at);
    else if (editor.tool === "box") this.drag = this.#rubber(at);
    else if (editor.tool === "point") this.drag = this.#tap(() => editor.drawByHand(() => editor.placePoint(editor.view.toPicture(...at))));
    else if (editor.tool === "brush" || editor.tool === "erase") this.drag = this.#paint(editor.view.toPicture(...at));
    else this.drag = this.#select(at, type);
    if (this.drag) Object.assign(this.drag, { start: at, still: STILL[type], began: this.drag.still === 0 });
    event.preventDefault();
  }

  #move(event) {
    const at = this.#at(event);
    if (!this.pointers.has(event.pointerId)) return this.#hover(at, event.pointerType || "mouse");
    this.pointers.set(event.pointerId, at);
    this.editor.cursorAt(at);
    if (this.pinch) return this.#pinched();
    const drag = this.drag;
    if (!drag) return;
    if (!drag.began && Math.hypot(at[0] - drag.start[0], at[1] - drag.start[1]) < drag.still) return;
    drag.began = true;
    const each = event.getCoalescedEvents?.() ?? [];
    for (const point of drag.every && each.length ? each.map((one) => this.#at(one)) : [at]) drag.move?.(point);
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const { drag } = this;
    if (this.pinch) {
      if (this.pointers.size === 0) this.pinch = null;
      return;
    }
    this.drag = null;
    if (!drag) return;
    if (drag.began) drag.end?.(this.#at(event));
    else drag.tap?.();
  }

  #cancel(event) {
    this.pointers.delete(event.pointerId);
    this.stop();
    this.editor.setDraft(null);
  }

  /** Whatever is under way ends without a change. */
  stop() {
    this.drag = this.pinch = null;
  }

  #leave() {
    this.editor.hover(null);
    this.editor.cursorAt(null);
  }

  #hover(at, type) {
    const { editor } = this;
    if (type === "touch") return;
    editor.cursorAt(at);
    const grip = editor.tool === "select" && this.#grip(...at, REACH.mouse);
    const under = editor.objectsAt(...editor.view.toPicture(...at));
    const over = under.find(({ id }) => id === editor.selected) || under[0];
    editor.hover(editor.tool === "select" ? (over?.id ?? null) : null);
    const select = grip ? CURSORS[grip] : over ? "move" : editor.view.fitted ? "default" : "grab";
    this.stage.style.cursor = editor.tool === "select" ? select : editor.tool === "brush" || editor.tool === "erase" ? "none" : "crosshair";
  }

  /** On a grip: resize. On the selected object, or with a mouse on any: move. Elsewhere: pan. A tap selects. */
  #select(at, type) {
    const { editor } = this;
    const grip = this.#grip(...at, REACH[type]);
    if (grip) return this.#change(at, (object, point) => resized(object, grip, point, editor.scene.picture), "resized");
    const under = editor.objectsAt(...editor.view.toPicture(...at));
    const selected = under.findIndex(({ id }) => id === editor.selected);
    const tap = () => editor.select(under.length ? under[(selected + 1) % under.length].id : null);
    if (selected < 0 && (type !== "mouse" || !under.length)) return { ...this.#pan(at), tap };
    if (selected < 0) editor.select(under[0].id);
    const from = editor.view.toPicture(...at);
    const move = (object, [x, y]) => {
      return moved(object, Math.round(x - from[0]), Math.round(y - from[1]), editor.scene.picture);
    };
    return { ...this.#change(at, move, "moved"), tap: selected < 0 ? null : tap };
  }

  #change(at, change, what) {
    const { editor } = this;
    const before = editor.object(editor.selected);
    let after = before;
    return {
      move: (point) => editor.setDraft((after = change(before, editor.view.toPicture(...point)))),
      end: () => after !== before && editor.replace(after, what),
    };
  }

  #pan(at) {
    let [x, y] = at;
    return {
      move: ([nx, ny]) => {
        this.editor.view.pan(nx - x, ny - y);
        [x, y] = [nx, ny];
        this.editor.viewChanged();
      },
    };
  }

  #tap(act) {
    return { tap: act, end: act };
  }

  #rubber(at) {
    const { editor } = this;
    return {
      move: (point) => editor.setRubber([at, point]),
      end: (point) => {
        editor.setRubber(null);
        const box = boxBetween(editor.view.toPicture(...at), editor.view.toPicture(...point), editor.scene.picture);
        if (box) editor.drawByHand(() => editor.add({ box }));
      },
      tap: () => editor.say("Drag from corner to corner to draw a box."),
    };
  }

  #paint(from) {
    const { editor } = this;
    const picture = editor.scene.picture, erase = editor.tool === "erase", radius = editor.radius;
    const chosen = editor.object(editor.selected);
    if (erase && !chosen?.mask) {
      editor.say("Select an object with a mask to erase from.");
      return null;
    }
    const before = chosen || drawn(editor.objects, editor.nextLabel, {});
    let last = from, mask = before.mask;
    const step = (point) => {
      mask = stroke(mask, last, point, radius, erase, picture, 4 * radius);
      last = point;
      editor.setDraft({ ...before, mask });
    };
    step(from);
    return {
      still: 0,
      every: true,
      move: (at) => step(editor.view.toPicture(...at)),
      end: () => {
        const after = painted(before, mask, editor.looks.threshold);
        if (chosen) editor.replace(after, erase ? "mask erased" : "mask painted");
        else if (after.box) editor.add(after);
        else editor.setDraft(null);
      },
    };
  }

  #beginPinch() {
    this.drag = null;
    this.editor.setDraft(null);
    this.editor.setRubber(null);
    this.pinch = this.#fingers();
  }

  #pinched() {
    const now = this.#fingers(), { view } = this.editor;
    view.pan(now.x - this.pinch.x, now.y - this.pinch.y);
    view.zoom(now.apart / this.pinch.apart, now.x, now.y);
    this.pinch = now;
    this.editor.viewChanged();
  }

  #fingers() {
    const [[ax, ay], [bx, by] = [ax + 1, ay]] = [...this.pointers.values()];
    return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.max(1, Math.hypot(ax - bx, ay - by)) };
  }

  /** Zooms once the stage was clicked, or with Ctrl; before that, and out of the whole picture, the page scrolls. */
  #wheel(event) {
    const { editor, stage } = this;
    const active = event.ctrlKey || document.activeElement === stage;
    if (!active || (editor.view.fitted && event.deltaY > 0 && !event.ctrlKey)) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 33 : 1;
    editor.view.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), ...this.#at(event));
    editor.viewChanged();
  }

  #double(event) {
    if (event.target.closest("button, input")) return;
    const { editor } = this;
    const under = editor.tool === "select" && editor.objectsAt(...editor.view.toPicture(...this.#at(event)));
    if (under && under.length) editor.rename((under.find(({ id }) => id === editor.selected) || under[0]).id);
  }

  #grip(x, y, reach) {
    const { editor } = this;
    const object = editor.object(editor.selected);
    if (!object?.box) return null;
    const near = Object.entries(grips(editor.rectOf(object)))
      .map(([name, [gx, gy]]) => ({ name, far: Math.max(Math.abs(gx - x), Math.abs(gy - y)) }))
      .sort((a, b) => a.far - b.far)[0];
    return near.far <= reach ? near.name : null;
  }

  #onSelected(x, y) {
    const { editor } = this;
    return editor.objectsAt(...editor.view.toPicture(x, y)).some(({ id }) => id === editor.selected);
  }

  #at({ clientX, clientY }) {
    const { left, top } = this.stage.getBoundingClientRect();
    return [clientX - left - this.stage.clientLeft, clientY - top - this.stage.clientTop];
  }
}
