// A label's colour, the same as grounding/overlays.py gives it, so that picture and download agree.

/** What was rejected is not in the downloaded picture, so it takes no colour from the rest. */
export const GREY = "#8d8d8d";

/** The colour "#rrggbb" of every label in `objects`: one each while the palette lasts. */
export function legend(objects, palette) {
  const slots = new Map(), colours = new Map();
  for (const { label, review } of objects) {
    if (review === "rejected") continue;
    const name = label.trim().toLowerCase();
    if (!slots.has(name)) {
      const taken = new Set(slots.values());
      const wanted = crc32(new TextEncoder().encode(name)) % palette.length;
      let slot = wanted;
      for (let step = 0; step < palette.length && taken.has(slot); step++) slot = (wanted + step + 1) % palette.length;
      slots.set(name, taken.has(slot) ? wanted : slot);
    }
    colours.set(label, palette[slots.get(name)]);
  }
  for (const { label } of objects) if (!colours.has(label)) colours.set(label, GREY);
  return colours;
}

export function rgb(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** As the pixels of an ImageData hold it (little-endian: alpha, blue, green, red). */
export function pixel(colour, alpha) {
  const [red, green, blue] = rgb(colour);
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** Text on a tag of `colour` that can be read (Rec. 601 luma). */
export function ink(colour) {
  const [red, green, blue] = rgb(colour);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#101018" : "#ffffff";
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
