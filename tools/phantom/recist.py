"""The annotation a lesion would have: RECIST diameters and DeepLesion's box around them."""
import numpy as np

from .canvas import SIZE


def recist(mask):
    """The two diameters of a mask as radiologists draw them: the longest, and the longest about perpendicular to it."""
    edge = mask & ~(np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1))
    y, x = np.nonzero(edge)
    points = np.stack([x, y], 1).astype(np.float64)
    d = points[None] - points[:, None]
    length = np.sqrt((d ** 2).sum(-1))
    i, j = np.unravel_index(np.argmax(length), length.shape)
    p, q = points[i], points[j]
    along = (q - p) / max(length[i, j], 1e-9)
    across = np.abs(d @ along) <= np.sin(np.radians(5)) * length
    side = (points - p) @ np.array([-along[1], along[0]])
    crossing = (side[:, None] <= 0) & (side[None] >= 0)
    short = np.where(across & crossing, length, -1)
    k, l = np.unravel_index(np.argmax(short), short.shape)
    ends = np.concatenate([p, q, points[k], points[l]]) + 1  # 1-based
    box = [max(ends[0::2].min() - 5, 1), max(ends[1::2].min() - 5, 1),
           min(ends[0::2].max() + 5, SIZE), min(ends[1::2].max() + 5, SIZE)]
    return [float(v) for v in ends], [float(v) for v in box]
