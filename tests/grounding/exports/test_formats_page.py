"""docs/formats.md says what the formats keep: it is measured here, never written by hand.

python -m tests.grounding.exports.test_formats_page > docs/formats.md
"""

from __future__ import annotations

from pathlib import Path

from grounding.exports import FORMATS, export
from grounding.exports.losses import Aspect, Loss
from jobs.answers import WITH_PICTURES
from tests.label_sets import every_aspect, with_pictures

PAGE = Path(__file__).parents[3] / "docs/formats.md"

COLUMNS = {
    "box": Aspect.BOX, "mask": Aspect.MASK, "holes": Aspect.HOLES, "parts": Aspect.PARTS, "score": Aspect.SCORE,
    "point": Aspect.POINT, "label text": Aspect.LABEL, "origin": Aspect.ORIGIN, "review": Aspect.REVIEW,
    "captions": Aspect.TEXT, "pictures": Aspect.PICTURE,
}  # fmt: skip

_NAMED = " and ".join(f"`{each}`" for each in WITH_PICTURES)

HEAD = f"""# Formats

What each export keeps of one set that has everything in it, measured by writing it and reading it again; made by
`python -m tests.grounding.exports.test_formats_page > docs/formats.md` and held to that by a test. The same comparison
runs on every export before it is offered, and says in sentences what that one lost.

The picture files go along where the format has room for them, from the page for one picture, all of them or a project.
A labelling run, on the command line or the Batch page, copies them for {_NAMED} only:
elsewhere they stay where they are.

● kept · ◐ changed, or some of it left out (below) · ○ left out

"""


def cell(aspect: Aspect, by_aspect: dict[Aspect, list[Loss]]) -> str:
    losses = by_aspect[aspect]
    if aspect in (Aspect.HOLES, Aspect.PARTS) and cell(Aspect.MASK, by_aspect) == "○":
        return "○"
    if not losses:
        return "●"
    return "○" if any(each.what in ("left out", "bare") and each.count == each.total for each in losses) else "◐"


def page() -> str:
    rows, details = [], []
    for name, form in FORMATS.items():
        losses = export(with_pictures(every_aspect()), name).losses
        by_aspect = {aspect: [each for each in losses if each.aspect is aspect] for aspect in Aspect}
        rows.append(
            f"| `{name}` | {form.title} | " + " | ".join(cell(each, by_aspect) for each in COLUMNS.values()) + " |"
        )
        details.append(f"**{name}** " + ("; ".join(each.sentence for each in losses) or "nothing lost") + ".\n")
    head = "| | | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 2) + "\n"
    return HEAD + head + "\n".join(rows) + "\n\n## In its own words\n\n" + "\n".join(details)


def test_the_page_says_what_was_measured() -> None:
    assert PAGE.read_text("utf-8") == page()


if __name__ == "__main__":
    print(page(), end="")
