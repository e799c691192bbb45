"""Vessels: bright and round like a nodule where the section cuts them across, but they go on in the neighbouring slices."""
import numpy as np

from .canvas import LABEL
from .shapes import Blob, Tube, waves


def great(body, x, y, r, hu=None, oval=1.0):
    """A great vessel: a wall around blood (or what `hu` says), through all slices."""
    rng = body.rng
    drift = rng.normal(0, 0.06), rng.normal(0, 0.06)
    hu = body.blood if hu is None else hu
    body.add(Blob(x, y, r * oval + 1.1, r + 1.1, 50, drift=drift, waves=waves(rng, 0.03), label=LABEL["other"]),
             Blob(x, y, r * oval, r, hu, drift=drift, waves=waves(rng, 0.03), texture=3, label=LABEL["other"]))


def end_on(body, x, y, tilt, half, r0, r1, hu, **paint):
    """A tube across the section at x, y: round in this slice, there again in the next."""
    body.add(Tube((x - half * tilt[0], y - half * tilt[1], -half), (x + half * tilt[0], y + half * tilt[1], half), r0, r1, hu,
                  label=LABEL["other"], **paint))


def tree(body, p, direction, r, length, hu, depth, spread=0.6, shrink=0.78, **paint):
    """Branching vessels. Every branch is longer than the stored slices are thick, so it goes on in some neighbour."""
    rng = body.rng
    for _ in range(2):  # two bent pieces a branch
        direction = direction + rng.normal(0, 0.22, 3)
        direction = direction / np.linalg.norm(direction)
        q = p + direction * length / 2
        body.add(Tube(p, q, r, r * 0.9, hu, label=LABEL["other"], **paint))
        p, r = q, r * 0.9
    if depth and r > 0.5:
        for _ in range(2 if rng.random() < 0.8 else 3):
            tree(body, p, direction + rng.normal(0, spread, 3), r * shrink * rng.uniform(0.85, 1.1), length * 0.8,
                 hu, depth - 1, spread, shrink, **paint)


def aorta_and_cava(body):
    """In front of the lumbar spine."""
    rng = body.rng
    y = body.y + body.spine_y
    great(body, body.x + rng.uniform(8, 16), y - rng.uniform(27, 31), rng.uniform(8.5, 11.5))
    great(body, body.x - rng.uniform(20, 27), y - rng.uniform(20, 27), rng.uniform(8.5, 11),
          hu=body.blood * rng.uniform(0.8, 1.0), oval=rng.uniform(1.1, 1.4))


def mesentery(body, count, box):
    """Vessels in fat: many of them cut across, the classical imitation of a small node."""
    rng = body.rng
    for _ in range(count):
        x, y = body.at(rng.uniform(box[0], box[1]), rng.uniform(box[2], box[3]))
        d = rng.normal(0, 0.6, 3)
        d[2] = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
        d /= np.linalg.norm(d)
        r = rng.uniform(1.2, 3.6)
        p = np.array([x, y, 0.0])
        body.add(Tube(p - 25 * d, p + 25 * d, r, r * 0.8, body.blood * rng.uniform(0.75, 1.0), label=LABEL["other"],
                      within=True))
