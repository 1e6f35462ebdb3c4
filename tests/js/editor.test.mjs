// The editor's modules that know no page, by node's own test runner: node --test tests/js
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { legend } from "../../assets/js/editor/colours.js";
import { areas, bounds, decode, encode, raster, rectPx } from "../../assets/js/editor/masks.js";
import { History, asSaid, boxBetween, drawn, fitted, isEdited, moved, ownScore, painted, resized, stretched } from "../../assets/js/editor/objects.js";
import { stroke } from "../../assets/js/editor/paint.js";
import { Sync } from "../../assets/js/editor/sync.js";
import { View } from "../../assets/js/editor/view.js";

const picture = { w: 400, h: 200 };
const cone = (w, h) => Uint8Array.from({ length: w * h }, (_, at) => {
  const x = ((at % w) + 0.5) / w - 0.5, y = (Math.floor(at / w) + 0.5) / h - 0.5;
  return Math.max(0, Math.round(255 * (1.1 - 2.2 * Math.hypot(x, y))));
});
const soft = (frame = [0.25, 0.25, 0.5, 0.75]) => ({ frame, w: 16, h: 16, levels: cone(16, 16), threshold: null, own: true });
const object = (over = {}) => {
  const mask = soft();
  const model = { label: "cat", box: [0.25, 0.25, 0.5, 0.75], point: null, frame: mask.frame };
  return { id: 0, label: "cat", box: model.box, point: null, score: 0.5, review: "open", mask, model, origin: null, ...over };
};
const px = (box) => rectPx(box, picture.w, picture.h);

test("edges go to the nearest pixel border and a box is never empty", () => {
  const table = JSON.parse(readFileSync(new URL("./borders.json", import.meta.url), "utf8"));
  for (const { why, from_px: from, to_px: to, side, borders } of table) {
    assert.deepEqual(rectPx([from / side, 0, to / side, 1], side, 7), [borders[0], 0, borders[1], 7], why);
    assert.deepEqual(rectPx([0, from / side, 1, to / side], 7, side), [0, borders[0], 7, borders[1]], why);
  }
});

test("a raster cut to a window is that part of the whole", () => {
  const whole = raster(soft(), 123, 77), part = raster(soft(), 123, 77, [40, 25, 50, 40]);
  assert.ok(part.w > 0 && part.h > 0);
  for (let row = 0; row < part.h; row++) {
    for (let col = 0; col < part.w; col++) {
      const at = (part.y - whole.y + row) * whole.w + part.x - whole.x + col;
      assert.equal(part.levels[row * part.w + col], whole.levels[at]);
    }
  }
  assert.equal(raster(soft(), 123, 77, [0, 0, 5, 5]).levels.length, 0);
});

test("areas count what lies above each threshold", () => {
  const { levels } = raster(soft(), picture.w, picture.h), above = areas(levels);
  for (const t of [0, 1, 127, 254, 255]) assert.equal(above[t], levels.filter((level) => level > t).length);
});

test("a mask travels and comes back the same", async () => {
  const there = await encode(soft()), back = await decode({ ...there, own: true });
  assert.deepEqual([...back.levels], [...soft().levels]);
  assert.deepEqual([back.w, back.h, back.frame, back.threshold, back.own], [16, 16, soft().frame, null, true]);
});

test("paint outside the mask leaves it as it was at every threshold", () => {
  const before = raster(soft(), picture.w, picture.h);
  const mask = stroke(soft(), [300, 20], [320, 30], 6, false, picture);
  const after = raster(mask, picture.w, picture.h);
  for (let row = 0; row < before.h; row++) {
    for (let col = 0; col < before.w; col++) {
      const at = (before.y - after.y + row) * after.w + before.x - after.x + col;
      assert.equal(after.levels[at], before.levels[row * before.w + col]);
    }
  }
  assert.equal(mask.own, false);
  const seen = areas(after.levels)[127] - areas(before.levels)[127];
  const capsule = Math.PI * 36 + 12 * Math.hypot(20, 10);
  assert.ok(Math.abs(seen - capsule) < 0.05 * capsule, `${seen} painted, ${capsule} meant`);
});

test("the eraser takes away only where it goes and never grows the mask", () => {
  const mask = stroke(soft(), [150, 100], [150, 100], 10, true, picture);
  assert.deepEqual(px(mask.frame), px(soft().frame));
  const at = (x, y) => raster(mask, picture.w, picture.h).levels[(y - 50) * 100 + (x - 100)];
  assert.equal(at(150, 100), 0);
  assert.equal(at(150, 60), raster(soft(), picture.w, picture.h).levels[10 * 100 + 50]);
});

test("a stroke does not change the mask it starts from, and stays inside the picture", () => {
  const mask = soft(), copy = mask.levels.slice();
  const after = stroke(mask, [395, 195], [420, 260], 30, false, picture);
  assert.deepEqual(mask.levels, copy);
  assert.ok(after.frame.every((edge) => edge >= 0 && edge <= 1));
});

