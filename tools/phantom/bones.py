"""Bones: a bright shell around marrow; the spine with the muscles of the back, and the ribs."""
import numpy as np

from .canvas import LABEL, MUSCLE
from .shapes import Arc, Blob, Tube, waves


def bone(body, x, y, a, b, angle=0.0, marrow=180, shell=2.0, **more):
    """Cut across."""
    body.add(Blob(x, y, a, b, body.cortex, angle=angle, label=LABEL["other"], **more),
             Blob(x, y, a - shell, b - shell, marrow, angle=angle, texture=45, **more))


def bar(body, p, q, r, marrow=150, shell=1.8):
    """Cut lengthwise or obliquely, from p to q."""
    body.add(Tube(p, q, r, r, body.cortex, label=LABEL["other"]),
             Tube(p, q, r - shell, r - shell, marrow, texture=40))


def vertebra(body):
    rng, x = body.rng, body.x + body.rng.normal(0, 2)
    y = body.spine_y + body.y
    body.cortex = rng.uniform(480, 750)
    s = rng.uniform(0.88, 1.1) * (0.88 if body.section.startswith("chest") else 1.05)
    # The muscles of the back, then the bone in them.
    for side in (-1, 1):
        body.add(Blob(x + side * 27 * s, y + 35 * s, 29 * s, 23 * s, MUSCLE, angle=side * 0.25, power=2.4,
                      waves=waves(rng, 0.05), texture=9, label=LABEL["muscle"]))
    body.add(Blob(x, y + 24 * s, 24 * s, 14 * s, MUSCLE, texture=9, label=LABEL["muscle"]))
    disc = rng.random() < 0.2
    if disc:
        body.add(Blob(x, y, 22 * s, 17 * s, 85, power=2.4, texture=6, label=LABEL["other"]))
    else:
        bone(body, x, y, 22 * s, 17 * s, power=2.5, marrow=rng.uniform(150, 240), waves=((2, 0.04, 0.0), (3, 0.05, 1.57)))
    for side in (-1, 1):
        if not disc:
            bar(body, (x + side * 14 * s, y + 12 * s, 0), (x + side * 15 * s, y + 24 * s, 0), 4.6 * s, 250)
        bar(body, (x + side * 15 * s, y + 24 * s, 0), (x + side * 34 * s, y + 27 * s, rng.uniform(-6, 6)), 4.2 * s)
        bar(body, (x + side * 13 * s, y + 27 * s, 0), (x, y + 35 * s, 0), 3.6 * s, 250)
    bar(body, (x, y + 35 * s, 0), (x + rng.normal(0, 1), y + 52 * s, rng.uniform(-3, 3)), 3.3 * s)
    body.add(Blob(x, y + 21 * s, 10.5 * s, 8 * s, 5, label=LABEL["other"]),
             Blob(x, y + 21 * s, 6 * s, 4.5 * s, 35))


def ribs(body, count):
    """Ribs run obliquely through the section: short arcs that turn from slice to slice."""
    rng = body.rng
    a, b = body.ia + body.wall * 0.42, body.ib + body.wall * 0.42
    for side in (1, -1):
        for angle in np.linspace(-0.9, 1.0, count) + rng.uniform(-0.1, 0.1, count):
            half, thick = rng.uniform(0.05, 0.19), rng.uniform(6.5, 9.5)
            slope = side * rng.uniform(0.004, 0.012)
            angle = angle if side > 0 else np.pi - angle
            for t, hu, h in ((thick, body.cortex, half), (thick - 3.6, 160, half - 0.01)):
                body.add(Arc(body.x, body.y, a, b, body.power, angle, h, t, hu, slope, label=LABEL["other"]))
