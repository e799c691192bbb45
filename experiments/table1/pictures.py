"""CT as pictures: windows, and boxes with words beside them."""
from typing import Any, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WHITE, GREEN, YELLOW, RED, CYAN = (255, 255, 255), (80, 220, 90), (255, 205, 60), (255, 85, 75), (90, 200, 255)
SOFT, LUNG = (-175.0, 275.0), (-1350.0, 150.0)


def window_of(hu: NDArray[np.float32], box: Optional[Any] = None) -> Tuple[float, float]:
    """A lung window where much of the body, or of the surroundings of a box, is lung."""
    if box is None:
        body = hu[(hu > -950)]
        return LUNG if len(body) and np.mean((body < -600)) > 0.12 else SOFT
    x1, y1, x2, y2 = (int(v) for v in box)
    around = hu[max(y1, 0):y2 + 1, max(x1, 0):x2 + 1]
    return LUNG if around.size and np.mean((around < -600) & (around > -950)) > 0.35 else SOFT


def grey(hu: NDArray[np.float32], window: Tuple[float, float]) -> Image.Image:
    low, high = window
    return Image.fromarray(np.clip((hu - low) / (high - low) * 255, 0, 255).astype(np.uint8)).convert("RGB")


def font(size: int) -> Any:
    return ImageFont.load_default(size)


class Picture:
    """A part of a slice, enlarged: boxes are drawn in the slice's own pixels."""

    def __init__(self, hu: NDArray[np.float32], part: Tuple[float, float, float, float], width: int,
                 window: Tuple[float, float]) -> None:
        self.x, self.y = part[0], part[1]
        self.scale = width / (part[2] - part[0])
        height = round((part[3] - part[1]) * self.scale)
        whole = grey(hu, window)
        self.image = whole.transform((width, height), Image.Transform.EXTENT, part, Image.Resampling.BICUBIC)
        self.draw = ImageDraw.Draw(self.image)

    def box(self, box: Any, colour: Tuple[int, int, int], text: str = "", width: int = 2, dashed: bool = False,
            below: bool = False) -> None:
        x1, y1, x2, y2 = ((v - o) * self.scale for v, o in zip(box, (self.x, self.y, self.x, self.y)))
        if dashed:
            for a, b in (((x1, y1), (x2, y1)), ((x1, y2), (x2, y2)), ((x1, y1), (x1, y2)), ((x2, y1), (x2, y2))):
                self.dashes(a, b, colour, width)
        else:
            self.draw.rectangle((x1, y1, x2, y2), outline=colour, width=width)
        if text:
            self.text((x1, y2 + 1 if below else y1 - 15), text, colour, 13)

    def dashes(self, a: Tuple[float, float], b: Tuple[float, float], colour: Tuple[int, int, int], width: int) -> None:
        length = max(abs(b[0] - a[0]), abs(b[1] - a[1]), 1.0)
        for at in np.arange(0, length, 8):
            p, q = at / length, min(at + 4, length) / length
            self.draw.line([(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for t in (p, q)], fill=colour, width=width)

    def text(self, at: Tuple[float, float], text: str, colour: Tuple[int, int, int], size: int) -> None:
        own, (x, y) = font(size), at
        x = min(max(x, 2), max(self.image.width - self.draw.textlength(text, font=own) - 2, 2))
        y = min(max(y, 1), self.image.height - size - 4)
        self.draw.text((x, y), text, fill=colour, font=own, stroke_width=2, stroke_fill=(0, 0, 0))


def around(box: Any, shape: Tuple[int, int], least: float, part: float = 2.6) -> Tuple[float, float, float, float]:
    """A square around a box, moved into the slice."""
    x1, y1, x2, y2 = box
    side = min(max(least, part * max(x2 - x1, y2 - y1)), *shape)
    left = min(max((x1 + x2 - side) / 2, 0), shape[1] - side)
    top = min(max((y1 + y2 - side) / 2, 0), shape[0] - side)
    return left, top, left + side, top + side


def body(hu: NDArray[np.float32], margin: int = 4) -> Tuple[float, float, float, float]:
    """The body's bounding box: rows and columns of which a tenth is above -300 HU."""
    inside = hu > -300
    rows, columns = (np.flatnonzero(inside.sum(axis) > 0.1 * inside.shape[axis]) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return 0.0, 0.0, float(hu.shape[1]), float(hu.shape[0])
    return (float(max(columns[0] - margin, 0)), float(max(rows[0] - margin, 0)), float(min(columns[-1] + margin, hu.shape[1])),
            float(min(rows[-1] + margin, hu.shape[0])))
