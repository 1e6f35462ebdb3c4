// Brush and eraser on soft masks. What a stroke does not touch keeps its levels, and so its edge at every threshold.

import { raster, rectPx } from "./masks.js";

/** The longest side of a painted mask; up to it a cell is a pixel of the picture. The server takes 1024. */
export const PAINT_SIDE = 768;

/**
 * `mask` on a grid fine enough to paint on, in a frame of whole pixels that holds `area` (px) too; a new mask.
 * Where a cell is a pixel of the picture, every threshold cuts it as it cut the mask it was made of.
 */
function paintable(mask, area, picture) {
  const around = mask ? union(rectPx(mask.frame, picture.w, picture.h), area) : area;
  const [x1, y1, x2, y2] = clip(around, picture);
  const cell = Math.max(1, Math.max(x2 - x1, y2 - y1) / PAINT_SIDE);
  const w = Math.max(1, Math.round((x2 - x1) / cell)), h = Math.max(1, Math.round((y2 - y1) / cell));
  const frame = [x1 / picture.w, y1 / picture.h, x2 / picture.w, y2 / picture.h];
  if (mask && mask.w === w && mask.h === h && same(mask.frame, frame)) return { ...mask, levels: mask.levels.slice() };
  const levels = new Uint8Array(w * h);
  if (mask) {
    const old = raster(mask, Math.round((picture.w * w) / (x2 - x1)), Math.round((picture.h * h) / (y2 - y1)));
    const dx = old.x - Math.round((x1 * w) / (x2 - x1)), dy = old.y - Math.round((y1 * h) / (y2 - y1));
    for (let row = Math.max(0, -dy); row < Math.min(old.h, h - dy); row++) {
      const from = Math.max(0, -dx), to = Math.min(old.w, w - dx);
      if (from < to) levels.set(old.levels.subarray(row * old.w + from, row * old.w + to), (row + dy) * w + from + dx);
    }
  }
  return { frame, w, h, levels, threshold: mask ? mask.threshold : null, own: false };
}

/**
 * `mask` (null: none yet) with a stroke of a round brush from `a` to `b`, px of the picture; a new mask. Paint lets it
 * grow over its frame, with `room` px to spare for what follows; the eraser does not.
 */
export function stroke(mask, a, b, radius, erase, picture, room = radius) {
  const fits = mask && (erase || holds(mask, touched(a, b, radius), picture));
  const area = fits ? rectPx(mask.frame, picture.w, picture.h) : touched(a, b, radius, room);
  const made = paintable(mask, area, picture);
  draw(made, a, b, radius, erase, picture);
  return made;
}

/** Into `mask.levels`, which must be nobody else's. */
function draw(mask, a, b, radius, erase, picture) {
  const [fx1, fy1, fx2, fy2] = mask.frame;
  const cellX = ((fx2 - fx1) * picture.w) / mask.w, cellY = ((fy2 - fy1) * picture.h) / mask.h;
  const left = fx1 * picture.w, top = fy1 * picture.h;
  const soft = Math.max(cellX, cellY); // the brush's own edge: two cells wide, halfway at its radius
  const reach = radius + soft;
  const cols = span(Math.min(a[0], b[0]) - reach - left, Math.max(a[0], b[0]) + reach - left, cellX, mask.w);
  const rows = span(Math.min(a[1], b[1]) - reach - top, Math.max(a[1], b[1]) + reach - top, cellY, mask.h);
  const dx = b[0] - a[0], dy = b[1] - a[1], long = dx * dx + dy * dy;
  for (let row = rows[0]; row < rows[1]; row++) {
    const y = top + (row + 0.5) * cellY;
    for (let col = cols[0]; col < cols[1]; col++) {
      const x = left + (col + 0.5) * cellX;
      const along = long ? Math.max(0, Math.min(1, ((x - a[0]) * dx + (y - a[1]) * dy) / long)) : 0;
      const distance = Math.hypot(x - a[0] - along * dx, y - a[1] - along * dy);
      const covered = Math.min(1, (radius - distance) / (2 * soft) + 0.5);
      if (covered <= 0) continue;
      const at = row * mask.w + col, level = Math.round(255 * covered);
      mask.levels[at] = erase ? Math.min(mask.levels[at], 255 - level) : Math.max(mask.levels[at], level);
    }
  }
}

/** The pixels a brush touches from `a` to `b`, with room to go on before the grid has to grow again. */
function touched(a, b, radius, room = 0) {
  const far = radius + 2 + room;
  return [
    Math.floor(Math.min(a[0], b[0]) - far), Math.floor(Math.min(a[1], b[1]) - far),
    Math.ceil(Math.max(a[0], b[0]) + far), Math.ceil(Math.max(a[1], b[1]) + far),
  ];
}

/** Whether `area` (px), as far as it is in the picture, lies in the mask's frame. */
function holds(mask, area, picture) {
  const [x1, y1, x2, y2] = clip(area, picture);
  const [left, top, right, bottom] = rectPx(mask.frame, picture.w, picture.h);
  return x1 >= left && y1 >= top && x2 <= right && y2 <= bottom;
}

const span = (from, to, cell, count) => [
  Math.max(0, Math.floor(from / cell)), Math.min(count, Math.ceil(to / cell)),
];

const union = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];

const clip = ([x1, y1, x2, y2], { w, h }) => {
  const left = Math.max(0, Math.min(x1, w - 1)), top = Math.max(0, Math.min(y1, h - 1));
  return [left, top, Math.max(left + 1, Math.min(x2, w)), Math.max(top + 1, Math.min(y2, h))];
};

const same = (a, b) => a.every((value, at) => Math.abs(value - b[at]) < 1e-9);
