"""Label Studio's run lengths of a painted mask: a string of bits, as bytes. Knows nothing else of Label Studio.

The picture is RGBA, four equal bytes a pixel, 255 where painted. 32 bits count the bytes, 5 say how long a word is
(less one), four times 4 how long a count of each of four kinds is (less one). Then, until all is said: 1 bit (1: one
word repeated, 0: words one by one), 2 bits for the kind of count, the count (less one), the word or words.
"""

from __future__ import annotations

import numpy as np

from grounding.errors import RequestError
from grounding.exports.shapes import row_runs

_COUNT_BITS = (3, 4, 8, 16)
_LONGEST = 1 << _COUNT_BITS[3]


def encode_brush(pixels: np.ndarray) -> list[int]:
    """The bytes of a whole picture's bool[height, width]."""
    bits = [f"{pixels.size * 4:032b}", f"{8 - 1:05b}", *(f"{each - 1:04b}" for each in _COUNT_BITS)]
    for place, run in enumerate(row_runs(pixels)):
        word, left = ("11111111" if place % 2 else "00000000"), run * 4
        while left:
            count = min(left, _LONGEST)
            kind = next(kind for kind, size in enumerate(_COUNT_BITS) if count <= 1 << size)
            bits.append(f"1{kind:02b}{count - 1:0{_COUNT_BITS[kind]}b}{word}")
            left -= count
    said = "".join(bits)
    said += "0" * (-len(said) % 8)
    return list(int(said, 2).to_bytes(len(said) // 8, "big"))


def decode_brush(said: list[float], size_wh: tuple[int, int]) -> np.ndarray:
    """bool[height, width]; RequestError where the bytes are no brush of a picture of this size."""
    if not all(0 <= each <= 255 for each in said):
        raise RequestError("A brush's bytes are not within 0 and 255.")
    bits = _Bits(bytes(int(each) for each in said))
    count, word = bits.take(32), bits.take(5) + 1
    sizes = [bits.take(4) + 1 for _ in range(4)]
    if count != size_wh[0] * size_wh[1] * 4 or word != 8:
        raise RequestError("A brush's bytes are of another size than the picture.")
    out, at = np.zeros(count, dtype=bool), 0
    while at < count:
        repeated = bits.take(1)
        run = bits.take(sizes[bits.take(2)]) + 1
        if repeated:
            out[at : at + run] = bits.take(8) > 127
        else:
            words = bits.take(8 * run).to_bytes(run, "big")
            out[at : at + run] = (np.frombuffer(words, dtype=np.uint8) > 127)[: count - at]
        at += run
    return out.reshape(size_wh[1], size_wh[0], 4)[..., 3].copy()


class _Bits:
    def __init__(self, said: bytes) -> None:
        self._bits = f"{int.from_bytes(said, 'big'):0{len(said) * 8}b}" if said else ""
        self._at = 0

    def take(self, count: int) -> int:
        """The next `count` bits as a number."""
        found = self._bits[self._at : self._at + count]
        if len(found) < count:
            raise RequestError("A brush's bytes end in the middle.")
        self._at += count
        return int(found, 2)