test("moving takes box, mask and point along and stops at the edge", () => {
  const after = moved(object({ point: [0.3, 0.5] }), 10, -500, picture);
  assert.deepEqual(px(after.box), [110, 0, 210, 100]);
  assert.deepEqual(px(after.mask.frame), px(after.box));
  assert.ok(Math.abs(after.point[1] - 0.25) < 1e-9);
});

test("resizing keeps whole pixels, at least one, and leaves the mask where it is", () => {
  const after = resized(object(), "nw", [33.4, 5000], picture);
  assert.deepEqual(px(after.box), [33, 149, 200, 150]);
  assert.deepEqual(after.mask.frame, soft().frame);
  assert.deepEqual(px(stretched(object(), -1, 0, picture).box), [100, 50, 199, 150]);
});

test("a box without width is none", () => {
  assert.equal(boxBetween([10, 10], [10.3, 90], picture), null);
  assert.deepEqual(px(boxBetween([90, 80], [-5, 10], picture)), [0, 10, 90, 80]);
});

test("a box grows with paint and fits what is seen", () => {
  const mask = stroke(soft(), [250, 100], [250, 100], 20, false, picture);
  const after = painted(object(), mask, 127);
  assert.deepEqual(px(after.box), [100, 50, 270, 150]);
  const fit = px(fitted(object(), 127).box);
  assert.ok(fit[0] > 100 && fit[2] < 200);
  assert.equal(bounds({ ...soft(), levels: new Uint8Array(256) }, 127), null);
});

test("what is undone to is what it was, and counts as not edited", () => {
  const history = new History([object()]);
  history.commit([moved(object(), 5, 0, picture)], "move 0", 0);
  history.commit([moved(object(), 6, 0, picture)], "move 0", 500);
  history.commit([moved(object(), 7, 0, picture)], "move 0", 5000);
  assert.ok(isEdited(history.objects[0]));
  assert.ok(history.undo());
  assert.equal(px(history.objects[0].box)[0], 106);
  assert.ok(history.undo());
  assert.ok(!isEdited(history.objects[0]));
  assert.ok(!history.undo());
  assert.ok(history.redo() && history.redo() && !history.redo());
});

test("as the model said it", () => {
  const other = { ...moved(object(), 9, 9, picture), label: "dog", review: "accepted" };
  assert.ok(!isEdited({ ...asSaid(other), review: "open" }));
});

test("a score is of the box and label that it was given to", () => {
  assert.equal(ownScore(object()), 0.5);
  assert.equal(ownScore(moved(object(), 9, 9, picture)), null);
  assert.equal(ownScore(object({ label: "dog" })), null);
  assert.equal(ownScore(painted(object(), soft(), 127)), 0.5);
  assert.equal(ownScore(asSaid(moved(object(), 9, 9, picture))), 0.5);
});

test("what was edited before it came to this page stays so, whatever is known of it", () => {
  assert.ok(!isEdited(object()));
  assert.ok(isEdited({ ...object(), edited: true }));
});

test("a new object has a number of its own", () => {
  assert.equal(drawn([object(), object({ id: 7 })], "cup", { box: [0, 0, 1, 1] }).id, 8);
  assert.equal(drawn([], "cup", {}).id, 0);
});

test("labels keep apart in colour, whatever their capitals; the rejected take none", () => {
  const palette = ["#a", "#b", "#c"];
  const colours = legend(["cat", "Cat", "dog", "cup"].map((label) => ({ label, review: "open" })), palette);
  assert.equal(colours.get("cat"), colours.get("Cat"));
  assert.equal(new Set(colours.values()).size, 3);
  assert.equal(legend([{ label: "cat", review: "rejected" }], palette).get("cat"), "#8d8d8d");
});

test("the view keeps what is under the finger there and leaves no gap", () => {
  const view = new View();
  view.resize({ w: 800, h: 600 }, picture);
  assert.deepEqual([view.scale, view.x, view.y], [2, 0, 100]);
  const before = view.toPicture(200, 300);
  view.zoom(4, 200, 300);
  assert.deepEqual(view.toPicture(200, 300).map(Math.round), before.map(Math.round));
  view.pan(1e6, 1e6);
  assert.deepEqual([view.x, view.y], [0, 0]);
  view.zoom(0.001);
  assert.ok(view.fitted && view.scale === 2);
});

const posts = async (work) => {
  const seen = [], said = [];
  const sync = new Sync((post) => {
    seen.push(post);
    setTimeout(() => sync.receipt(work.answer?.(post) ?? { sequence: post.sequence, ok: true, said: "" }));
  }, (words) => said.push(words));
  sync.begin("k", [object()]);
  await work.run(sync);
  return { seen, said, sync };
};

