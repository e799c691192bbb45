"""Solid organs that more than one section shows."""
import numpy as np

from .canvas import FAT, LABEL
from .shapes import Blob, Tube, waves
from .vessels import end_on, tree


def enhance(body):
    """How bright the patient's organs are, by the contrast in the blood."""
    e = body.enhance / 110
    body.organ_hu = {"liver": 58 + 48 * e * body.rng.uniform(0.8, 1.15), "spleen": 50 + 65 * e, "kidney": 40 + 135 * e}


def liver_vessels(body, root, reach):
    """The portal vein's branches, and hepatic veins."""
    rng = body.rng
    hu = body.organ_hu["liver"] + rng.uniform(35, 65)
    paint = dict(within=True, soft=1.6)
    for angle in rng.uniform(2.0, 4.6, 5):
        start = np.array([*body.at(*root), rng.uniform(-8, 8)])
        direction = np.array([np.cos(angle), np.sin(angle), rng.normal(0, 0.6)])
        tree(body, start, direction, rng.uniform(3.0, 5.0), reach * rng.uniform(0.4, 0.55), hu, 2, **paint)
    for _ in range(rng.integers(3, 7)):
        x, y = body.at(root[0] + rng.uniform(-0.5, 0.0), root[1] + rng.uniform(-0.4, 0.4))
        tilt, r = rng.normal(0, 0.4, 2), rng.uniform(1.8, 4.2)
        end_on(body, x, y, tilt, 30, r, r, hu, **paint)


def kidney_at(body, u, v, side, r=1.0):
    """With medulla, and often the fat of the sinus, renal vein and ureter (now and then full of contrast)."""
    rng, hu = body.rng, body.organ_hu["kidney"]
    x, y = body.at(u + rng.normal(0, 0.03), v + rng.normal(0, 0.04))
    angle = side * rng.uniform(0.3, 0.7)
    a, b = rng.uniform(24, 28) * r, rng.uniform(28, 34) * r
    w = waves(rng, 0.05)
    body.add(Blob(x, y, a, b, hu, angle=angle, waves=w, texture=6, label=LABEL["kidney"]))
    for _ in range(5):  # medulla
        t = rng.uniform(0, 2 * np.pi)
        body.add(Blob(x + 0.55 * a * np.cos(t), y + 0.55 * b * np.sin(t), 5.5, 5.5, hu - 45, texture=4, soft=3))
    if rng.random() < 0.75:
        body.add(Blob(x - side * a * 0.35, y - 2, a * 0.5, b * 0.38, FAT + 25, angle=angle, waves=waves(rng, 0.25),
                      texture=10, label=LABEL["other"]))
        p = np.array([x - side * a * 0.2, y, 0.0])
        body.add(Tube(p, (body.x, y - 14, rng.uniform(-8, 8)), 3.8, 4.5, body.blood, label=LABEL["other"]),
                 Tube(p + [0, 5, 0], (x - side * a * 1.2, y + 4, 12), 4.0, 3.0, rng.choice([10, 10, 600]),
                      label=LABEL["other"]))
