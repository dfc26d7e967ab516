"""Draws polygons given in a part's own coordinates, as seen by the camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[int, int, int]
Points = Sequence[Sequence[float]]

_CIRCLE = np.array([[math.cos(a), math.sin(a)] for a in np.linspace(0, 2 * math.pi, 28, endpoint=False)])


class Pen:
    """A pen in a coordinate frame of its own; x to the right, y down.

    A pen with a ``shadow`` colour draws silhouettes in that colour alone: the same drawing code, offset, draws the
    shadow of a part.
    """

    def __init__(
        self,
        image: Image.Image,
        matrix: np.ndarray,
        shadow: Color | None = None,
        draw: ImageDraw.ImageDraw | None = None,
    ) -> None:
        self.image = image
        self.draw = draw or ImageDraw.Draw(image)
        self.matrix = matrix
        self.shadow = shadow

    @cached_property
    def scale(self) -> float:
        """Pixels per unit at the frame's origin. Strokes are thin, so one value for the frame is enough."""
        (a, b, x), (c, d, y), (g, h, w) = self.matrix.tolist()
        x, y = x / w, y / w
        return math.sqrt(abs((a - x * g) * (d - y * h) - (b - x * h) * (c - y * g))) / abs(w)

    def placed(self, x: float, y: float, size: float = 1.0, degrees: float = 0.0) -> Pen:
        """A pen whose origin is (x, y) here, whose unit is ``size`` here, turned clockwise by ``degrees``."""
        c, s = size * math.cos(math.radians(degrees)), size * math.sin(math.radians(degrees))
        local = np.array([[c, -s, x], [s, c, y], [0.0, 0.0, 1.0]])
        return Pen(self.image, self.matrix @ local, self.shadow, self.draw)

    def pixels(self, points: Points | np.ndarray) -> list[tuple[float, float]]:
        """Maps points of this frame to the picture."""
        p = np.asarray(points, float) @ self.matrix[:, :2].T + self.matrix[:, 2]
        return [(x, y) for x, y in (p[:, :2] / p[:, 2:]).tolist()]

    def polygon(
        self, points: Points | np.ndarray, fill: Color, edge: Color | None = None, detail: bool = False
    ) -> None:
        """Fill a polygon. ``detail`` marks a polygon inside a silhouette, which casts no shadow."""
        if self.shadow is not None:
            if not detail:
                self.draw.polygon(self.pixels(points), fill=self.shadow)
            return
        pixels = self.pixels(points)
        self.draw.polygon(pixels, fill=fill)
        if edge is not None:
            width = max(1, round(self.image.width / 150))
            self.draw.line([*pixels, pixels[0], pixels[1]], fill=edge, width=width, joint="curve")

    def rectangle(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        fill: Color,
        edge: Color | None = None,
        detail: bool = False,
    ) -> None:
        """Fill the axis-parallel rectangle between two corners."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill, edge, detail)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        fill: Color,
        edge: Color | None = None,
        detail: bool = False,
    ) -> None:
        """Fill the ellipse around (x, y) with the given radii."""
        self.polygon(_CIRCLE * (rx, ry) + (x, y), fill, edge, detail)

    def circle(
        self, x: float, y: float, r: float, fill: Color, edge: Color | None = None, detail: bool = False
    ) -> None:
        """Fill the circle around (x, y)."""
        self.ellipse(x, y, r, r, fill, edge, detail)

    def stroke(self, points: Points, width: float, color: Color, detail: bool = True) -> None:
        """Draw an open line of the given width (in units of this frame, at least one drawn pixel)."""
        if self.shadow is not None:
            if detail:
                return
            color = self.shadow
        self.draw.line(
            self.pixels(points), fill=color, width=max(1, round(width * self.scale)), joint="curve"
        )

    def stamp(self, mask: Image.Image, x0: float, y0: float, x1: float, y1: float, ink: Color) -> None:
        """Print a grey mask (255 = ink) into the rectangle between two corners, in perspective."""
        if self.shadow is not None:
            return
        quad = self.pixels([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        left, top = (math.floor(min(p[i] for p in quad)) for i in (0, 1))
        right, bottom = (math.ceil(max(p[i] for p in quad)) for i in (0, 1))
        to_frame = np.array([[(x1 - x0) / mask.width, 0, x0], [0, (y1 - y0) / mask.height, y0], [0, 0, 1]])
        back = np.linalg.inv(np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ self.matrix @ to_frame)
        data = (back / back[2, 2]).ravel()[:8].tolist()
        box = (max(1, right - left), max(1, bottom - top))
        warped = mask.transform(box, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR)
        self.draw.bitmap((left, top), warped, fill=ink)
