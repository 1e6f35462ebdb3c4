// Everything drawn in lines and letters over the picture, one function for each overlay of grounding/overlays.py, and
// what only the editor has: selection, handles, the brush. Boxes come in px of the stage.

import { GREY, ink } from "./colours.js";
import { ownScore, rejected } from "./objects.js";

const LINE = 2;
const TEXT = 13;
const TAG = 19;
export const HANDLE = 5; // half a handle's side

/** What is drawn under the masks; gets everything there is to draw with. */
const UNDER = {
  pixelate: (draw) => draw.placed.forEach((each) => patch(draw, each.rect, pixelated)),
  blur: (draw) => draw.placed.forEach((each) => patch(draw, each.rect, blurred)),
  spotlight: spotlight,
  fill: ({ context, placed }) =>
    placed.forEach(({ rect: [x, y, w, h], colour }) => {
      context.globalAlpha = 0.35;
      context.fillStyle = colour;
      context.fillRect(x, y, w, h);
      context.globalAlpha = 1;
    }),
  halo: halo,
};

/** Lines round each object. */
const LINES = {
  box: (c, [x, y, w, h]) => c.strokeRect(x, y, w, h),
  rounded: (c, [x, y, w, h]) => stroked(c, () => c.roundRect(x, y, w, h, Math.min(w, h) * 0.15)),
  corners: (c, [x, y, w, h]) =>
    stroked(c, () => {
      c.lineWidth = 2 * LINE;
      const l = Math.min(16, w / 2, h / 2);
      for (const [cx, cy, sx, sy] of [[x, y, 1, 1], [x + w, y, -1, 1], [x + w, y + h, -1, -1], [x, y + h, 1, -1]]) {
        c.moveTo(cx + sx * l, cy);
        c.lineTo(cx, cy);
        c.lineTo(cx, cy + sy * l);
      }
    }),
  circle: (c, [x, y, w, h]) => stroked(c, () => c.arc(x + w / 2, y + h / 2, Math.hypot(w, h) / 2, 0, 2 * Math.PI)),
  ellipse: (c, [x, y, w, h]) =>
    stroked(c, () => c.ellipse(x + w / 2, y + h, w / 2, 0.175 * w, 0, (-45 * Math.PI) / 180, (235 * Math.PI) / 180)),
  triangle: (c, [x, y, w]) => {
    c.beginPath();
    c.moveTo(x + w / 2, y);
    c.lineTo(x + w / 2 - 8, y - 16);
    c.lineTo(x + w / 2 + 8, y - 16);
    c.fill();
  },
};

/** Every overlay the page can draw; the last ones elsewhere: masks in layers.js, dots and labels below. */
export const DRAWN = new Set([...Object.keys(UNDER), ...Object.keys(LINES), "mask", "polygon", "dot", "label"]);

export const needsUnder = (overlays) => overlays.some((name) => name in UNDER);

/** `placed`: [{object, rect: [x, y, w, h] px or null, point: [x, y] px or null, colour}] of what is to be seen. */
export function drawUnder(context, overlays, everything) {
  const kept = everything.placed.filter(({ object, rect }) => rect && !rejected(object));
  for (const name in UNDER) if (overlays.includes(name)) UNDER[name]({ ...everything, context, placed: kept });
}

export function drawMarks(context, overlays, { placed, selected, hovered, stage, texts }) {
  context.lineJoin = "round";
  for (const each of placed) {
    const { object, rect, colour } = each;
    context.strokeStyle = context.fillStyle = rejected(object) ? GREY : colour;
    context.lineWidth = LINE;
    context.setLineDash(rejected(object) ? [4, 5] : object.review === "unsure" ? [9, 5] : []);
    if (rect && rejected(object)) LINES.box(context, rect);
    else if (rect) for (const name in LINES) if (overlays.includes(name)) LINES[name](context, rect);
    context.setLineDash([]);
  }
  for (const each of placed) {
    const { rect, point, colour, object } = each;
    const spot = point || (overlays.includes("dot") && rect && [rect[0] + rect[2] / 2, rect[1] + rect[3] / 2]);
    if (spot && overlays.length && !rejected(object)) dot(context, spot, colour);
  }
  for (const each of placed) if (each.object === hovered && each.object !== selected) emphasis(context, each, 0.18);
  if (overlays.includes("label")) labels(context, placed, selected, stage, texts);
  const chosen = placed.find((each) => each.object === selected);
  if (chosen) selection(context, chosen);
}

