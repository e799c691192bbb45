"""The sections through the abdomen: at the liver, and at the kidneys."""
import numpy as np

from .bones import ribs, vertebra
from .bowel import bowel
from .canvas import FAT, LABEL, MUSCLE
from .organs import enhance, kidney_at, liver_vessels
from .shapes import Blob, Tube, waves
from .vessels import aorta_and_cava, mesentery


def liver(body):
    rng = body.rng
    enhance(body)
    body.blob(0.86, 0.10, 0.20 * body.ia, 0.30 * body.ib, FAT, wave=0.1, within=True)
    liver_lobes(body)
    stomach(body)
    body.blob(0.76, 0.30, 0.20 * body.ia, 0.44 * body.ib, body.organ_hu["spleen"], angle=0.35, wave=0.10, within=True,
              texture=3, label="spleen")
    if rng.random() < 0.7:
        kidney_at(body, 0.47, 0.58, 1, 0.8)
    for u in np.linspace(-0.02, 0.5, 7):  # pancreas, lobulated
        body.blob(u, 0.02 + 0.16 * u + rng.normal(0, 0.02), 10, 8, body.organ_hu["liver"] - 12, wave=0.18, texture=14,
                  jitter=0.015)
    splenic_vein = (*body.at(0.0, 0.12), 2), (*body.at(0.55, 0.20), -4)
    body.add(Tube(*splenic_vein, 4.0, 3.2, body.blood * 0.95, label=LABEL["other"]))
    mesentery(body, 5, (0.05, 0.5, -0.05, 0.35))
    vertebra(body)
    crura_and_adrenals(body)
    aorta_and_cava(body)
    ribs(body, rng.integers(4, 6))


def liver_lobes(body):
    """Right, left and caudate lobe, their vessels, the falciform fissure, the gallbladder."""
    rng, hu = body.rng, body.organ_hu["liver"]
    more = dict(within=True, texture=4, label="liver")
    body.blob(-0.50, 0.02, 0.56 * body.ia, 0.80 * body.ib, hu, power=2.3, **more)
    body.blob(-0.12, -0.56, rng.uniform(0.38, 0.52) * body.ia, 0.36 * body.ib, hu, angle=0.1, **more)
    body.blob(-0.22, 0.20, 0.16 * body.ia, 0.24 * body.ib, hu, **more)
    liver_vessels(body, (-0.20, -0.02), body.ia)
    body.add(Blob(*body.at(-0.13, -0.66), 2.6, 0.30 * body.ib, FAT + 40, angle=rng.uniform(0.0, 0.35), waves=waves(rng, 0.08),
                  within=True, label=LABEL["other"]))
    if rng.random() < 0.3:  # gallbladder: at the margin, through all slices
        x, y = body.at(-0.36, -0.18)
        body.add(Blob(x, y, 21, 14, 8, angle=rng.uniform(0.6, 1.4), waves=waves(rng, 0.06), label=LABEL["other"]))


def stomach(body):
    """Wall, gas, and food or contrast below it."""
    rng = body.rng
    x, y = body.at(0.44 + rng.normal(0, 0.03), -0.42 + rng.normal(0, 0.04))
    a, b, w = 0.34 * body.ia, 0.38 * body.ib, waves(rng, 0.08, 2, 6)
    shape = dict(angle=rng.uniform(-0.5, 0.1), waves=w, within=True)
    body.add(Blob(x, y, a, b, 85, texture=7, label=LABEL["other"], **shape),
             Blob(x, y, a - 4.5, b - 4.5, -980, **shape),
             Blob(x, y, a - 4.5, b - 4.5, rng.choice([15, 35, 180]), below=y + b * rng.uniform(-0.8, 0.5), texture=28, **shape))


def crura_and_adrenals(body):
    """Crura of the diaphragm, and adrenals of three limbs."""
    rng, y = body.rng, body.y + body.spine_y
    for side in (-1, 1):
        body.add(Blob(body.x + side * 17, y - 19, 3.4, 15, 65, angle=side * 0.45, waves=waves(rng, 0.1), label=LABEL["other"]))
        for dx, dy, angle in ((4, 6, -0.6), (-2, 8, 0.1), (0, -4, 0.0)):
            body.add(Blob(body.x + side * (38 + dx), y - 24 + dy, 2.4, 9, 75, angle=side * angle,
                          drift=(rng.normal(0, 0.2), 0.1), waves=waves(rng, 0.15), label=LABEL["other"]))


def kidney(body):
    rng = body.rng
    enhance(body)
    if rng.random() < 0.75:  # the liver's lower end
        body.blob(-0.66, -0.10, 0.34 * body.ia, rng.uniform(0.45, 0.62) * body.ib, body.organ_hu["liver"], within=True,
                  texture=4, label="liver")
        liver_vessels(body, (-0.5, -0.1), body.ia * 0.35)
    for side in (-1, 1):
        kidney_at(body, side * 0.53, 0.42, side)
    mesentery(body, rng.integers(9, 16), (-0.45, 0.6, -0.6, 0.1))
    loops = [(u, v) for u in (-0.25, 0.02, 0.3, 0.58) for v in (-0.66, -0.36, -0.06) if rng.random() < 0.62]
    for u, v in loops:
        bowel(body, u + rng.normal(0, 0.05), v + rng.normal(0, 0.05), rng.uniform(8.5, 14))
    bowel(body, 0.82, 0.06, rng.uniform(12, 18))  # descending colon
    if rng.random() < 0.5:
        bowel(body, -0.84, 0.25, rng.uniform(13, 19))  # ascending colon
    vertebra(body)
    for side in (-1, 1):  # psoas
        body.add(Blob(body.x + side * 37, body.y + body.spine_y + 2, 14, 17, MUSCLE, waves=waves(rng, 0.06), texture=8,
                      label=LABEL["muscle"]))
    aorta_and_cava(body)
    if rng.random() < 0.5:
        ribs(body, 3)
