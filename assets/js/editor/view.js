// Where the picture lies on the stage: screen px = picture px * scale + offset. Knows no canvas.

/** Most that a pixel of the picture is enlarged. */
const MOST = 32;

export class View {
  constructor() {
    Object.assign(this, { stage: { w: 1, h: 1 }, picture: { w: 1, h: 1 }, scale: 1, x: 0, y: 0, fitted: true });
  }

  resize(stage, picture = this.picture) {
    const other = picture !== this.picture;
    Object.assign(this, { stage, picture });
    if (this.fitted || other) this.fit();
    else this.#keepInside();
  }

  get fitScale() {
    return Math.min(this.stage.w / this.picture.w, this.stage.h / this.picture.h);
  }

  fit() {
    this.scale = this.fitScale;
    this.#keepInside();
  }

  /** Times `factor`, with the picture's point under screen point (x, y) kept there. */
  zoom(factor, x = this.stage.w / 2, y = this.stage.h / 2) {
    const scale = Math.min(Math.max(this.scale * factor, this.fitScale), Math.max(MOST, this.fitScale));
    const [px, py] = this.toPicture(x, y);
    this.scale = scale;
    this.x = x - px * scale;
    this.y = y - py * scale;
    this.#keepInside();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#keepInside();
  }

  /** So far that the box, in [0, 1], is seen. */
  reveal([x1, y1, x2, y2]) {
    const [left, top] = this.toScreen(x1 * this.picture.w, y1 * this.picture.h);
    const [right, bottom] = this.toScreen(x2 * this.picture.w, y2 * this.picture.h);
    const shift = (from, to, side) => (from < 0 ? Math.min(-from, side - to) : to > side ? Math.max(side - to, -from) : 0);
    if (!this.fitted) this.pan(shift(left, right, this.stage.w), shift(top, bottom, this.stage.h));
  }

  toPicture(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  toScreen(x, y) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }

  /** A smaller picture lies in the middle; a larger one leaves no gap. */
  #keepInside() {
    const place = (at, side, room) => (side <= room ? (room - side) / 2 : Math.min(0, Math.max(at, room - side)));
    this.x = place(this.x, this.picture.w * this.scale, this.stage.w);
    this.y = place(this.y, this.picture.h * this.scale, this.stage.h);
    this.fitted = this.scale <= this.fitScale * 1.001;
  }
}
