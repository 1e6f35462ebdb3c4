"""Furniture, tools and other things about the house, each drawn a little differently every time it is called."""

from __future__ import annotations

import numpy as np

from scenes.outlines import Part, curve, ellipse, polygon, rounded, smooth, stroke

Rng = np.random.Generator


def chair(rng: Rng) -> list[Part]:
    u = rng.uniform
    top, seat, w = u(-1.0, -0.85), u(0.05, 0.18), u(0.45, 0.55)
    return [
        Part(stroke(polygon((w * 0.55, seat), (w * 0.62, 0.88)), 0.11), "shade"),
        Part(stroke(polygon((-w * 0.55, seat), (-w * 0.5, 0.88)), 0.11), "shade"),
        Part(stroke(polygon((-w, top), (-w, 0.95)), 0.14)),
        Part(stroke(polygon((w, seat), (w, 0.95)), 0.14)),
        Part(rounded(-w - 0.06, top, -w + u(0.22, 0.32), seat, 0.1)),
        Part(rounded(-w - 0.07, seat - 0.1, w + 0.09, seat + 0.12, 0.07), "tint"),
    ]


def table(rng: Rng) -> list[Part]:
    u = rng.uniform
    top, t, splay = u(-0.5, -0.3), u(0.14, 0.2), u(0.0, 0.1)
    parts = [Part(stroke(polygon((s * 0.55, top), (s * (0.52 + splay), 0.55)), 0.12), "shade") for s in (-1, 1)]
    parts += [Part(stroke(polygon((s * 0.82, top), (s * (0.82 + splay), 0.72)), 0.15)) for s in (-1, 1)]
    parts.append(Part(rounded(-0.85, top + t * 0.6, 0.85, top + t + 0.16, 0.02), "shade"))
    parts.append(Part(rounded(-1.0, top - t / 2, 1.0, top + t / 2 + 0.03, 0.08), "body"))
    return parts


