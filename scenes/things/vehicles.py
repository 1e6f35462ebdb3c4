"""Vehicles, each drawn a little differently every time it is called."""

from __future__ import annotations

import numpy as np

from scenes.outlines import Part, curve, ellipse, polygon, rounded, smooth, stroke

Rng = np.random.Generator


def _wheel(x: float, y: float, r: float) -> list[Part]:
    return [Part(ellipse(x, y, r, r), "tyre"), Part(ellipse(x, y, r * 0.5, r * 0.5, n=18), "metal", False)]


def car(rng: Rng) -> list[Part]:
    u = rng.uniform
    roof, hood, r = u(-0.62, -0.46), u(0.5, 0.68), u(0.2, 0.25)
    parts = [
        Part(
            smooth(
                (-0.75, -0.05), (-0.5, roof + 0.04), (-0.3, roof), (0.15, roof), (0.35, roof + 0.06), (hood, -0.04), n=4
            )
        ),
        Part(
            smooth(
                (-1, 0.28),
                (-0.98, 0.0),
                (-0.8, -0.1),
                (0.6, -0.1),
                (0.92, 0.0),
                (1.0, 0.16),
                (0.98, 0.34),
                (0, 0.36),
                (-0.96, 0.36),
                n=4,
            )
        ),
        Part(polygon((-0.6, -0.08), (-0.46, roof + 0.12), (-0.14, roof + 0.1), (-0.14, -0.08)), "glass"),
        Part(polygon((-0.04, -0.08), (-0.04, roof + 0.1), (0.22, roof + 0.12), (hood - 0.16, -0.08)), "glass"),
        Part(ellipse(0.93, 0.1, 0.06, 0.08), "lamp", False),
        Part(ellipse(-0.95, 0.1, 0.04, 0.07), "warning", False),
        Part(stroke(polygon((-0.02, 0.08), (0.12, 0.08)), 0.045), "shade", False),
        Part(stroke(polygon((-0.85, 0.3), (0.88, 0.3)), 0.07), "shade", False),
    ]
    return parts + _wheel(-0.52, 0.36, r) + _wheel(0.55, 0.36, r)


def bus(rng: Rng) -> list[Part]:
    u = rng.uniform
    top, r, n = u(-0.68, -0.52), u(0.16, 0.2), int(rng.integers(3, 6))
    parts = [
        Part(rounded(-1.0, top, 1.0, 0.45, 0.14)),
        Part(rounded(-0.98, 0.12, 0.99, 0.24, 0.02), "tint", False),
    ]
    left, right = -0.92, 0.52
    step = (right - left) / n
    for k in range(n):
        parts.append(Part(rounded(left + k * step, top + 0.14, left + (k + 0.84) * step, 0.02, 0.05), "glass"))
    parts.append(Part(rounded(0.6, top + 0.14, 0.95, 0.12, 0.06), "glass"))
    parts.append(Part(ellipse(0.94, 0.33, 0.05, 0.06), "lamp", False))
    return parts + _wheel(-0.58, 0.45, r) + _wheel(0.58, 0.45, r)


def truck(rng: Rng) -> list[Part]:
    u = rng.uniform
    top, cab, r = u(-0.72, -0.5), u(-0.34, -0.2), u(0.17, 0.21)
    parts = [
        Part(rounded(-0.98, 0.3, 0.95, 0.46, 0.04), "ink"),
        Part(rounded(-1.0, top, 0.38, 0.34, 0.05)),
    ]
    for x in np.linspace(-0.8, 0.2, int(rng.integers(3, 6))):
        parts.append(Part(stroke(polygon((x, top + 0.1), (x, 0.24)), 0.05), "shade", False))
    parts += [
        Part(
            smooth((0.44, 0.4), (0.44, cab), (0.5, cab - 0.04), (0.74, cab - 0.02), (0.98, 0.1), (1.0, 0.38), n=4),
            "tint",
        ),
        Part(polygon((0.56, cab + 0.1), (0.72, cab + 0.1), (0.86, 0.08), (0.56, 0.08)), "glass"),
        Part(ellipse(0.97, 0.26, 0.04, 0.06), "lamp", False),
    ]
    return parts + _wheel(-0.66, 0.46, r) + _wheel(-0.22, 0.46, r) + _wheel(0.68, 0.46, r)


