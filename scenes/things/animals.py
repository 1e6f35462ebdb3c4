"""Animals, each drawn a little differently every time it is called."""

from __future__ import annotations

import numpy as np

from scenes.outlines import Part, curve, ellipse, polygon, smooth, stroke

Rng = np.random.Generator


def _eye(x: float, y: float, r: float) -> list[Part]:
    return [
        Part(ellipse(x, y, r, r * 1.1, n=16), "ink", False),
        Part(ellipse(x - r * 0.3, y - r * 0.35, r * 0.35, r * 0.35, n=10), "white", False),
    ]


def cat(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, ear, tail = u(0.42, 0.55), u(0.28, 0.4), u(-0.3, 0.35)
    hx, hy, r = 0.0, -0.42, u(0.36, 0.44)
    body = [
        Part(
            stroke(
                curve((w * 0.6, 0.75), (w + 0.25, 0.65), (w + 0.38, 0.2), (w + 0.22 + tail * 0.4, -0.15)), 0.17, 0.13
            )
        ),
        Part(
            smooth(
                (0, -0.35),
                (w * 0.75, 0.1),
                (w, 0.6),
                (w * 0.7, 0.92),
                (0, 0.95),
                (-w * 0.7, 0.92),
                (-w, 0.6),
                (-w * 0.75, 0.1),
            )
        ),
        Part(ellipse(0, 0.55, w * 0.5, 0.33), "tint", False),
        Part(ellipse(-0.2, 0.88, 0.17, 0.1), "body"),
        Part(ellipse(0.2, 0.88, 0.17, 0.1), "body"),
    ]
    head: list[Part] = []
    for s in (-1, 1):
        head.append(
            Part(
                polygon(
                    (hx + s * r * 0.95, hy - 0.02), (hx + s * r * 0.85, hy - r - ear), (hx + s * r * 0.12, hy - r * 0.8)
                )
            )
        )
        head.append(
            Part(
                polygon(
                    (hx + s * r * 0.8, hy - r * 0.5),
                    (hx + s * r * 0.77, hy - r - ear * 0.55),
                    (hx + s * r * 0.38, hy - r * 0.75),
                ),
                "blush",
                False,
            )
        )
    head.append(Part(ellipse(hx, hy, r * 1.12, r)))
    for s in (-1, 1):
        head += _eye(hx + s * r * 0.45, hy - r * 0.08, r * 0.15)
        for k in (-1, 1):
            head.append(
                Part(
                    stroke(
                        polygon(
                            (hx + s * r * 0.5, hy + r * 0.42 + k * 0.03), (hx + s * r * 1.3, hy + r * (0.38 + 0.17 * k))
                        ),
                        0.025,
                    ),
                    "ink",
                    False,
                )
            )
    head.append(
        Part(polygon((hx - 0.06, hy + r * 0.22), (hx + 0.06, hy + r * 0.22), (hx, hy + r * 0.38)), "blush", False)
    )
    head.append(
        Part(
            stroke(curve((hx - 0.11, hy + r * 0.46), (hx, hy + r * 0.58), (hx + 0.11, hy + r * 0.46)), 0.03),
            "ink",
            False,
        )
    )
    return body + head


def dog(rng: Rng) -> list[Part]:
    u = rng.uniform
    leg, ear, tail = u(0.42, 0.6), u(0.38, 0.52), u(-0.25, 0.1)
    parts = [Part(stroke(curve((-0.62, -0.05), (-0.85, -0.2), (-0.92, -0.5 + tail)), 0.16, 0.09))]
    for x, paint in ((-0.5, "shade"), (0.3, "shade"), (-0.62, "body"), (0.42, "body")):
        parts.append(Part(stroke(polygon((x, 0.2), (x, 0.2 + leg)), 0.2, 0.17), paint))
    parts.append(
        Part(
            smooth(
                (-0.72, -0.12),
                (-0.3, -0.2),
                (0.3, -0.26),
                (0.58, -0.1),
                (0.56, 0.28),
                (0, 0.38),
                (-0.6, 0.36),
                (-0.78, 0.15),
            )
        )
    )
    parts.append(Part(stroke(polygon((0.42, -0.05), (0.56, -0.4)), 0.36, 0.34), "body", False))
    parts.append(
        Part(
            smooth(
                (0.3, -0.62),
                (0.52, -0.82),
                (0.76, -0.7),
                (0.84, -0.52),
                (1.08, -0.46),
                (1.1, -0.28),
                (0.86, -0.2),
                (0.55, -0.18),
                (0.34, -0.35),
            )
        )
    )
    parts.append(Part(smooth((0.86, -0.44), (1.07, -0.44), (1.08, -0.3), (0.9, -0.24), (0.8, -0.32)), "tint", False))
    parts.append(
        Part(
            smooth(
                (0.36, -0.74), (0.52, -0.68), (0.52, -0.6 + ear * 0.6), (0.38, -0.64 + ear), (0.24, -0.6 + ear * 0.6)
            ),
            "shade",
        )
    )
    parts.append(Part(ellipse(1.07, -0.43, 0.075, 0.065), "ink", False))
    parts.append(Part(stroke(polygon((0.34, -0.14), (0.62, -0.1)), 0.08), "accent", False))
    return parts + _eye(0.72, -0.57, 0.06)


def rabbit(rng: Rng) -> list[Part]:
    u = rng.uniform
    ear, lean, w = u(0.55, 0.72), u(-0.12, 0.2), u(0.4, 0.5)
    hy = -0.22
    parts: list[Part] = []
    for s in (-1, 1):
        tip = s * (0.17 + lean * 0.5 + 0.06)
        parts.append(Part(ellipse((s * 0.15 + tip) / 2, hy - 0.25 - ear / 2, 0.12, ear / 2 + 0.1, 9 * s)))
        parts.append(
            Part(ellipse((s * 0.15 + tip) / 2, hy - 0.25 - ear / 2, 0.055, ear / 2 - 0.04, 9 * s), "blush", False)
        )
    parts.append(Part(ellipse(w * 0.95, 0.7, 0.15, 0.14), "white"))
    parts.append(
        Part(
            smooth(
                (0, -0.1), (w * 0.8, 0.25), (w, 0.65), (w * 0.7, 0.95), (-w * 0.7, 0.95), (-w, 0.65), (-w * 0.8, 0.25)
            )
        )
    )
    parts.append(Part(ellipse(0, 0.6, w * 0.55, 0.28), "tint", False))
    for s in (-1, 1):
        parts.append(Part(ellipse(s * 0.26, 0.92, 0.2, 0.1)))
    parts.append(Part(ellipse(0, hy, 0.37, 0.34)))
    for s in (-1, 1):
        parts += _eye(s * 0.16, hy - 0.05, 0.055)
    parts.append(Part(ellipse(0, hy + 0.09, 0.055, 0.04), "blush", False))
    parts.append(
        Part(polygon((-0.06, hy + 0.18), (0.06, hy + 0.18), (0.05, hy + 0.29), (-0.05, hy + 0.29)), "white", False)
    )
    return parts


def fish(rng: Rng) -> list[Part]:
    u = rng.uniform
    h, tail, fin = u(0.4, 0.58), u(0.32, 0.48), u(0.2, 0.34)
    parts = [
        Part(
            smooth((-0.5, 0), (-0.8, -tail * 0.75), (-1.02, -tail), (-0.88, 0), (-1.02, tail), (-0.8, tail * 0.75)),
            "shade",
        ),
        Part(smooth((-0.2, -h * 0.75), (0.0, -h - fin), (0.35, -h * 0.8), (0.1, -h * 0.5)), "shade"),
        Part(smooth((-0.1, h * 0.75), (0.0, h + fin * 0.6), (0.25, h * 0.8), (0.1, h * 0.5)), "shade"),
        Part(
            smooth(
                (0.92, 0.03),
                (0.65, -h * 0.75),
                (0.15, -h),
                (-0.35, -h * 0.62),
                (-0.66, 0),
                (-0.35, h * 0.62),
                (0.15, h),
                (0.65, h * 0.75),
            )
        ),
    ]
    for k in range(int(rng.integers(0, 4))):
        x = 0.22 - 0.26 * k
        g = h * (0.85 - 0.2 * k)
        parts.append(Part(stroke(curve((x, -g), (x + 0.08, 0), (x, g)), 0.09), "tint", False))
    parts.append(Part(smooth((0.1, 0.05), (-0.12, 0.2), (-0.16, 0.02), (-0.05, -0.06)), "shade", True))
    parts.append(Part(ellipse(0.58, -h * 0.28, 0.12, 0.12), "white", False))
    return [*parts, Part(ellipse(0.6, -h * 0.28, 0.065, 0.065, n=16), "ink", False)]


def bird(rng: Rng) -> list[Part]:
    u = rng.uniform
    tail, wing, beak = u(-0.2, 0.2), u(0.3, 0.45), u(0.2, 0.32)
    parts = [Part(stroke(polygon((x, 0.45), (x + 0.03, 0.92)), 0.06), "beak") for x in (-0.05, 0.18)]
    parts += [Part(stroke(polygon((x - 0.06, 0.93), (x + 0.16, 0.93)), 0.06), "beak") for x in (-0.05, 0.18)]
    parts += [
        Part(polygon((-0.45, 0.1), (-1.02, -0.05 + tail), (-1.0, 0.22 + tail), (-0.4, 0.38)), "shade"),
        Part(polygon((0.74, -0.62), (0.78 + beak, -0.5), (0.74, -0.4)), "beak"),
        Part(
            smooth(
                (0.5, -0.88),
                (0.8, -0.72),
                (0.8, -0.42),
                (0.66, 0.2),
                (0.3, 0.52),
                (-0.15, 0.52),
                (-0.55, 0.22),
                (-0.3, -0.05),
                (0.1, -0.3),
                (0.24, -0.72),
            )
        ),
        Part(smooth((0.66, 0.0), (0.5, 0.38), (0.1, 0.5), (0.25, 0.15), (0.5, -0.1)), "tint", False),
        Part(
            smooth((0.24, -0.12), (0.3, 0.12), (0.0, 0.32), (-0.45, wing), (-0.62, wing - 0.12), (-0.28, 0.0)), "shade"
        ),
    ]
    return parts + _eye(0.58, -0.6, 0.075)


def turtle(rng: Rng) -> list[Part]:
    u = rng.uniform
    h, neck = u(0.55, 0.72), u(-0.12, 0.1)
    parts = [Part(polygon((-0.7, 0.3), (-1.0, 0.42), (-0.7, 0.45)), "skin")]
    for x in (-0.5, 0.42):
        parts.append(Part(stroke(polygon((x, 0.3), (x * 1.12, 0.62)), 0.26, 0.22), "skin"))
    parts.append(Part(stroke(curve((0.5, 0.25), (0.8, 0.15), (0.95, 0.0 + neck)), 0.24, 0.22), "skin"))
    parts.append(Part(ellipse(0.96, -0.03 + neck, 0.22, 0.18), "skin"))
    parts.append(
        Part(
            smooth(
                (-0.82, 0.35),
                (-0.7, -0.1),
                (-0.3, -h + 0.1),
                (0, -h + 0.05),
                (0.3, -h + 0.1),
                (0.66, -0.1),
                (0.76, 0.35),
                (0, 0.42),
            )
        )
    )
    for x in (-0.42, 0, 0.4):
        parts.append(
            Part(
                smooth(
                    *[
                        (x + 0.15 * np.cos(a), -h * 0.3 + 0.2 * abs(x) + 0.15 * np.sin(a))
                        for a in np.arange(6) * np.pi / 3
                    ],
                    n=2,
                ),
                "shade",
                False,
            )
        )
    parts.append(Part(stroke(curve((-0.82, 0.34), (0, 0.42), (0.76, 0.34)), 0.13), "tint"))
    return parts + _eye(1.03, -0.08 + neck, 0.05)


def butterfly(rng: Rng) -> list[Part]:
    u = rng.uniform
    top, low, spot = u(0.7, 0.92), u(0.42, 0.66), u(0.1, 0.17)
    parts: list[Part] = []
    for s in (-1, 1):
        parts.append(
            Part(
                smooth(
                    (s * 0.05, 0.05),
                    (s * 0.35, 0.05),
                    (s * 0.72, low * 0.6),
                    (s * 0.6, 0.3 + low),
                    (s * 0.3, 0.25 + low),
                    (s * 0.08, 0.4),
                ),
                "shade",
            )
        )
        parts.append(
            Part(
                smooth(
                    (s * 0.05, 0.1),
                    (s * 0.15, -0.4),
                    (s * 0.55, -top),
                    (s * 0.95, -top + 0.08),
                    (s * 0.92, -0.2),
                    (s * 0.5, 0.14),
                )
            )
        )
        parts.append(Part(ellipse(s * 0.66, -top * 0.55, spot, spot * 1.2), "tint", False))
        parts.append(Part(ellipse(s * 0.42, 0.1 + low * 0.7, spot * 0.7, spot * 0.7), "tint", False))
        parts.append(Part(stroke(curve((0, -0.42), (s * 0.1, -0.68), (s * 0.26, -0.82)), 0.035), "ink", False))
    parts.append(Part(stroke(polygon((0, -0.38), (0, 0.6)), 0.17, 0.08), "ink"))
    parts.append(Part(ellipse(0, -0.42, 0.12, 0.12), "ink"))
    return parts
