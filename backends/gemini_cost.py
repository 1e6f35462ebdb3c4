"""What a request to Gemini takes: tokens before it is sent, dollars before and after.

By Google's published rules, which are rough for text; the service's own count (`count_tokens`) settles it. Knows no
connection. Taxes, free quotas, cached prompts and batches are not known here.
"""

from __future__ import annotations

import math
from datetime import date

from backends.gemini_models import AS_OF, Model, find, price
from grounding.types import Estimate, Request, Resolution, Usage

TILE_TOKENS = 258
_SMALL_SIDE, _TILE_SIDE = 384, 768  # a picture up to the first is one tile, a larger one is cut into the second

FIXED_TOKENS = {
    None: 1120,
    Resolution.LOW: 280,
    Resolution.MEDIUM: 560,
    Resolution.HIGH: 1120,
    Resolution.ULTRA_HIGH: 2240,
}
"""Of a picture by media resolution, from Gemini 3 on, whatever its size."""

PAGE_TOKENS = {**FIXED_TOKENS, None: 560, Resolution.ULTRA_HIGH: 1120}
"""Of a PDF's page, from Gemini 3 on; ultra high is for pictures only."""

_OLD_LOW = 64  # 2.x at low resolution, pictures and pages alike
_BYTES_PER_TOKEN = 4  # Google: about 4 characters of English; by bytes, since other scripts take more
_LONG_PROMPT = 200_000


def picture_tokens(model: Model, size_wh: tuple[int, int], resolution: Resolution | None) -> int:
    """Tokens of one picture."""
    if model.picture_tokens == "fixed":
        return FIXED_TOKENS[resolution]
    if resolution is Resolution.LOW:
        return _OLD_LOW
    if resolution is Resolution.MEDIUM or max(size_wh) <= _SMALL_SIDE:
        return TILE_TOKENS
    return TILE_TOKENS * math.ceil(size_wh[0] / _TILE_SIDE) * math.ceil(size_wh[1] / _TILE_SIDE)


def page_tokens(model: Model, resolution: Resolution | None) -> int:
    """Tokens of one page of a PDF; its text counts on top where a page has much."""
    if model.picture_tokens == "fixed":
        return PAGE_TOKENS[resolution]
    return _OLD_LOW if resolution is Resolution.LOW else TILE_TOKENS


def text_tokens(text: str) -> int:
    """About how many tokens `text` is."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / _BYTES_PER_TOKEN)


def estimate(name: str, request: Request, texts: list[str], most_answer_tokens: int, on: date) -> Estimate:
    """Tokens and cost of `request` to the model `name`; `texts` is all that is said in it."""
    model, resolution = find(name), request.options.resolution
    media = sum(picture_tokens(model, each.size_wh, resolution) for each in request.images)
    media += sum(each.pages * page_tokens(model, resolution) for each in request.documents)
    prompt = media + sum(map(text_tokens, texts))
    cost = dollars(name, prompt, 0, on)
    most = dollars(name, prompt, most_answer_tokens, on)
    return Estimate(prompt, media, most_answer_tokens, cost, most, AS_OF.isoformat() if cost is not None else "")


def dollars(name: str, prompt_tokens: int, answer_tokens: int, on: date) -> float | None:
    """What so many tokens cost; thoughts count as answer. None where the model's price is not known."""
    rate = price(find(name), on)
    if rate is None:
        return None
    of_prompt, of_answer = rate.long_prompt if prompt_tokens > _LONG_PROMPT else (1.0, 1.0)
    return (prompt_tokens * rate.prompt * of_prompt + answer_tokens * rate.answer * of_answer) / 1_000_000


def spent(name: str, usage: Usage, on: date) -> float | None:
    """What an answer cost by the tokens the service counted; None where it did not count, or the price is unknown."""
    if usage.prompt_tokens is None:
        return None
    return dollars(name, usage.prompt_tokens, (usage.answer_tokens or 0) + (usage.thought_tokens or 0), on)
