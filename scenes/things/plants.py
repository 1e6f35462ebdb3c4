"""Fruit and plants, each drawn a little differently every time it is called."""

from __future__ import annotations

import numpy as np

from scenes.outlines import Part, curve, ellipse, polygon, rounded, smooth, stroke

Rng = np.random.Generator


def _leaf(x: float, y: float, length: float, turn: float) -> Part:
    c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    outline = smooth((0, 0), (length * 0.5, -length * 0.25), (length, 0), (length * 0.5, length * 0.25))
    return Part(outline @ np.array([[c, s], [-s, c]]) + (x, y), "leaf")


def apple(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, h, dip = u(0.78, 0.92), u(0.72, 0.86), u(0.1, 0.18)
    return [
        Part(stroke(curve((0, -h + 0.2), (0.03, -h - 0.05), (u(0.02, 0.14), -h - 0.22)), 0.08), "wood"),
        _leaf(0.04, -h - 0.02, u(0.38, 0.5), u(-35, -5)),
        Part(
            smooth(
                (0, -h + dip),
                (w * 0.45, -h),
                (w * 0.92, -h * 0.5),
                (w, 0.1),
                (w * 0.72, h * 0.75),
                (w * 0.32, h),
                (0, h * 0.93),
                (-w * 0.32, h),
                (-w * 0.72, h * 0.75),
                (-w, 0.1),
                (-w * 0.92, -h * 0.5),
                (-w * 0.45, -h),
            )
        ),
        Part(ellipse(-w * 0.5, -h * 0.35, 0.1, 0.2, 25), "tint", False),
    ]


def pear(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, neck = u(0.55, 0.68), u(0.24, 0.32)
    return [
        Part(stroke(curve((0, -0.7), (0.02, -0.85), (u(0.02, 0.16), -1.0)), 0.07), "wood"),
        _leaf(0.03, -0.85, u(0.32, 0.44), u(-30, 10)),
        Part(
            smooth(
                (0, -0.82),
                (neck, -0.62),
                (neck * 1.15, -0.25),
                (w * 0.95, 0.2),
                (w, 0.6),
                (w * 0.6, 0.93),
                (0, 0.98),
                (-w * 0.6, 0.93),
                (-w, 0.6),
                (-w * 0.95, 0.2),
                (-neck * 1.15, -0.25),
                (-neck, -0.62),
            )
        ),
        Part(ellipse(-w * 0.48, 0.42, 0.09, 0.22, 15), "tint", False),
    ]


def banana(rng: Rng) -> list[Part]:
    u = rng.uniform
    fat, bend = u(0.34, 0.46), u(0.62, 0.82)
    outer = curve((-0.92, -0.45), (-0.6, bend * 0.4), (0.0, bend * 0.75), (0.62, bend * 0.4), (0.95, -0.4))
    inner = curve(
        (0.82, -0.45),
        (0.45, bend * 0.4 - fat * 0.85),
        (0.0, bend * 0.75 - fat),
        (-0.45, bend * 0.4 - fat * 0.85),
        (-0.8, -0.5),
    )
    ridge = curve(
        (-0.84, -0.42),
        (-0.5, bend * 0.4 - fat * 0.35),
        (0.0, bend * 0.75 - fat * 0.5),
        (0.5, bend * 0.4 - fat * 0.35),
        (0.88, -0.36),
    )
    return [
        Part(np.concatenate([outer, inner])),
        Part(stroke(ridge, 0.06), "shade", False),
        Part(stroke(polygon((-0.87, -0.45), (-0.93, -0.66)), 0.15, 0.12), "wood"),
        Part(ellipse(0.89, -0.42, 0.09, 0.08), "wood", False),
    ]


def cherry(rng: Rng) -> list[Part]:
    u = rng.uniform
    r, gap, top = u(0.36, 0.44), u(0.44, 0.54), u(-0.1, 0.2)
    parts = []
    for s in (-1, 1):
        y = 0.5 + 0.08 * s
        parts.append(Part(stroke(curve((s * gap, y - r * 0.7), (s * gap * 0.7, -0.2), (top, -0.88)), 0.065), "leaf"))
    parts.append(_leaf(top, -0.86, u(0.5, 0.65), u(-5, 30)))
    for s in (-1, 1):
        y = 0.5 + 0.08 * s
        parts.append(
            Part(
                smooth(
                    (s * gap, y - r * 0.85),
                    (s * gap + r * 0.7, y - r * 0.8),
                    (s * gap + r, y),
                    (s * gap + r * 0.6, y + r * 0.85),
                    (s * gap, y + r),
                    (s * gap - r * 0.6, y + r * 0.85),
                    (s * gap - r, y),
                    (s * gap - r * 0.7, y - r * 0.8),
                )
            )
        )
        parts.append(Part(ellipse(s * gap - r * 0.4, y - r * 0.3, r * 0.14, r * 0.24, 25), "tint", False))
    return parts


def tree(rng: Rng) -> list[Part]:
    u = rng.uniform
    trunk = u(0.1, 0.17)
    parts = [Part(polygon((-trunk, 0.1), (trunk, 0.1), (trunk * 1.4, 1.0), (-trunk * 1.4, 1.0)), "wood")]
    if rng.random() < 0.35:  # a fir
        for k, (y, w) in enumerate(((0.55, 0.72), (0.12, 0.58), (-0.3, 0.42))):
            parts.append(Part(polygon((0, y - 0.72), (w, y), (-w, y)), "shade" if k == 1 else "body"))
        return parts
    lobes = [(0.45, -0.05, 0.42), (-0.45, -0.05, 0.42), (0.32, -0.5, 0.4), (-0.32, -0.5, 0.4), (0, -0.62, 0.4)]
    n = 40
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    reach = np.zeros(n)
    for x, y, r in lobes:  # the outer rim of the union of circles, seen from (0, -0.25)
        c = np.array([x, y + 0.25])
        along = ray @ c
        room = (r + u(-0.04, 0.05)) ** 2 - (c @ c - along**2)
        reach = np.maximum(reach, np.where(room > 0, along + np.sqrt(np.maximum(room, 0)), 0))
    parts.append(Part(ray * np.maximum(reach, 0.3)[:, None] + (0, -0.25)))
    for x, y, r in ((0.3, 0.02, 0.2), (-0.22, -0.3, 0.22), (0.25, -0.55, 0.16)):
        parts.append(Part(ellipse(x, y, r, r * 0.75), "shade" if x > 0.28 else "tint", False))
    return parts


def flower(rng: Rng) -> list[Part]:
    u = rng.uniform
    n, r, long = int(rng.integers(5, 9)), u(0.2, 0.26), u(0.32, 0.4)
    cy, turn = -0.42, u(0, 60)
    parts = [
        Part(stroke(curve((0, cy), (u(-0.06, 0.06), 0.3), (0.02, 1.0)), 0.085), "leaf"),
        _leaf(0.02, 0.72, u(0.38, 0.5), u(-50, -20)),
        _leaf(0.0, 0.85, u(0.36, 0.48), u(200, 225)),
    ]
    for k in range(n):
        a = np.deg2rad(turn + 360 * k / n)
        parts.append(
            Part(ellipse(long * np.cos(a), cy + long * np.sin(a), r + 0.05, r * 4.6 / n + 0.03, turn + 360 * k / n))
        )
    parts.append(Part(ellipse(0, cy, 0.19, 0.19), "seed"))
    return parts


def mushroom(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, stem, cap = u(0.8, 0.98), u(0.2, 0.3), u(-0.85, -0.65)
    parts = [
        Part(
            smooth(
                (-stem, 0.0),
                (stem, 0.0),
                (stem * 1.05, 0.5),
                (stem * 1.4, 0.9),
                (0, 0.97),
                (-stem * 1.4, 0.9),
                (-stem * 1.05, 0.5),
            ),
            "cream",
        ),
        Part(
            smooth(
                (-w, 0.08),
                (-w * 0.85, cap * 0.55),
                (-w * 0.4, cap * 0.95),
                (0, cap),
                (w * 0.4, cap * 0.95),
                (w * 0.85, cap * 0.55),
                (w, 0.08),
                (w * 0.5, 0.2),
                (-w * 0.5, 0.2),
            )
        ),
    ]
    for x, y, r in ((-0.5, -0.12, 0.12), (0.0, -0.42, 0.15), (0.48, -0.18, 0.13), (0.08, 0.02, 0.08)):
        parts.append(Part(ellipse(x * w, y, r * u(0.8, 1.15), r * u(0.8, 1.1)), "white", False))
    return parts


def cactus(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, a, b = u(0.4, 0.5), u(-0.25, 0.05), u(-0.1, 0.15)
    parts = [
        Part(stroke(curve((0.05, b + 0.25), (0.5, b + 0.22), (0.62, b), (0.62, b - 0.32), n=4), 0.25)),
        Part(stroke(curve((-0.05, a + 0.3), (-0.48, a + 0.26), (-0.6, a + 0.05), (-0.6, a - 0.3), n=4), 0.25)),
        Part(rounded(-w / 2 - 0.02, -0.98, w / 2 + 0.02, 0.6, 0.26)),
    ]
    for x in (-0.1, 0.1):
        parts.append(Part(stroke(polygon((x, -0.72), (x, 0.4)), 0.045), "shade", False))
    parts.append(Part(polygon((-0.42, 0.5), (0.42, 0.5), (0.32, 1.0), (-0.32, 1.0)), "clay"))
    parts.append(Part(rounded(-0.48, 0.46, 0.48, 0.62, 0.05), "clay"))
    return parts
