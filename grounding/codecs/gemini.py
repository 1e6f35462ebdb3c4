"""Gemini's grammar: what is asked becomes a prompt, what is answered becomes boxes, points and soft masks.

The guide's answer is [{"box_2d": [ymin, xmin, ymax, xmax], "label": …, "mask": …}, …], in thousandths of the picture.
Models answer with much else; whatever object can be read is kept, and each thing mended or left out is a Note.
Knows no client, no picture, and not whether the service blocked anything.

What is decided here, since no guide does:
- A box or point whose numbers are all at most 1 and not all whole is in fractions of the picture, not in thousandths.
- Corners are put in order; a box that reaches outside is clamped, one outside altogether, or with no area, is left out.
- The same entry again (label, box, point and mask alike) is one object: models that loop repeat themselves for pages.
- A missing label is the text under a key that names the object, else "".
- An outline's pairs are [x, y] unless [y, x] fits its box better; outside its box it is none.
- A mask without a box is laid over the whole picture; an outline is its own box.
- In prose, four numbers in square brackets are a box where their line holds at most a name; in round ones never.
- A remark behind the box of a bullet is dropped; with a number or a denial in it, the box is not read.
- The label on a line beside a box's is its own only where no other box could have it; else the box has none.
"""

from __future__ import annotations

from grounding.codecs.characters import visible
from grounding.codecs.gemini_boxes import PlaceError, box_1000, clamped, point_in_picture
from grounding.codecs.gemini_growth import closed, whole_part
from grounding.codecs.gemini_item import Item
from grounding.codecs.gemini_items import Listing, listing
from grounding.codecs.gemini_json import Node, Value
from grounding.codecs.gemini_masks import MaskError, YxyxBox, loose_masks, mask_tokens, soft_mask
from grounding.codecs.gemini_notes import Ledger, named
from grounding.codecs.gemini_prompt import PRESETS, prompt
from grounding.codecs.gemini_values import Bare, Cut, number, whole
from grounding.codecs.mask_tokens import MaskDecoder, with_masks
from grounding.types import THRESHOLD, Decoded, Detection, NoteKind, Outcome, Point, SoftMask

__all__ = ["PRESETS", "MaskDecoder", "closed", "decode", "prompt", "whole_part"]

MAX_MASK_PIXELS = 64 * 2**20  # of one answer, 256 MiB as float32: a thousand of Gemini's own masks
_LABEL_LIMIT = 1000  # characters; Gemini explains itself in labels of 200, a longer one is a loop
_SAYING_SHOWN = 120  # characters of a message in the answer
_NOTHING = frozenset({"null", "none", "nothing", "n/a"})


def decode(text: str, *, mask_decoder: MaskDecoder | None = None, pictures: int = 1) -> Decoded:
    """Every object that Gemini's answer `text` names, and a Note for each thing mended, left out or cut. Never raises.

    mask_decoder: draws the masks that are 16 tokens; without it they stay `mask_tokens`. pictures: how many the answer
    is about; with several, a detection that does not name its picture keeps None.
    """
    found = listing(text)
    if not found.items:
        found.items = [Item(place, mask=mask) for place, mask in enumerate(loose_masks(text), 1)]
        found.cut = found.cut or any(isinstance(item.mask, Cut) for item in found.items)
    answer = _Answer(pictures)
    for item in found.items:
        answer.add(item)
    ledger, detections = answer.ledger, answer.detections
    if mask_decoder is not None:
        detections = with_masks(detections, mask_decoder)
    elif undrawn := sum(found.mask_tokens is not None for found in detections):
        many = "1 mask is" if undrawn == 1 else f"{undrawn:,} masks are"
        ledger.add(NoteKind.MODEL, f"{many} codebook tokens, which are kept but not drawn.")
    if found.mends and detections:
        ledger.add(NoteKind.REPAIRED, f"The answer was read although it is not JSON: {', '.join(sorted(found.mends))}.")
    if found.cut:
        ledger.add(NoteKind.CUT, _cut(found))
    if found.unread and detections:
        many = "1 list of four numbers" if found.unread == 1 else f"{found.unread:,} lists of four numbers"
        ledger.add(NoteKind.SKIPPED, f"{many} in the prose {'was' if found.unread == 1 else 'were'} not read.")
    outcome = _outcome(text, found, bool(detections), ledger)
    if outcome is Outcome.UNRECOGNISED and not found.items:
        ledger.add(NoteKind.SKIPPED, _nothing(text, found))
    return Decoded(outcome, tuple(detections), ledger.notes())


