// Corrections on their way to the server: a moment after the last change, one post at a time, always the whole list.
// Pixels travel once: a mask the server has already is only named. Knows no page.

import { encode } from "./masks.js";

const QUIET_MS = 350;
const PATIENCE_MS = 15000;
/** Characters of painted masks in one post; the server reads a million bytes. What is left follows in the next. */
const MOST = 600000;

export class Sync {
  /** `send(post)` hands over; `told(words)` hears what the server refused, "" when all is well again. */
  constructor(send, told) {
    Object.assign(this, { send, told, key: null, sequence: 0, wanted: null, saved: null, running: null, heard: "" });
    this.known = new Map(); // object id -> levels the server has as "now"
    this.packed = new WeakMap(); // levels -> {frame-less encoding}
  }

  /** A new answer: what was said of the last one no longer matters. */
  begin(key, objects) {
    clearTimeout(this.timer);
    this.key = key;
    this.wanted = this.saved = objects;
    this.#tell("");
    this.known = new Map(objects.filter(({ mask }) => mask).map(({ id, mask }) => [id, mask.levels]));
    this.resolve?.({ stale: true });
  }

  #tell(words) {
    if (words === this.heard) return;
    this.heard = words;
    this.told(words);
  }

  get pending() {
    return this.wanted !== this.saved || this.running !== null;
  }

  changed(objects) {
    this.wanted = objects;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), QUIET_MS);
  }

  /** True once the server has everything as it is now; false where it refused. */
  async flush() {
    clearTimeout(this.timer);
    while (this.pending) {
      this.running ??= this.#post().finally(() => (this.running = null));
      if (!(await this.running)) return false;
    }
    this.#tell(""); // also where what was refused has been undone
    return true;
  }

  async #post() {
    const objects = this.wanted, key = this.key;
    const { posted, known, whole } = await this.#describe(objects);
    if (key !== this.key) return true;
    const answer = await this.#ask({ key, sequence: ++this.sequence, objects: posted });
    if (answer.stale) return true;
    if (!answer.ok) {
      this.#tell(answer.said);
      return false;
    }
    this.#tell("");
    this.known = known;
    if (whole) this.saved = objects;
    return true;
  }

  #ask(post) {
    return new Promise((resolve) => {
      const late = { ok: false, said: "Your last changes were not saved: the server did not answer. Change something to try again." };
      const timer = setTimeout(() => resolve(late), PATIENCE_MS);
      this.resolve = (answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      this.send(post);
    });
  }

  /** What the server said to a post: {sequence, ok, said}. */
  receipt(answer) {
    if (answer && answer.sequence === this.sequence) this.resolve?.(answer);
  }

  async #describe(objects) {
    const known = new Map(), posted = [];
    let length = 0, whole = true;
    for (const { id, label, box, point, review, mask } of objects) {
      let pixels = null;
      if (mask) {
        const { frame, threshold } = mask;
        if (mask.own) pixels = { from: "model", frame, threshold };
        else if (this.known.get(id) === mask.levels) pixels = { from: "now", frame, threshold };
        else {
          const packed = await this.#pack(mask);
          if (length > 0 && length + packed.data.length > MOST) whole = false;
          else {
            pixels = { ...packed, frame, threshold };
            length += packed.data.length;
          }
        }
        if (pixels) known.set(id, mask.levels);
      }
      posted.push({ id, label, box, point, review, mask: pixels });
    }
    return { posted, known, whole };
  }

  async #pack(mask) {
    if (!this.packed.has(mask.levels)) {
      const { size, data } = await encode(mask);
      this.packed.set(mask.levels, { size, data });
    }
    return this.packed.get(mask.levels);
  }
}
