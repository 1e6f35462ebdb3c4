// The soft masks on the stage, cut at a threshold and coloured. This is what runs while a slider moves.
//
// Each mask is brought to the stage's pixels once for each zoom; a threshold only compares and colours. Where masks
// overlap the smaller one is on top, as supervision's MaskAnnotator has it.

import { pixel } from "./colours.js";
import { areas, fill, outline, raster } from "./masks.js";
import { rejected, thresholdOf } from "./objects.js";

const OPACITY = 128; // of 255: half, as in the downloaded picture

/** Longer side at which areas are counted for the table: exact up to here, within a percent or so above. */
const COUNTED_SIDE = 1280;

export class MaskLayer {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.cover = document.createElement("canvas");
    this.rasters = new Map(); // object id -> {mask, raster}
    this.counts = new WeakMap(); // levels -> {frame, above}
    this.place = null;
  }

  /** Where the picture lies now, in the canvas's own pixels; masks brought there before are forgotten. */
  lie(view, dpr) {
    const w = Math.max(1, Math.round(view.stage.w * dpr)), h = Math.max(1, Math.round(view.stage.h * dpr));
    const scale = view.scale * dpr;
    const next = {
      w, h, x: Math.round(view.x * dpr), y: Math.round(view.y * dpr), line: Math.max(1, Math.round(2 * dpr)),
      width: Math.max(1, Math.round(view.picture.w * scale)), height: Math.max(1, Math.round(view.picture.h * scale)),
    };
    if (this.place && Object.keys(next).every((key) => next[key] === this.place[key])) return;
    this.place = next;
    this.rasters.clear();
    if (this.canvas.width !== w || this.canvas.height !== h || !this.image) {
      this.canvas.width = this.cover.width = w;
      this.canvas.height = this.cover.height = h;
      this.image = this.context.createImageData(w, h);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
  }

  /** The mask of `object` in the canvas's pixels. */
  rasterOf({ id, mask }) {
    const known = this.rasters.get(id);
    if (known && known.levels === mask.levels && known.frame === mask.frame) return known.raster;
    const { x, y, w, h, width, height } = this.place;
    const made = raster(mask, width, height, [-x, -y, w - x, h - y]);
    made.x += x;
    made.y += y;
    this.rasters.set(id, { levels: mask.levels, frame: mask.frame, raster: made });
    return made;
  }

  /** Pixels of the picture above each threshold 0-255, rounded where the picture is large; undefined until counted. */
  counted(mask) {
    const known = this.counts.get(mask.levels);
    return known?.frame === mask.frame ? known.above : undefined;
  }

  count(mask, picture) {
    const shrink = Math.min(1, COUNTED_SIDE / Math.max(picture.w, picture.h));
    const w = Math.max(1, Math.round(picture.w * shrink)), h = Math.max(1, Math.round(picture.h * shrink));
    const scale = (picture.w * picture.h) / (w * h);
    const above = Float64Array.from(areas(raster(mask, w, h).levels), (count) => Math.round(count * scale));
    this.counts.set(mask.levels, { frame: mask.frame, above });
  }

  /** Draws the masks of `objects` as `looks` says: {threshold, mask, polygon}. Rejected objects have none. */
  draw(objects, colours, looks) {
    this.pixels.fill(0);
    const there = objects.filter((each) => each.mask && !rejected(each));
    const sized = there.map((each) => {
      const made = this.rasterOf(each);
      return { each, made, cut: thresholdOf(each, looks.threshold), size: this.#size(each.mask, made, looks.threshold) };
    });
    sized.sort((a, b) => b.size - a.size);
    if (looks.mask) {
      for (const { each, made, cut } of sized) fill(this.pixels, this.place.w, made, cut, pixel(colours.get(each.label), OPACITY));
    }
    if (looks.polygon) {
      for (const { each, made, cut } of sized) {
        outline(this.pixels, this.place.w, made, cut, pixel(colours.get(each.label), 255), this.place.line);
      }
    }
    this.context.putImageData(this.image, 0, 0);
  }

  /** The shapes alone, opaque, on a canvas of the stage's size: for what is drawn round or outside of them. */
  shapes(objects, colours, looks) {
    const context = this.cover.getContext("2d");
    const image = context.createImageData(this.place.w, this.place.h);
    const pixels = new Uint32Array(image.data.buffer);
    for (const each of objects) {
      if (!each.mask || rejected(each)) continue;
      fill(pixels, this.place.w, this.rasterOf(each), thresholdOf(each, looks.threshold), pixel(colours.get(each.label), 255));
    }
    context.putImageData(image, 0, 0);
    return this.cover;
  }

  #size(mask, made, threshold) {
    const known = this.counts.get(mask.levels);
    return known ? known.above[mask.threshold ?? threshold] : made.w * made.h;
  }
}