def _outcome(text: str, found: Listing, any_left: bool, ledger: Ledger) -> Outcome:
    if found.cut:
        return Outcome.TRUNCATED
    if any_left:
        mended = ledger.has(NoteKind.SKIPPED, NoteKind.REPAIRED, NoteKind.CAPPED)
        return Outcome.REPAIRED if mended else Outcome.FOUND
    said = text.strip(" \t\r\n`.\"'").removeprefix("json").strip().lower()
    if not found.items and (found.empty or said in _NOTHING):
        return Outcome.NONE
    return Outcome.UNRECOGNISED


def _nothing(text: str, found: Listing) -> str:
    says = " ".join(_text(found.says).split())
    if says:
        says = says if len(says) <= _SAYING_SHOWN else says[: _SAYING_SHOWN - 1] + "…"
        return f"No objects could be read from the answer, which says: “{says}”"
    return "No objects could be read from the answer." if text.strip() else "The answer was empty."


def _cut(found: Listing) -> str:
    last = found.items[-1] if found.items else None
    if last is None:
        return "The answer ends before its first object is complete."
    if not last.cut and not _is_cut(last.mask):
        return "The answer ends before its list does; the objects before that are kept."
    what = named(last.place, _text(last.label))
    if not (last.box or last.point):
        return f"The answer ends inside {what}, which is left out."
    return f"The answer ends inside {what}" + ("; its mask is missing." if _is_cut(last.mask) else ".")


def _is_cut(value: Value) -> bool:
    return isinstance(value, Cut) or (isinstance(value, Node) and value.cut)


