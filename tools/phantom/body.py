"""The frame of one patient: size, fat, contrast, skin and the wall of the cavity. A section's organs are added to it."""
import numpy as np

from .canvas import FAT, LABEL, LUNG, MUSCLE
from .shapes import Blob, waves


class Body:
    def __init__(self, rng, section, field):
        self.rng, self.section = rng, section
        self.shapes = []  # in painting order
        self.organ_hu = {}  # drawn with the organs
        self.cortex = None  # HU of compact bone, drawn with the spine
        chest = section.startswith("chest")
        limit = field / 2 - 6
        self.a = min(rng.uniform(150, 185), limit)
        self.b = min(self.a * rng.uniform(0.66, 0.80), limit)
        self.y = rng.uniform(-12, 8)  # nobody lies exactly in the middle
        self.x = rng.uniform(-6, 6)
        self.fat = rng.uniform(6, 26) * (0.7 if chest else 1)
        self.wall = rng.uniform(13, 20) + (10 if section == "pelvis" else 0)
        self.ia, self.ib = self.a - self.fat - self.wall, self.b - self.fat - self.wall  # the cavity
        self.outline = waves(rng, 0.02, 2, 4)
        self.power = rng.uniform(2.15, 2.5)
        self.enhance = rng.uniform(70, 150)  # of the blood, over its own 45 HU
        self.blood = 45 + self.enhance
        self.spine_y = self.b - self.fat - rng.uniform(62, 68)  # leaves room for the muscles of the back

    def add(self, *shapes):
        self.shapes += shapes

    def at(self, u, v):
        """A point of the cavity, -1..1 in both directions."""
        return u * self.ia + self.x, v * self.ib + self.y

    def blob(self, u, v, a, b, hu, label="other", jitter=0.03, wave=0.06, **more):
        """An organ or a part of one, not quite where it is in others."""
        x, y = self.at(u + self.rng.normal(0, jitter), v + self.rng.normal(0, jitter))
        self.add(Blob(x, y, a, b, hu, waves=waves(self.rng, wave), label=LABEL[label], **more))

    def base(self, canvas):
        """Skin, subcutaneous fat, the muscle wall and what fills the cavity; the same in all slices."""
        x, y = canvas.axis[None, :] - self.x, canvas.axis[:, None] - self.y
        rho = (np.abs(x / self.a) ** self.power + np.abs(y / self.b) ** self.power) ** (1 / self.power)
        theta = np.arctan2(y, x)
        wave = sum(a * np.cos(k * theta + p) for k, a, p in self.outline) + 1
        rho = np.maximum(rho / wave, 1e-3)
        depth = np.sqrt(x * x + y * y) * (1 / rho - 1)
        everything = slice(None)
        paint = lambda inside, hu, label, texture: canvas.cover(everything, everything, inside, hu, LABEL[label], texture)
        # Fat is thinner over the flanks' ribs and thicker in front and behind.
        fat = self.fat * (1 + 0.18 * np.cos(2 * theta) * (-1 if self.section == "pelvis" else 1)
                          + 0.12 * np.sin(3 * theta + self.outline[0][2]))
        paint(depth, 15, "skin", 4)
        paint(depth - 2, FAT, "subcutaneous", 6)
        paint(depth - fat, MUSCLE, "muscle", 7)
        if self.section in ("liver", "kidney", "pelvis"):  # fat planes between the muscles of the abdominal wall
            for part in (0.35, 0.68):
                line = depth - fat - self.wall * (part + 0.06 * np.sin(5 * theta + part * 9))
                paint(0.5 - np.abs(line) - 1.2 * (np.sin(theta) > 0.75), -40, "muscle", 0)
        inner = depth - fat - self.wall * (1 + 0.1 * np.cos(4 * theta + 1))
        canvas.cavity = np.clip(0.5 + inner / canvas.spacing, 0, 1)
        if self.section.startswith("chest"):
            paint(inner, LUNG, "lung", 22)
            canvas.hu += canvas.cavity * (y / self.ib * 25)  # the lung's dependent part is denser
        else:
            paint(inner, FAT, "fat", 8)
