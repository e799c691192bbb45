"""The annotation a lesion would have: RECIST diameters and DeepLesion's box around them."""
import numpy as np


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
    side = (points - p) @ np.array([-along[1], along[0]])
    crossing = (side[:, None] <= 0) & (side[None] >= 0)
    for degrees in (5, 10, 20, 40):  # a mask of few pixels may have no chord near the right angle
        across = np.abs(d @ along) <= np.sin(np.radians(degrees)) * length
        short = np.where(across & crossing, length, -1)
        k, l = np.unravel_index(np.argmax(short), short.shape)
        if short[k, l] > 0:
            break
    ends = np.concatenate([p, q, points[k], points[l]]) + 1  # 1-based
    rows, columns = mask.shape
    box = [max(ends[0::2].min() - 5, 1), max(ends[1::2].min() - 5, 1),
           min(ends[0::2].max() + 5, columns), min(ends[1::2].max() + 5, rows)]
    return [float(v) for v in ends], [float(v) for v in box]