class _Answer:
    """Collects the detections of one answer, and what there is to say about them."""

    def __init__(self, pictures: int = 1) -> None:
        self._pictures = pictures
        self.detections: list[Detection] = []
        self.ledger = Ledger()
        self._seen: set[object] = set()
        self._repeated: set[object] = set()
        self._mask_pixels = 0

    def add(self, item: Item) -> None:
        """Keep what is sound of `item`; say what is not."""
        if (item.cut or _is_cut(item.mask)) and not (item.box or item.point):
            return  # the note on the cut says so; a box may have been on its way
        label = _text(item.label)[:_LABEL_LIMIT]
        yxyx, point, mends = _placed(item)
        if yxyx is None and point is None and (item.flaw or item.mask is None):
            self._skip(item, label)
            return
        if self._is_repeat(item, (label, yxyx, point, _fingerprint(item.mask), item.picture)):
            return
        codes, mask = self._mask(item, label, yxyx)
        box = clamped(yxyx) if yxyx else mask.frame if mask and isinstance(item.mask, Node) else None
        if box is None and point is None and mask is None and codes is None:
            return  # the mask was all there was, and there is a note on it
        if yxyx is None and mask is not None:
            mends.append(
                f"a mask without a box {'gave the item its box' if box else 'was laid over the whole picture'}"
            )
        score = self._score(item, label)
        picture = self._picture(item)
        if picture is None:
            which = "none" if item.picture is None else f"picture {item.picture}, which is none of them"
            self.ledger.remark(item.place, label, f"there are {self._pictures} pictures and it names {which}")
        self.detections.append(
            Detection(label, box, point, score, mask, codes, id=len(self.detections), picture=picture)
        )
        self._say(item, label, mends)

    def _skip(self, item: Item, label: str) -> None:
        nothing = "it has only a 3D box" if item.box_3d else "it has no box, point or mask"
        self.ledger.skip(item.place, label, item.flaw or nothing)

    def _picture(self, item: Item) -> int | None:
        """Which picture it is in, from 0; with one there is no question."""
        if self._pictures == 1:
            return 0
        return item.picture - 1 if item.picture is not None and 1 <= item.picture <= self._pictures else None

    def _is_repeat(self, item: Item, key: tuple[object, ...]) -> bool:
        where = key[1:3]
        if key in self._seen:
            self._repeated.add(where)
            self.ledger.skip(item.place, str(key[0]), "it repeats an earlier item")
            return True
        self._seen.add(key)
        return item.cut and where in self._repeated  # the answer was cut while it repeated itself

    def _mask(self, item: Item, label: str, yxyx: YxyxBox | None) -> tuple[tuple[int, ...] | None, SoftMask | None]:
        if item.mask is None or _is_cut(item.mask):
            return None, None
        if self._mask_pixels >= MAX_MASK_PIXELS:
            self.ledger.cap(item.place, label, "the mask was left out, as the answer's masks are too large together")
            return None, None
        try:
            if codes := mask_tokens(item.mask):
                return codes, None
            mask = soft_mask(item.mask, yxyx)
        except MaskError as flaw:
            self.ledger.mend(item.place, label, f"the mask was left out, as it {flaw}")
            return None, None
        self._mask_pixels += mask.probs.size
        if float(mask.probs.max()) * 255 <= THRESHOLD:
            self.ledger.remark(item.place, label, f"no point of the mask is above the threshold of {THRESHOLD}")
        return None, mask

    def _score(self, item: Item, label: str) -> float | None:
        value = item.score
        if value is None or isinstance(value, Cut):
            return None
        percent = isinstance(value, str) and value.strip().endswith("%")
        score = number(value.strip().rstrip("% ")) if isinstance(value, str) else value
        if isinstance(score, (int, float)) and not isinstance(score, bool) and 0 <= score <= (100 if percent else 1):
            return float(score) / (100 if percent else 1)
        self.ledger.mend(item.place, label, "the score was left out, as it is no number from 0 to 1")
        return None

    def _say(self, item: Item, label: str, mends: list[str]) -> None:
        if item.label is not None and not isinstance(item.label, str):
            mends.append("the label was no text")
        if isinstance(item.label, str) and len(item.label) > _LABEL_LIMIT:
            mends.append(f"the label was cut to {_LABEL_LIMIT:,} characters")
        for what in mends:
            self.ledger.mend(item.place, label, what)
        if not label and not item.cut:
            self.ledger.remark(item.place, label, "no label was given")
        if item.box_3d:
            self.ledger.remark(item.place, label, "its 3D box is not shown")


def _placed(item: Item) -> tuple[YxyxBox | None, Point | None, list[str]]:
    """Where `item` is, in thousandths and not yet clamped, and what was mended; `item.flaw` says what could not be."""
    yxyx: YxyxBox | None = None
    point: Point | None = None
    mends = sorted(item.mends)
    try:
        if item.box is not None:
            yxyx, more = box_1000(item.box)
            mends += more
    except PlaceError as flaw:
        item.flaw = item.flaw or str(flaw)
    try:
        if item.point is not None:
            point, more = point_in_picture(item.point)
            mends += [what for what in more if what not in mends]
    except PlaceError as flaw:
        item.flaw = item.flaw or str(flaw)
    if item.flaw and (yxyx or point):
        mends.append(item.flaw)
    return yxyx, point, mends


def _text(label: Value) -> str:
    """A label as text any file can hold; "" for none."""
    if label is None or isinstance(label, Node):
        return ""
    if isinstance(label, Bare):
        label = label.strip("`*«»") or label  # **cat**
    return visible(whole(str(label))).strip()


def _fingerprint(mask: Value) -> object:
    """Something equal for equal masks."""
    if not isinstance(mask, Node):
        return mask
    flat: list[object] = []
    todo: list[Value] = [mask]
    while todo:
        value = todo.pop()
        if isinstance(value, Node):
            flat.append(len(value.entries))
            todo.extend(child for _, child in reversed(value.entries))
        else:
            flat.append(value)
    return tuple(flat)