def boat(rng: Rng) -> list[Part]:
    u = rng.uniform
    mast, bow, sail = u(-1.0, -0.85), u(0.85, 1.0), u(0.55, 0.78)
    return [
        Part(stroke(polygon((0.0, 0.4), (0.0, mast)), 0.07), "wood"),
        Part(smooth((0.08, mast + 0.08), (0.08, 0.2), (0.3, 0.22), (sail, 0.2), (sail * 0.75, -0.25), n=4)),
        Part(smooth((-0.08, mast + 0.25), (-0.08, 0.2), (-0.6, 0.2), (-0.4, -0.2), n=4), "tint"),
        Part(polygon((0.0, mast - 0.02), (0.28, mast + 0.05), (0.0, mast + 0.13)), "accent"),
        Part(
            smooth(
                (-0.85, 0.32),
                (-0.4, 0.35),
                (0.4, 0.35),
                (bow, 0.26),
                (0.7, 0.68),
                (0.4, 0.8),
                (-0.4, 0.8),
                (-0.68, 0.68),
                n=5,
            )
        ),
        Part(stroke(curve((-0.8, 0.42), (0, 0.45), (bow - 0.08, 0.38)), 0.08), "white", False),
    ]


def airplane(rng: Rng) -> list[Part]:
    u = rng.uniform
    h, wing, fin = u(0.16, 0.22), u(0.5, 0.72), u(0.38, 0.52)
    parts = [
        Part(polygon((0.18, -0.05), (-0.2, -wing * 0.75), (-0.38, -wing * 0.75), (-0.14, -0.05)), "shade"),
        Part(polygon((-0.62, -0.1), (-0.86, -fin - 0.1), (-1.02, -fin - 0.1), (-0.95, 0.0))),
        Part(
            smooth(
                (1.0, 0.05),
                (0.85, -h * 0.7),
                (0.5, -h),
                (-0.4, -h),
                (-0.95, -h * 0.5),
                (-1.0, -0.02),
                (-0.5, h),
                (0.5, h),
                (0.85, h * 0.75),
            )
        ),
        Part(polygon((0.28, 0.05), (-0.18, wing), (-0.4, wing), (-0.16, 0.05)), "shade"),
        Part(polygon((-0.7, 0.0), (-0.92, 0.24), (-1.05, 0.24), (-0.92, 0.0)), "shade"),
        Part(smooth((0.9, -0.02), (0.8, -h * 0.7), (0.68, -h * 0.75), (0.68, -0.02), n=4), "glass"),
    ]
    for x in np.linspace(-0.45, 0.5, int(rng.integers(4, 7))):
        parts.append(Part(ellipse(x, -h * 0.35, 0.055, 0.06, n=14), "glass", False))
    return parts


def rocket(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, fin, port = u(0.28, 0.38), u(0.25, 0.4), u(0.12, 0.17)
    parts = [
        Part(smooth((-0.2, 0.6), (-0.16, 0.85), (0, 1.05), (0.16, 0.85), (0.2, 0.6)), "flame"),
        Part(smooth((-0.1, 0.6), (-0.07, 0.75), (0, 0.88), (0.07, 0.75), (0.1, 0.6)), "lamp", False),
    ]
    for s in (-1, 1):
        parts.append(
            Part(
                smooth(
                    (s * w * 0.8, 0.15), (s * (w + fin * 0.8), 0.45), (s * (w + fin), 0.8), (s * w * 0.6, 0.55), n=4
                ),
                "shade",
            )
        )
    parts += [
        Part(
            smooth(
                (0, -1.0),
                (w * 0.7, -0.62),
                (w, -0.1),
                (w * 0.85, 0.4),
                (w * 0.55, 0.65),
                (-w * 0.55, 0.65),
                (-w * 0.85, 0.4),
                (-w, -0.1),
                (-w * 0.7, -0.62),
            )
        ),
        Part(
            smooth((0, -1.0), (w * 0.38, -0.8), (w * 0.68, -0.62), (0, -0.56), (-w * 0.68, -0.62), (-w * 0.38, -0.8)),
            "tint",
        ),
        Part(ellipse(0, -0.2, port + 0.05, port + 0.05), "white"),
        Part(ellipse(0, -0.2, port, port), "glass", False),
        Part(stroke(polygon((0, 0.3), (0, 0.75)), 0.1), "shade"),
    ]
    return parts