test("pixels travel once, then only by name", async () => {
  const brushed = object({ mask: stroke(soft(), [150, 100], [150, 100], 9, false, picture) });
  const { seen, sync } = await posts({ run: async (sync) => {
    sync.changed([brushed]);
    await sync.flush();
    sync.changed([{ ...brushed, label: "dog" }]);
    await sync.flush();
    sync.changed([object()]);
    await sync.flush();
  } });
  assert.ok(seen[0].objects[0].mask.data.length > 10);
  assert.deepEqual(seen[1].objects[0].mask.from, "now");
  assert.deepEqual(seen[2].objects[0].mask.from, "model");
  assert.ok(!sync.pending);
});

test("what the server refuses is said, and waits", async () => {
  const answer = ({ sequence }) => ({ sequence, ok: false, said: "No." });
  const { said, sync } = await posts({ answer, run: async (sync) => {
    sync.changed([object({ label: "dog" })]);
    assert.equal(await sync.flush(), false);
  } });
  assert.deepEqual(said, ["No."]);
  assert.ok(sync.pending);
});

/** A Sync whose posts stay unanswered: the test answers them. */
const waiting = () => {
  const seen = [], said = [];
  const sync = new Sync((post) => seen.push(post), (words) => said.push(words));
  sync.begin("k", [object()]);
  return { seen, said, sync };
};
const sent = async (seen, count) => {
  for (let tries = 0; seen.length < count && tries < 500; tries++) await new Promise((soon) => setTimeout(soon, 2));
  assert.equal(seen.length, count);
};

test("a change that another answer overtakes is said to be lost, and stays said while that one grows", () => {
  const { seen, said, sync } = waiting();
  sync.changed([object({ label: "dog" })]);
  sync.begin("growing-1", [object({ label: "owl" })]);
  sync.begin("growing-1", [object({ label: "owl" })]);
  sync.begin("final", [object({ label: "owl" })]);
  assert.match(said.join(), /^Your last change was not kept/);
  sync.begin("next", [object()]);
  assert.equal(said.at(-1), "");
  assert.deepEqual([seen.length, sync.pending], [0, false]);
});

test("what a hand was still doing when another answer came is said to be lost", () => {
  const { said, sync } = waiting();
  sync.begin("other", [object()], true);
  assert.match(said.join(), /not kept/);
});

for (const ok of [true, false]) {
  test(`a change on its way when another answer comes is ${ok ? "kept in silence" : "said to be refused"}`, async () => {
    const { seen, said, sync } = waiting();
    sync.changed([object({ label: "dog" })]);
    const flushed = sync.flush();
    await sent(seen, 1);
    const next = [object({ label: "owl" })];
    sync.begin("other", next);
    assert.ok(sync.pending, "whoever waits waits for it");
    sync.receipt({ sequence: seen[0].sequence, ok, said: ok ? "" : "Replaced." });
    assert.ok(await flushed);
    assert.deepEqual(said, ok ? [] : ["Replaced."]);
    assert.equal(sync.saved, next, "the answer that came is not what was posted");
    assert.ok(!sync.pending);
  });
}

test("an answer is left once all is kept, or when it was read already that it cannot be", async () => {
  const { seen, sync } = waiting();
  assert.ok(await sync.leave());
  sync.changed([object({ label: "dog" })]);
  const answered = async (ok) => {
    const left = sync.leave(), post = seen.length + 1;
    await sent(seen, post);
    sync.receipt({ sequence: seen.at(-1).sequence, ok, said: ok ? "" : "The project was deleted." });
    return left;
  };
  assert.equal(await answered(false), false);
  assert.equal(await answered(false), true);
  sync.changed([object({ label: "cow" })]);
  assert.equal(await answered(true), true);
});

test("undone to what is kept, nothing is said any more", async () => {
  const answer = ({ sequence }) => ({ sequence, ok: false, said: "No." });
  const { said, sync } = await posts({ answer, run: async (sync) => {
    const kept = sync.saved;
    sync.changed([object({ label: "dog" })]);
    await sync.flush();
    sync.changed(kept);
  } });
  assert.deepEqual(said, ["No.", ""]);
  assert.ok(!sync.pending);
});

test("too much paint for one post follows in the next", async () => {
  const noisy = (id) => {
    let seed = id + 1;
    const levels = Uint8Array.from({ length: 700 * 700 }, () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 24);
    return object({ id, mask: { frame: [0, 0, 1, 1], w: 700, h: 700, levels, threshold: null, own: false } });
  };
  const { seen } = await posts({ run: async (sync) => {
    sync.changed([noisy(0), noisy(1)]);
    await sync.flush();
  } });
  assert.equal(seen.length, 2);
  assert.ok(seen.every((post) => JSON.stringify(post).length < 1e6));
  assert.equal(seen[0].objects[1].mask, null);
  assert.equal(seen[1].objects[0].mask.from, "now");
  assert.ok(seen[1].objects[1].mask.data);
});
