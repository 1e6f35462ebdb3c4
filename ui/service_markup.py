"""What a service says of its models, of a test and of files it keeps, as HTML. Knows no gradio."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from grounding.types import Estimate, SelfTest
from ui.markup import hint, safe


def facts(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Names and values, two by two."""
    lines = "".join(f'<tr><th scope="row">{safe(name)}</th><td>{safe(value)}</td></tr>' for name, value in rows)
    return (
        f'<div class="pp-table pp-facts-table"><table><caption>{safe(title)}</caption>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def tested(test: SelfTest) -> str:
    """What came out right when a model was asked about a known picture."""
    lines = "".join(
        f'<tr><th scope="row">{safe(name.capitalize())}</th>'
        f'<td data-tone="{"good" if can else "stop"}">{"right" if can else "not right"}</td></tr>'
        for name, can in test.can.items()
    )
    caption = f"Self-test of {safe(test.model)}"
    table = f'<div class="pp-table"><table><caption>{caption}</caption><tbody>{lines}</tbody></table></div>'
    return f'<p class="pp-hint"><b>{safe(test.model)}</b>, {test.seconds:.1f} s. {safe(test.detail)}</p>{table}'


def counted(count: int, estimate: Estimate) -> str:
    """The request's tokens as the service counts them, and how far the estimate was from that."""
    off = estimate.prompt_tokens - count
    share = f", {abs(off) / count:.0%}" if count else ""
    beside = f"{abs(off):,} too {'many' if off > 0 else 'few'}{share}" if off else "the same"
    tokens = "1 token" if count == 1 else f"{count:,} tokens"
    return hint(f"The service counts {tokens} in; the estimate was {estimate.prompt_tokens:,}: {beside}.")


def uploads(kept: Sequence[tuple[str, datetime]]) -> str:
    """What the service keeps from here, and until when."""
    if not kept:
        return hint("Nothing from here is kept at the service.")
    lines = "".join(f"<li><bdi>{safe(name)}</bdi> until {until:%-d %B, %H:%M} UTC</li>" for name, until in kept)
    said = hint("Kept at the service under this key, and deleted there at the time named:")
    return f'{said}<ul class="pp-picture-notes">{lines}</ul>'