/** The eight grips of a box and where they are; a narrow box keeps its corners only. */
export function grips([x, y, w, h]) {
  const spots = { nw: [x, y], ne: [x + w, y], se: [x + w, y + h], sw: [x, y + h] };
  if (w > 40) Object.assign(spots, { n: [x + w / 2, y], s: [x + w / 2, y + h] });
  if (h > 40) Object.assign(spots, { e: [x + w, y + h / 2], w: [x, y + h / 2] });
  return spots;
}

export function drawBrush(context, [x, y], radius, erase) {
  for (const [colour, wide] of [["#000000a0", 3], ["#ffffff", 1.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.setLineDash(erase ? [4, 4] : []);
    context.beginPath();
    context.arc(x, y, Math.max(2, radius), 0, 2 * Math.PI);
    context.stroke();
  }
  context.setLineDash([]);
}

export function drawRubber(context, [ax, ay], [bx, by]) {
  for (const [colour, offset] of [["#000000", 0], ["#ffffff", 5]]) {
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.setLineDash([5, 5]);
    context.lineDashOffset = offset;
    context.strokeRect(Math.min(ax, bx), Math.min(ay, by), Math.abs(bx - ax), Math.abs(by - ay));
  }
  context.setLineDash([]);
}

function stroked(context, path) {
  context.beginPath();
  path();
  context.stroke();
}

function dot(context, [x, y], colour) {
  context.fillStyle = colour;
  context.strokeStyle = "#ffffff";
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, 6, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}

function emphasis(context, { rect, point, colour }, alpha) {
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  if (rect) context.fillRect(...rect);
  context.globalAlpha = 1;
  context.strokeStyle = "#ffffff";
  context.lineWidth = 1.5;
  if (rect) context.strokeRect(rect[0] - 2, rect[1] - 2, rect[2] + 4, rect[3] + 4);
  else if (point) stroked(context, () => context.arc(...point, 10, 0, 2 * Math.PI));
}

function selection(context, { rect, point, colour }) {
  for (const [style, wide] of [["#ffffff", 5], [colour, 2.5]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    if (rect) context.strokeRect(...rect);
    if (point) stroked(context, () => context.arc(...point, 10, 0, 2 * Math.PI));
  }
  if (!rect) return;
  context.fillStyle = "#ffffff";
  context.strokeStyle = "#202020";
  context.lineWidth = 1.25;
  for (const [x, y] of Object.values(grips(rect))) {
    context.fillRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
    context.strokeRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
  }
}

/** Tags where each hides least and never outside the stage: as the downloaded picture places them. */
function labels(context, placed, selected, stage, texts) {
  context.font = `600 ${TEXT}px ${texts.font}`;
  context.textBaseline = "middle";
  const taken = [];
  for (const { object, rect, point, colour } of placed) {
    const text = tagText(object);
    if (!text || (!rect && !point)) continue;
    const shown = shorten(context, text, Math.max(60, stage.w * 0.66), texts.widths);
    const wide = width(context, shown, texts.widths) + 10;
    const tag = place(rect, point, wide, stage, taken);
    taken.push(tag);
    const fill = rejected(object) ? "#6b6b6b" : colour;
    context.globalAlpha = rejected(object) && object !== selected ? 0.75 : 1;
    context.fillStyle = fill;
    context.beginPath();
    context.roundRect(tag[0], tag[1], wide, TAG, 4);
    context.fill();
    context.fillStyle = ink(fill);
    context.fillText(shown, tag[0] + 5, tag[1] + TAG / 2 + 0.5);
    context.globalAlpha = 1;
  }
}

const SIGN = { accepted: "✓ ", rejected: "✗ ", unsure: "? ", open: "" };

function tagText(object) {
  const { label, review } = object, score = ownScore(object);
  const text = score === null ? label : `${label} ${score.toFixed(2)}`.trim();
  return text && SIGN[review] + text.replace(/\s+/g, " ");
}

function width(context, text, known) {
  if (!known.has(text)) known.set(text, context.measureText(text).width);
  return known.get(text);
}

function shorten(context, text, most, known) {
  if (width(context, text, known) <= most) return text;
  let letters = Array.from(text);
  while (letters.length > 1 && context.measureText(letters.join("") + "…").width > most) letters = letters.slice(0, -1);
  return letters.join("") + "…";
}

function place(rect, point, wide, stage, taken) {
  let corners;
  if (!rect) {
    const [x, y] = point;
    corners = [[x + 12, y - TAG / 2], [x - 12 - wide, y - TAG / 2], [x - wide / 2, y + 12]];
  } else {
    const [x, y, w, h] = rect;
    const left = x - 1, right = x + w + 1 - wide;
    corners = [[left, y - 1 - TAG], [left, y], [right, y - 1 - TAG], [left, y + h + 1], [left, y + h - TAG], [right, y]];
  }
  const tags = corners.map(([x, y]) => {
    const outside = y < 0 || y > stage.h - TAG;
    const left = Math.max(0, Math.min(x, stage.w - wide)), top = Math.max(0, Math.min(y, stage.h - TAG));
    return { outside, tag: [left, top, left + wide, top + TAG] };
  });
  const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  const free = tags.find(({ outside, tag }) => !outside && !taken.some((other) => overlap(tag, other)));
  return (free || tags.find(({ outside }) => !outside) || tags[0]).tag;
}

function patch({ context, image, view }, [x, y, w, h], paint) {
  if (w < 1 || h < 1 || !image.naturalWidth) return;
  const source = (value, offset, side) => ((value - offset) / view.scale / side);
  const sx = source(x, view.x, view.picture.w) * image.naturalWidth, sw = (w / view.scale / view.picture.w) * image.naturalWidth;
  const sy = source(y, view.y, view.picture.h) * image.naturalHeight, sh = (h / view.scale / view.picture.h) * image.naturalHeight;
  context.save();
  context.beginPath();
  context.rect(x, y, w, h);
  context.clip();
  paint(context, image, [sx, sy, sw, sh], [x, y, w, h]);
  context.restore();
}

function blurred(context, image, from, to) {
  context.filter = `blur(${Math.max(4, Math.min(to[2], to[3]) / 12)}px)`;
  context.drawImage(image, ...from, ...to);
}

function pixelated(context, image, from, [x, y, w, h]) {
  const small = document.createElement("canvas");
  const side = Math.max(6, Math.min(w, h) / 9);
  small.width = Math.max(1, Math.round(w / side));
  small.height = Math.max(1, Math.round(h / side));
  small.getContext("2d").drawImage(image, ...from, 0, 0, small.width, small.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, x, y, w, h);
}

/** An empty canvas as large as the one of `context`, drawn on as `paint` says, then laid over it. */
function overlay(context, stage, paint) {
  const sheet = document.createElement("canvas");
  sheet.width = context.canvas.width;
  sheet.height = context.canvas.height;
  const on = sheet.getContext("2d");
  paint(on, sheet.width / stage.w);
  context.drawImage(sheet, 0, 0, stage.w, stage.h);
}

function spotlight({ context, placed, view, shapes, stage }) {
  overlay(context, stage, (on, scale) => {
    on.fillStyle = "#00000099";
    const [x, y] = view.toScreen(0, 0);
    on.fillRect(x * scale, y * scale, view.picture.w * view.scale * scale, view.picture.h * view.scale * scale);
    on.globalCompositeOperation = "destination-out";
    on.fillStyle = "#000000";
    on.drawImage(shapes(), 0, 0);
    for (const { object, rect } of placed) if (!object.mask) on.fillRect(...rect.map((value) => value * scale));
  });
}

function halo({ context, placed, shapes, stage }) {
  if (!placed.some(({ object }) => object.mask)) return;
  overlay(context, stage, (on, scale) => {
    const shape = shapes();
    on.filter = `blur(${10 * scale}px)`;
    on.drawImage(shape, 0, 0);
    on.drawImage(shape, 0, 0);
    on.filter = "none";
    on.globalCompositeOperation = "destination-out";
    on.drawImage(shape, 0, 0);
  });
}
