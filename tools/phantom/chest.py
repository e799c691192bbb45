"""The sections through the chest: at the arch of the aorta, and at the heart."""
import numpy as np

from .bones import bar, bone, ribs, vertebra
from .canvas import FAT, LABEL, MUSCLE
from .shapes import Blob, waves
from .vessels import end_on, great, tree


def chest_arch(body):
    mediastinum(body)
    lungs(body)
    arch(body)
    back(body)
    shoulders(body)


def chest_heart(body):
    mediastinum(body)
    lungs(body)  # before the heart, which covers the hila
    heart(body)
    back(body)


def mediastinum(body):
    """Fat from the sternum to the spine."""
    rng = body.rng
    body.blob(0.02, -0.05, body.ia * rng.uniform(0.20, 0.27), body.ib * 0.98, FAT + 15, "mediastinum", wave=0.10,
              within=True, texture=10)
    body.add(Blob(body.x, body.y + body.spine_y - 8, 33, 26, FAT + 30, waves=waves(rng, 0.08), within=True, texture=10,
                  label=LABEL["mediastinum"]))


def lungs(body):
    """Vessels and bronchi of both lungs."""
    rng = body.rng
    for side in (-1, 1):
        hilum = np.array([body.x + side * body.ia * rng.uniform(0.26, 0.34), body.y + body.ib * 0.12, 0.0])
        for angle in np.linspace(-1.15, 1.15, 6) + rng.normal(0, 0.12, 6):
            start = hilum + [0, 0, rng.uniform(-12, 12)]
            direction = np.array([side * np.cos(angle), np.sin(angle), rng.normal(0, 0.8)])
            tree(body, start, direction, rng.uniform(2.6, 4.8), body.ia * rng.uniform(0.24, 0.36), rng.uniform(30, 70), 4,
                 within=True)
        for _ in range(rng.integers(10, 18)):
            x = body.x + side * body.ia * rng.uniform(0.38, 0.88)
            y = body.y + body.ib * rng.uniform(-0.6, 0.65)
            tilt = rng.normal(0, 0.3, 2)
            r = rng.uniform(0.9, 3.0)
            end_on(body, x, y, tilt, 30, r * 1.1, r * 0.9, rng.uniform(20, 60), within=True)
        for _ in range(rng.integers(1, 4)):  # bronchi
            x = body.x + side * body.ia * rng.uniform(0.30, 0.42)
            y = body.y + body.ib * rng.uniform(-0.15, 0.3)
            r = rng.uniform(2, 4.5)
            tilt = rng.normal(0, 0.3, 2)
            for radius, hu in ((r + 1.3, 10), (r, -980)):
                end_on(body, x, y, tilt, 20, radius, radius, hu)


def arch(body):
    """The arch or its ends, the superior vena cava, the trachea."""
    rng = body.rng
    great(body, *body.at(-0.04, -0.22), rng.uniform(14, 18), oval=rng.uniform(1, 1.15))
    great(body, *body.at(-0.24, -0.15), rng.uniform(7, 10), hu=body.blood * rng.uniform(0.9, 1.5))
    if rng.random() < 0.5:
        body.blob(0.14, -0.12, 22, 12, body.blood, angle=0.9, texture=3)
    great(body, body.x, body.y + body.ib * 0.16, rng.uniform(8, 10), hu=-990)


def heart(body):
    """The muscle, and blood in four chambers."""
    rng, blood = body.rng, body.blood
    body.blob(0.17, -0.25, rng.uniform(50, 62), rng.uniform(38, 46), 60, angle=0.45, wave=0.08)
    body.blob(0.30, -0.20, 25, 17, blood, angle=0.6, jitter=0.02, texture=3)
    body.blob(0.0, -0.42, 24, 17, blood * 0.95, angle=0.3, jitter=0.02, texture=3)
    body.blob(-0.12, -0.08, 17, 20, blood * 0.95, jitter=0.02, texture=3)
    body.blob(0.08, 0.08, 24, 12, blood, jitter=0.02, texture=3)


def back(body):
    """The spine and what lies before it, ribs and sternum."""
    rng = body.rng
    vertebra(body)
    y = body.y + body.spine_y
    great(body, body.x + rng.uniform(20, 30), y - rng.uniform(12, 22), rng.uniform(10.5, 13))  # aorta
    great(body, body.x - rng.uniform(6, 12), y - 22, rng.uniform(2.5, 4), hu=body.blood * 0.9)  # azygos
    body.add(Blob(body.x + 6, y - 30, 8, 5.5, 55, waves=waves(rng, 0.1), label=LABEL["other"]),  # oesophagus
             Blob(body.x + 6, y - 31, 2, 1.2, -500))
    ribs(body, rng.integers(5, 7))
    bone(body, body.x, body.y - body.ib - body.wall * 0.45, rng.uniform(18, 26), 6.5, power=2.6, marrow=130)


def shoulders(body):
    """Shoulder blades and the muscles around them."""
    for side in (-1, 1):
        x, y = body.x + side * body.a * 0.80, body.y + body.b * 0.38
        body.add(Blob(x, y, 26, 14, MUSCLE, angle=side * -0.9, waves=waves(body.rng, 0.08), texture=8, label=LABEL["muscle"]))
        bar(body, (x + side * 8, y - 14, 0), (x - side * 14, y + 16, 0), 3.4)
