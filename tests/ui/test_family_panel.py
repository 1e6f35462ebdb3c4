"""The table of checkpoints says what choosing one means: pixels, image tokens, tuning, memory by precision, figures."""

from __future__ import annotations

import re

from backends.paligemma_family import FAMILY, Precision, in_gb
from ui.family_panel import family_table


def test_each_checkpoint_stands_in_a_row_of_its_own_with_its_memory_in_each_precision() -> None:
    rows = re.findall(r"<tr>.*?</tr>", family_table(FAMILY))[1:]
    assert len(rows) == len(FAMILY)
    for row, each in zip(rows, FAMILY, strict=True):
        assert f'data-model="{each.id}"' in row
        assert f"{each.resolution} px, {each.image_tokens:,} image tokens" in row
        for precision in (Precision.BFLOAT16, Precision.INT8, Precision.NF4):
            assert in_gb(each.memory_bytes(precision)) in row


def test_a_published_figure_never_stands_without_its_source() -> None:
    table = family_table(FAMILY)
    for each in FAMILY:
        for score in each.scores:
            assert f"{score.value} ({score.source})" in table
