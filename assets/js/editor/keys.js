// The keyboard: everything the pointer can do, and the list of keys the page shows. Knows objects only by the editor.

import { boxBetween, moved, painted, stretched } from "./objects.js";
import { stroke } from "./paint.js";

export const KEYS = [
  ["Tab, Shift+Tab", "next, previous object; Esc lets go, then Tab leaves the picture"],
  ["Arrows", "move by 1 pixel; with Ctrl by 10"],
  ["Shift+arrows", "resize by 1 pixel; with Ctrl by 10"],
  ["Enter", "change the label (box and point tool: put one in the middle)"],
  ["Delete", "delete"],
  ["A, U, R", "accept, unsure, reject; again takes it back"],
  ["Ctrl+Z, Ctrl+Y", "undo, redo"],
  ["V, B, P, M, E", "select, box, point, mask brush, eraser"],
  ["Brush, eraser", "arrows move it, Space paints, Shift+arrows paint a line, [ and ] change its size"],
  [", and .", "this object's own mask threshold down, up"],
  ["F", "box to fit the mask"],
  ["+, −, 0", "zoom in, out, whole picture; with nothing selected arrows move it"],
  ["Wheel, pinch", "zoom, once the picture was clicked; drag or Space+drag moves it"],
];

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TOOLS = { v: "select", b: "box", p: "point", m: "brush", e: "erase" };
const REVIEWS = { a: "accepted", u: "unsure", r: "rejected" };

export class Keys {
  constructor(stage, editor) {
    Object.assign(this, { stage, editor });
    stage.addEventListener("keydown", (event) => {
      if (event.target === stage && this.#key(event)) event.preventDefault();
    });
    stage.addEventListener("keyup", (event) => {
      if (event.key === " ") editor.gestures.space = false;
    });
  }

  /** Keys that mean an object wherever it is selected, in the table too; whether this was one. */
  objectKey(event, id) {
    const { editor } = this;
    const command = event.ctrlKey || event.metaKey, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (command && (key === "z" || key === "y")) return key === "y" || event.shiftKey ? editor.redo() : editor.undo(), true;
    if (command || event.altKey || editor.object(id) === null) return false;
    if (key === "Enter") editor.rename(id);
    else if (key === "Delete" || key === "Backspace") editor.remove(id);
    else if (key in REVIEWS) editor.review(id, REVIEWS[key]);
    else if (key === "f") editor.fit(id);
    else if (key === "," || key === ".") editor.nudgeThreshold(id, key === "." ? 5 : -5);
    else return false;
    return true;
  }

  #key(event) {
    const { editor } = this;
    const painting = editor.tool === "brush" || editor.tool === "erase";
    if (event.key === "Tab") return !event.ctrlKey && editor.selectNext(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") return this.#letGo();
    if (event.key in STEPS) return this.#arrow(event, STEPS[event.key], painting);
    if (event.key === " ") return painting ? this.#paint([0, 0]) : (editor.gestures.space = true);
    if (event.key === "Enter" && this.#place()) return true;
    if (this.objectKey(event, editor.selected)) return true;
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    return this.#plain(event.key.toLowerCase());
  }

  #plain(key) {
    const { editor } = this;
    if (key in TOOLS) editor.setTool(TOOLS[key]);
    else if (key === "[" || key === "]") editor.setRadius(editor.radius * (key === "]" ? 1.25 : 0.8));
    else if (key === "+" || key === "=") editor.zoom(1.25);
    else if (key === "-") editor.zoom(0.8);
    else if (key === "0") editor.zoom(0);
    else if (key === "?") editor.panel.toggleHelp();
    else return false;
    return true;
  }

  #letGo() {
    const { editor } = this;
    if (editor.tool !== "select") editor.setTool("select");
    else editor.select(null);
    editor.left = true; // the next Tab goes on out of the picture
    return true;
  }

  #arrow(event, [dx, dy], painting) {
    const { editor } = this;
    const by = event.ctrlKey || event.metaKey ? 10 : 1, picture = editor.scene.picture;
    if (painting) {
      const step = Math.max(1, editor.radius / 2) * by;
      return event.shiftKey ? this.#paint([dx * step, dy * step]) : editor.moveCursor(dx * step, dy * step);
    }
    const object = editor.object(editor.selected);
    if (!object) {
      editor.view.pan(-dx * 60, -dy * 60);
      editor.viewChanged();
    } else if (!event.shiftKey) editor.replace(moved(object, dx * by, dy * by, picture), "moved", "move");
    else if (object.box) editor.replace(stretched(object, dx * by, dy * by, picture), "resized", "resize");
    return true;
  }

  /** From the brush's place on by a step, which may be none. */
  #paint([dx, dy]) {
    const { editor } = this;
    const picture = editor.scene.picture, erase = editor.tool === "erase", before = editor.object(editor.selected);
    if (!before || (erase && !before.mask)) {
      editor.say(`Select an object${erase ? " with a mask" : ""} first: Tab.`);
      return true;
    }
    const from = editor.cursorPx();
    const to = editor.moveCursor(dx, dy) && editor.cursorPx();
    const mask = stroke(before.mask, from, to, editor.radius, erase, picture);
    editor.replace(painted(before, mask, editor.looks.threshold), erase ? "mask erased" : "mask painted", "paint");
    return true;
  }

  /** Enter with the box or the point tool: one in the middle of what is seen, ready to be moved by the arrows. */
  #place() {
    const { editor } = this;
    const { stage } = editor.view;
    const at = (x, y) => editor.view.toPicture(stage.w * x, stage.h * y);
    if (editor.tool === "point") editor.placePoint(at(0.5, 0.5));
    else if (editor.tool === "box") editor.add({ box: boxBetween(at(0.375, 0.375), at(0.625, 0.625), editor.scene.picture) });
    else return false;
    return true;
  }
}