def lamp(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, t, h = u(0.55, 0.72), u(0.22, 0.34), u(-0.18, 0.0)
    return [
        Part(stroke(polygon((0, h), (0, 0.88)), 0.09), "metal"),
        Part(smooth((-0.36, 0.95), (-0.25, 0.84), (0, 0.78), (0.25, 0.84), (0.36, 0.95), n=4), "metal"),
        Part(ellipse(0, h + 0.06, 0.14, 0.13), "lamp"),
        Part(polygon((-t, -0.98), (t, -0.98), (w, h), (-w, h))),
        Part(polygon((-t * 0.5, -0.98), (-t * 0.1, -0.98), (-w * 0.1, h), (-w * 0.5, h)), "tint", False),
    ]


def sofa(rng: Rng) -> list[Part]:
    u = rng.uniform
    top, arm, n = u(-0.58, -0.42), u(0.2, 0.27), int(rng.integers(2, 4))
    parts = [Part(stroke(polygon((s * 0.8, 0.4), (s * 0.82, 0.62)), 0.1), "wood") for s in (-1, 1)]
    parts.append(Part(rounded(-0.88, top, 0.88, 0.35, 0.2)))
    parts.append(Part(rounded(-0.85, 0.2, 0.85, 0.5, 0.05), "shade"))
    left, right = -1 + arm + 0.03, 1 - arm - 0.03
    step = (right - left) / n
    for k in range(n):
        parts.append(Part(rounded(left + k * step, 0.0, left + (k + 1) * step - 0.02, 0.28, 0.08), "tint"))
    parts += [Part(rounded(s * 0.88 - arm / 2, -0.16, s * 0.88 + arm / 2, 0.5, 0.12)) for s in (-1, 1)]
    return parts


def hammer(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, head = u(0.15, 0.2), u(0.26, 0.34)
    return [
        Part(rounded(-w / 2, -0.65, w / 2, 0.1, 0.04), "wood"),
        Part(rounded(-w * 0.75, -0.12, w * 0.75, 1.0, 0.1)),
        Part(
            smooth(
                (-0.18, -0.94),
                (0.2, -0.94),
                (0.45, -0.92),
                (0.72, -0.68),
                (0.8, -0.5),
                (0.45, -0.66),
                (0.2, -0.94 + head),
                (-0.18, -0.94 + head),
                n=4,
            ),
            "steel",
        ),
        Part(rounded(-0.56, -0.97, -0.2, -0.91 + head, 0.05), "steel"),
    ]


def key(rng: Rng) -> list[Part]:
    u = rng.uniform
    r, hole, teeth = u(0.36, 0.44), u(0.16, 0.21), int(rng.integers(2, 4))
    parts = [Part(rounded(-0.3, -0.095, 0.98, 0.095, 0.05))]
    for k in range(teeth):
        x = 0.86 - 0.21 * k
        parts.append(Part(rounded(x - 0.06, 0.0, x + 0.06, u(0.26, 0.38), 0.02)))
    ring = np.concatenate(
        [
            ellipse(-0.58, 0, r, r, n=40),
            ellipse(-0.58, 0, r, r, n=40)[:1],
            ellipse(-0.58, 0, hole, hole, n=40)[::-1][-1:],
            ellipse(-0.58, 0, hole, hole, n=40)[::-1],
        ]
    )
    return [*parts, Part(ring)]


def umbrella(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, top, n = u(0.85, 1.0), u(-0.92, -0.8), 4
    rim = []
    for k in range(n):  # scallops along the lower rim, right to left
        x1, x2 = w - 2 * w * k / n, w - 2 * w * (k + 1) / n
        rim += [(x1, 0.02), ((x1 + x2) / 2, -0.1)]
    dome = [(w * np.cos(a), 0.02 + (top - 0.02) * np.sin(a)) for a in np.linspace(np.pi, 0, 16)]
    canopy = np.array([*dome, *rim[1:], (-w, 0.02)])
    return [
        Part(stroke(polygon((0, top - 0.13), (0, top + 0.1)), 0.07), "ink"),
        Part(stroke(curve((0, -0.2), (0, 0.3), (0, 0.72), (0.08, 0.9), (0.22, 0.88), (0.28, 0.72), n=5), 0.08), "wood"),
        Part(canopy),
        Part(
            smooth(
                (0, top), (w * 0.36, -0.35), (w * 0.48, 0.0), (0.0, -0.09), (-w * 0.48, 0.0), (-w * 0.36, -0.35), n=4
            ),
            "tint",
            False,
        ),
        Part(
            smooth((0, top), (w * 0.1, -0.35), (w * 0.02, -0.05), (-w * 0.02, -0.05), (-w * 0.1, -0.35), n=3),
            "body",
            False,
        ),
    ]


def cup(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, b, h = u(0.52, 0.64), u(0.36, 0.52), u(-0.62, -0.45)
    handle = curve((w * 0.9, h + 0.3), (w + 0.32, h + 0.28), (w + 0.36, 0.2), (w * 0.8, 0.42))
    parts = []
    if rng.random() < 0.5:
        for x in (-0.22, 0.12):
            parts.append(
                Part(
                    stroke(curve((x, h - 0.06), (x + 0.08, h - 0.2), (x - 0.04, h - 0.3), (x + 0.04, h - 0.42)), 0.06),
                    "white",
                )
            )
    parts += [
        Part(stroke(handle, 0.13)),
        Part(
            smooth(
                (-w, h), (0, h + 0.1), (w, h), (w * 0.97, 0.2), (b, 0.68), (0, 0.76), (-b, 0.68), (-w * 0.97, 0.2), n=5
            )
        ),
        Part(ellipse(0, h, w, 0.14), "tint"),
        Part(ellipse(0, h + 0.02, w * 0.84, 0.1), "coffee", False),
    ]
    return parts


def house(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, eave, peak = u(0.7, 0.82), u(-0.2, -0.05), u(-1.0, -0.82)
    side = 1 if rng.random() < 0.5 else -1
    return [
        Part(rounded(0.35 * side - 0.1, peak + 0.1, 0.35 * side + 0.1, eave, 0.02), "brick"),
        Part(polygon((-w, eave), (w, eave), (w, 0.9), (-w, 0.9))),
        Part(polygon((-w - 0.18, eave + 0.05), (0, peak), (w + 0.18, eave + 0.05)), "shade"),
        Part(rounded(-0.16 + 0.3 * side, 0.35, 0.16 + 0.3 * side, 0.9, 0.03), "wood"),
        Part(ellipse(0.3 * side + 0.09, 0.64, 0.03, 0.03, n=10), "lamp", False),
        Part(rounded(-0.22 - 0.32 * side, 0.2, 0.16 - 0.32 * side, 0.55, 0.03), "glass"),
        Part(ellipse(0, (eave + peak) / 2 + 0.12, 0.13, 0.13), "glass"),
    ]
