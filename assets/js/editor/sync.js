// Corrections on their way to the server: a moment after the last change, one post at a time, always the whole list.
// Pixels travel once: a mask the server has already is only named. Knows no page.

import { encode } from "./masks.js";

const QUIET_MS = 350;
const PATIENCE_MS = 15000;
/** An answer of this name is still growing: another follows at once, and what is said of corrections stays to be read. */
const GROWING = "growing-";
const TOO_LATE = "Your last change was not kept: another picture or answer came before it was saved. Make it again.";
/** Characters of painted masks in one post; the server reads a million bytes. What is left follows in the next. */
const MOST = 600000;

export class Sync {
  /** `send(post)` hands over; `told(words)` hears what the server refused, "" when all is well again. */
  constructor(send, told) {
    Object.assign(this, { send, told, key: null, sequence: 0, running: null, heard: "" });
    Object.assign(this, { began: null, wanted: null, saved: null, sent: null }); // lists of objects
    this.known = new Map(); // object id -> levels the server has as "now"
    this.packed = new WeakMap(); // levels -> {frame-less encoding}
  }

  /**
   * Another answer. Said to be lost: what was not sent yet, and what was `cut` short in the doing. What is on its way
   * may still be kept, for its own answer: the server's receipt says.
   */
  begin(key, objects, cut = false) {
    clearTimeout(this.timer);
    if (cut || this.wanted !== (this.sent ?? this.saved)) this.#tell(TOO_LATE);
    else if (!this.key?.startsWith(GROWING)) this.#tell("");
    this.key = key;
    this.began = this.wanted = this.saved = objects;
    this.sent = null;
    this.known = new Map(objects.filter(({ mask }) => mask).map(({ id, mask }) => [id, mask.levels]));
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
    if (objects === this.saved) this.#tell(""); // what was refused has been undone
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
    return true;
  }

  /** Whether this answer may be left: once all is kept, or where it was said before already that it is not. */
  async leave() {
    const said = this.heard;
    return (await this.flush()) || said !== "";
  }

  async #post() {
    const { key, began, wanted: objects } = this;
    const { posted, known, whole } = await this.#describe(objects);
    if (began !== this.began) return true;
    this.sent = whole ? objects : null;
    const answer = await this.#ask({ key, sequence: ++this.sequence, objects: posted });
    const left = began !== this.began; // another answer came meanwhile
    if (!left) this.sent = null;
    if (!answer.ok) this.#tell(answer.said);
    if (left || !answer.ok) return left;
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
