// The field at an object's corner in which it gets its label. Knows objects only by the editor.

import { make } from "./dom.js";
import { rectOf } from "./canvas.js";

const GAP = 4; // px

export class Naming {
  constructor(stage, editor) {
    Object.assign(this, { stage, editor, id: null });
    this.field = make("input", {
      type: "text", class: "pp-ed-name", list: "pp-ed-labels", maxlength: 200, autocomplete: "off", dir: "auto", hidden: true,
      "aria-label": "Label of this object", placeholder: "label",
      onkeydown: (event) => this.#key(event), onblur: () => this.close(),
    });
    stage.append(this.field);
  }

  /** Whether a label is being typed that is not the object's yet. */
  get typing() {
    const object = this.editor.object(this.id);
    return object !== null && this.field.value !== object.label;
  }

  open(id) {
    this.close();
    this.id = id;
    this.field.value = this.editor.object(id).label;
    this.field.hidden = false;
    this.place();
    this.field.focus();
    this.field.select();
  }

  /** Over the object's upper left corner, wholly on the stage. */
  place() {
    const { editor } = this, object = editor.object(this.id);
    if (!object) return;
    const { view, scene } = editor, { w, h } = view.stage;
    const [x, y] = rectOf(object, view, scene.picture) ?? view.toScreen(object.point[0] * scene.picture.w, object.point[1] * scene.picture.h);
    const { offsetWidth: wide, offsetHeight: high } = this.field;
    const inside = (at, room) => `${Math.round(Math.max(GAP, Math.min(at, room - GAP)))}px`;
    Object.assign(this.field.style, { left: inside(x, w - wide), top: inside(y - high - GAP, h - high) });
  }

  /** What was typed is the label from now on, unless it is dropped. */
  close({ keep = true } = {}) {
    const { id } = this;
    if (id === null) return;
    this.id = null; // hiding the field takes its focus, which closes it once more
    this.field.hidden = true;
    if (keep) this.editor.relabel(id, this.field.value);
  }

  #key(event) {
    if (event.isComposing || !["Enter", "Escape", "Tab"].includes(event.key)) return;
    event.preventDefault();
    this.close({ keep: event.key !== "Escape" });
    this.stage.focus({ preventScroll: true });
  }
}
