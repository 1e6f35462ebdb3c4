// Soft masks in pixels, exactly as grounding/geometry.py has them: resized first, compared last. Knows no page.
//
// A mask: {frame: [x1, y1, x2, y2] in [0, 1], w, h, levels: Uint8Array of 0-255, threshold: number | null, own}.
// A mask is never changed in place: painting makes a new one.

/**
 * Whole pixels [x1, y1, x2, y2] of a box: each edge at the nearest border, never empty, inside the picture. What both
 * edges of would be at the same border is the pixel that its middle lies in.
 */
export function rectPx([x1, y1, x2, y2], width, height) {
  const [left, right] = toBorders(x1 * width, x2 * width, width);
  const [top, bottom] = toBorders(y1 * height, y2 * height, height);
  return [left, top, right, bottom];
}

function toBorders(startPx, endPx, side) {
  const start = Math.floor(startPx + 0.5), end = Math.floor(endPx + 0.5);
  if (start !== end) return [start, end];
  const only = Math.min(Math.floor((startPx + endPx) / 2), side - 1);
  return [only, only + 1];
}

/** Pillow's bilinear filter along one side: for each target pixel its first source pixel and its weights. */
function taps(source, target, from, to) {
  const scale = source / target;
  const support = Math.max(scale, 1);
  const count = Math.min(source, scale <= 1 ? 2 : Math.ceil(support) * 2 + 1);
  const starts = new Int32Array(to - from);
  const weights = new Float32Array((to - from) * count);
  for (let at = from; at < to; at++) {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - support + 0.5));
    const last = Math.min(source, Math.floor(centre + support + 0.5));
    const start = Math.min(first, source - count);
    const share = (k) => Math.max(0, 1 - Math.abs((k - centre + 0.5) / support));
    let sum = 0;
    for (let k = first; k < last; k++) sum += share(k);
    for (let k = first; k < Math.min(last, start + count); k++) weights[(at - from) * count + k - start] = share(k) / sum;
    starts[at - from] = start;
  }
  return { starts, weights, count };
}

/**
 * The mask's levels on the pixels of a picture of width x height, as {x, y, w, h, levels}, cut to `clip` where given.
 * Levels are rounded up: level > t where the exact one is, for every whole threshold t.
 */
export function raster(mask, width, height, clip = [0, 0, width, height]) {
  const [left, top, right, bottom] = rectPx(mask.frame, width, height);
  const x1 = Math.max(left, clip[0]), y1 = Math.max(top, clip[1]);
  const x2 = Math.min(right, clip[2]), y2 = Math.min(bottom, clip[3]);
  if (x1 >= x2 || y1 >= y2) return { x: x1, y: y1, w: 0, h: 0, levels: new Uint8Array(0) };
  const w = x2 - x1, h = y2 - y1;
  const across = taps(mask.w, right - left, x1 - left, x2 - left);
  const down = taps(mask.h, bottom - top, y1 - top, y2 - top);
  const firstRow = down.starts[0];
  const rows = Math.min(mask.h, down.starts[h - 1] + down.count) - firstRow;
  const wide = new Float32Array(rows * w);
  const { starts, weights, count } = across;
  for (let row = 0, out = 0; row < rows; row++) {
    const base = (firstRow + row) * mask.w;
    for (let col = 0, at = 0; col < w; col++, out++) {
      const from = base + starts[col];
      let sum = 0;
      for (let k = 0; k < count; k++) sum += mask.levels[from + k] * weights[at++];
      wide[out] = sum;
    }
  }
  const levels = new Uint8Array(w * h);
  const line = new Float32Array(w);
  for (let row = 0, out = 0; row < h; row++) {
    line.fill(0.999); // rounds up; a thousandth less, so that a float's last digits do not
    for (let k = 0; k < down.count; k++) {
      const weight = down.weights[row * down.count + k];
      if (weight === 0) continue;
      let from = (down.starts[row] - firstRow + k) * w;
      for (let col = 0; col < w; col++) line[col] += wide[from++] * weight;
    }
    for (let col = 0; col < w; col++) levels[out++] = line[col];
  }
  return { x: x1, y: y1, w, h, levels };
}

/** How many pixels of `levels` lie above each threshold 0-255. */
export function areas(levels) {
  const counts = new Uint32Array(256);
  for (let i = 0; i < levels.length; i++) counts[levels[i]]++;
  const above = new Uint32Array(256);
  for (let t = 254; t >= 0; t--) above[t] = above[t + 1] + counts[t + 1];
  return above;
}

/** Writes `colour` into `layer`, a width-wide Uint32Array, wherever a raster is above `threshold`. */
export function fill(layer, width, { x, y, w, h, levels }, threshold, colour) {
  for (let row = 0, at = 0; row < h; row++) {
    let out = (y + row) * width + x;
    for (const end = at + w; at < end; at++, out++) if (levels[at] > threshold) layer[out] = colour;
  }
}

/** Like `fill`, but only the mask's rim, `thick` pixels of it. */
export function outline(layer, width, { x, y, w, h, levels }, threshold, colour, thick = 2) {
  const inside = (col, row) => col >= 0 && row >= 0 && col < w && row < h && levels[row * w + col] > threshold;
  for (let row = 0; row < h; row++) {
    for (let col = 0; col < w; col++) {
      if (levels[row * w + col] <= threshold) continue;
      let rim = false;
      for (let d = 1; d <= thick && !rim; d++) {
        rim = !inside(col - d, row) || !inside(col + d, row) || !inside(col, row - d) || !inside(col, row + d);
      }
      if (rim) layer[(y + row) * width + x + col] = colour;
    }
  }
}

/** The box in [0, 1] of what is above `threshold`, or null where nothing is. */
export function bounds(mask, threshold) {
  let left = mask.w, right = -1, top = mask.h, bottom = -1;
  for (let row = 0; row < mask.h; row++) {
    for (let col = 0; col < mask.w; col++) {
      if (mask.levels[row * mask.w + col] <= threshold) continue;
      if (col < left) left = col;
      if (col > right) right = col;
      if (row < top) top = row;
      bottom = row;
    }
  }
  if (right < 0) return null;
  const [x1, y1, x2, y2] = mask.frame;
  const dx = (x2 - x1) / mask.w, dy = (y2 - y1) / mask.h;
  return [x1 + left * dx, y1 + top * dy, x1 + (right + 1) * dx, y1 + (bottom + 1) * dy];
}

/** A mask as the server sends it, its levels unpacked. */
export async function decode({ frame, size, data, threshold, own }) {
  const levels = await through(new DecompressionStream("deflate"), fromBase64(data));
  return { frame, w: size[0], h: size[1], levels, threshold, own: Boolean(own) };
}

/** A mask as the server reads it. */
export async function encode({ frame, w, h, levels, threshold }) {
  const packed = await through(new CompressionStream("deflate"), levels);
  return { frame, size: [w, h], data: toBase64(packed), threshold };
}

/** All that comes out of `stream` for `bytes`. Without Blob and Response: each of those asks another process. */
async function through({ readable, writable }, bytes) {
  const writer = writable.getWriter();
  const [chunks] = await Promise.all([drained(readable.getReader()), writer.write(bytes), writer.close()]);
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

async function drained(reader) {
  const chunks = [];
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) chunks.push(value);
  return chunks;
}

function fromBase64(text) {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
  return bytes;
}

function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
