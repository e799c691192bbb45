#!/usr/bin/env python3
"""Draws CT phantoms with lesions, in the layout of DeepLesion.

    python tools/phantom.py OUTDIR --count 10 --seed 1

writes OUTDIR/Images_png/<patient>_<study>_<series>/<slice>.png (16 bit, HU = pixel - 32768), OUTDIR/DL_info.csv (one
row a lesion) and OUTDIR/phantoms.csv (one row a phantom, the lesion-free ones too). A phantom is a function of
(seed, index) alone.

What the drawings are for: a detector that is trained on them has to tell a lesion from the structures that look like
one in a single slice. Vessels are round and bright like nodules, but go on through the neighbouring slices; bowel
loops, the gallbladder and renal medulla are blobs that are no lesions. They are of no medical use.

Lengths are mm. x points to the image's right, y down (posterior), z from slice to slice; 0, 0, 0 is the centre of the
key slice.
"""
import argparse
import csv
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIZE = 512
FAT, MUSCLE, LUNG = -105, 58, -860
SECTIONS = ("chest_arch", "chest_heart", "liver", "kidney", "pelvis")


@dataclass
class Lesion:
    mask: np.ndarray  # bool [512, 512], the key slice
    recist: list  # x11 y11 x12 y12 (long) x21 y21 x22 y22 (short); 1-based pixels, as in DL_info.csv
    box: list  # RECIST extent + 5 px, 1-based, as in DL_info.csv
    organ: str


@dataclass
class Phantom:
    volume_hu: np.ndarray  # int16 [n, 512, 512], n odd, the key slice in the middle
    spacing_mm: float
    slice_interval_mm: float
    lesions: list
    section: str


# ---- painting -------------------------------------------------------------------------------------------------------

class Canvas:
    """One infinitely thin axial section. Shapes cover pixels partly at their edge, so nothing is jagged."""

    def __init__(self, spacing, texture, hu=None, label=None, cavity=None):
        self.spacing = spacing
        self.texture = texture
        self.axis = ((np.arange(SIZE) - (SIZE - 1) / 2) * spacing).astype(np.float32)
        self.hu = np.full((SIZE, SIZE), -1000, np.float32) if hu is None else hu.copy()
        self.label = np.zeros((SIZE, SIZE), np.uint8) if label is None else label.copy()
        self.cavity = cavity

    def window(self, x0, x1, y0, y1):
        """The pixels around a box in mm: row slice, column slice, x and y as broadcastable arrays."""
        c = np.clip(np.searchsorted(self.axis, [x0 - 2, x1 + 2]), 0, SIZE)
        r = np.clip(np.searchsorted(self.axis, [y0 - 2, y1 + 2]), 0, SIZE)
        rows, cols = slice(*r), slice(*c)
        return rows, cols, self.axis[None, cols], self.axis[rows, None]

    def cover(self, rows, cols, inside, hu, label=0, texture=0.0, soft=1.0, within=False, below=None):
        """Paints hu where the signed depth `inside` (mm) is positive."""
        a = np.clip(0.5 + inside / (self.spacing * soft), 0, 1)
        if below is not None:  # only posterior of this y: the fluid under a gas bubble
            a = a * np.clip(0.5 + (self.axis[rows, None] - below) / self.spacing, 0, 1)
        if within:  # organs end at the wall of the cavity
            a = a * self.cavity[rows, cols]
        value = hu + texture * self.texture[rows, cols] if texture else hu
        part = self.hu[rows, cols]
        part += a * (value - part)
        if label:
            self.label[rows, cols][a > 0.5] = label


LABELS = ("air", "skin", "subcutaneous", "muscle", "fat", "lung", "mediastinum", "liver", "spleen", "kidney", "other",
          "lesion")
LABEL = {name: i for i, name in enumerate(LABELS)}


class Blob:
    """An ellipsoid with an uneven outline: radius(angle) times 1 + sum of a few cosines; power 2 = ellipse."""

    def __init__(self, x, y, a, b, hu, z=0.0, c=1e3, angle=0.0, waves=(), power=2.0, drift=(0.0, 0.0), **paint):
        self.x, self.y, self.z, self.a, self.b, self.c = x, y, z, a, b, c
        self.hu, self.angle, self.waves, self.power, self.drift, self.paint = hu, angle, waves, power, drift, paint

    def depth(self, canvas, z):
        t = (z - self.z) / self.c
        if abs(t) >= 1:
            return None
        s = np.sqrt(1 - t * t)  # the section of an ellipsoid shrinks away from its middle
        cx, cy = self.x + self.drift[0] * z, self.y + self.drift[1] * z
        reach = max(self.a, self.b) * 1.4
        rows, cols, x, y = canvas.window(cx - reach, cx + reach, cy - reach, cy + reach)
        ca, sa = np.cos(self.angle), np.sin(self.angle)
        u = ((x - cx) * ca + (y - cy) * sa) / self.a
        v = ((y - cy) * ca - (x - cx) * sa) / self.b
        if self.power == 2:
            rho = np.sqrt(u * u + v * v)
        else:
            rho = (np.abs(u) ** self.power + np.abs(v) ** self.power) ** (1 / self.power)
        if self.waves:
            theta = np.arctan2(v, u)
            wave = 1.0
            for k, amplitude, phase in self.waves:
                wave = wave + amplitude * np.cos(k * theta + phase)
            rho = rho / wave
        return rows, cols, (s - rho) * min(self.a, self.b)

    def draw(self, canvas, z):
        found = self.depth(canvas, z)
        if found is not None:
            canvas.cover(*found, self.hu, **self.paint)


class Tube:
    """A straight piece of vessel (or bone) from p to q, radius from r0 to r1."""

    def __init__(self, p, q, r0, r1, hu, **paint):
        self.p, self.q = np.asarray(p, np.float64), np.asarray(q, np.float64)
        self.r0, self.r1, self.hu, self.paint = r0, r1, hu, paint

    def draw(self, canvas, z):
        p, q, r = self.p, self.q, max(self.r0, self.r1)
        if not min(p[2], q[2]) - r <= z <= max(p[2], q[2]) + r:
            return
        rows, cols, x, y = canvas.window(min(p[0], q[0]) - r, max(p[0], q[0]) + r,
                                         min(p[1], q[1]) - r, max(p[1], q[1]) + r)
        d = q - p
        t = np.clip(((x - p[0]) * d[0] + (y - p[1]) * d[1] + (z - p[2]) * d[2]) / max(d @ d, 1e-6), 0, 1)
        distance = np.sqrt((x - p[0] - t * d[0]) ** 2 + (y - p[1] - t * d[1]) ** 2 + (z - p[2] - t * d[2]) ** 2)
        canvas.cover(rows, cols, self.r0 + (self.r1 - self.r0) * t - distance, self.hu, **self.paint)


class Arc:
    """A piece of a ring around x, y: a rib, cut lengthwise by the section."""

    def __init__(self, x, y, a, b, power, middle, half, thickness, hu, slope=0.0, **paint):
        self.x, self.y, self.a, self.b, self.power, self.thickness, self.hu = x, y, a, b, power, thickness, hu
        self.middle, self.half, self.slope, self.paint = middle, half, slope, paint

    def draw(self, canvas, z):
        middle = self.middle + self.slope * z
        c, d = np.cos(middle), np.sin(middle)
        r = (abs(c) ** self.power + abs(d) ** self.power) ** (-1 / self.power)
        cx, cy = self.x + self.a * r * c, self.y + self.b * r * d
        reach = self.half * max(self.a, self.b) * 1.3 + 10
        rows, cols, x, y = canvas.window(cx - reach, cx + reach, cy - reach, cy + reach)
        x, y = x - self.x, y - self.y
        u, v = x / self.a, y / self.b
        rho = (np.abs(u) ** self.power + np.abs(v) ** self.power) ** (1 / self.power)
        radius = np.sqrt(x * x + y * y) / np.maximum(rho, 1e-3)
        turn = np.abs((np.arctan2(v, u) - middle + np.pi) % (2 * np.pi) - np.pi)
        along = (turn - self.half) * radius
        across = np.abs(rho - 1) * radius
        # Rounded ends: past the end of the arc the distance is to its last point.
        distance = np.sqrt(across ** 2 + np.maximum(along, 0) ** 2)
        canvas.cover(rows, cols, self.thickness / 2 - distance, self.hu, **self.paint)


# ---- anatomy --------------------------------------------------------------------------------------------------------

def waves(rng, amplitude, low=2, high=5):
    return [(k, float(amplitude * rng.uniform(0.3, 1) / (k - 1)), float(rng.uniform(0, 2 * np.pi)))
            for k in range(low, high + 1)]


class Anatomy:
    """The drawn parameters of one patient, and the shapes of one section in painting order."""

    def __init__(self, rng, section, spacing):
        self.rng, self.shapes = rng, []
        chest = section.startswith("chest")
        limit = spacing * SIZE / 2 - 6
        self.a = min(rng.uniform(150, 185), limit)
        self.b = min(self.a * rng.uniform(0.66, 0.80), limit)
        self.y = rng.uniform(-12, 8)  # nobody lies exactly in the middle
        self.x = rng.uniform(-6, 6)
        self.fat = rng.uniform(6, 26) * (0.7 if chest else 1)
        self.wall = rng.uniform(13, 20) + (10 if section == "pelvis" else 0)
        self.ia, self.ib = self.a - self.fat - self.wall, self.b - self.fat - self.wall
        self.outline = waves(rng, 0.02, 2, 4)
        self.power = rng.uniform(2.15, 2.5)
        self.enhance = rng.uniform(70, 150)  # of the blood, over its own 45 HU
        self.blood = 45 + self.enhance
        self.spine_y = self.b - self.fat - rng.uniform(62, 68)  # leaves room for the muscles of the back
        self.section = section
        getattr(self, "chest" if chest else section)()

    def add(self, *shapes):
        self.shapes += shapes

    def base(self, canvas):
        """Skin, subcutaneous fat, the muscle wall and what fills the cavity; the same in all slices."""
        x, y = canvas.axis[None, :] - self.x, canvas.axis[:, None] - self.y
        rho = (np.abs(x / self.a) ** self.power + np.abs(y / self.b) ** self.power) ** (1 / self.power)
        theta = np.arctan2(y, x)
        wave = sum(a * np.cos(k * theta + p) for k, a, p in self.outline) + 1
        rho = np.maximum(rho / wave, 1e-3)
        depth = np.sqrt(x * x + y * y) * (1 / rho - 1)
        everything = slice(0, SIZE)
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

    def at(self, u, v):
        """A point of the cavity, -1..1 in both directions."""
        return u * self.ia + self.x, v * self.ib + self.y

    def blob(self, u, v, a, b, hu, label="other", jitter=0.03, wave=0.06, **more):
        x, y = self.at(u + self.rng.normal(0, jitter), v + self.rng.normal(0, jitter))
        shape = Blob(x, y, a, b, hu, waves=waves(self.rng, wave), label=LABEL[label], **more)
        self.add(shape)
        return shape

    def bone(self, x, y, a, b, angle=0.0, marrow=180, shell=2.0, **more):
        self.add(Blob(x, y, a, b, self.cortex, angle=angle, label=LABEL["other"], **more),
                 Blob(x, y, a - shell, b - shell, marrow, angle=angle, texture=45, **more))

    def bar(self, p, q, r, marrow=150, shell=1.8):
        self.add(Tube(p, q, r, r, self.cortex, label=LABEL["other"]),
                 Tube(p, q, r - shell, r - shell, marrow, texture=40))

    def vertebra(self):
        rng, x = self.rng, self.x + self.rng.normal(0, 2)
        y = self.spine_y + self.y
        self.cortex = rng.uniform(480, 750)
        s = rng.uniform(0.88, 1.1) * (0.88 if self.section.startswith("chest") else 1.05)
        # The muscles of the back, then the bone in them.
        for side in (-1, 1):
            self.add(Blob(x + side * 27 * s, y + 35 * s, 29 * s, 23 * s, MUSCLE, angle=side * 0.25, power=2.4,
                          waves=waves(rng, 0.05), texture=9, label=LABEL["muscle"]))
        self.add(Blob(x, y + 24 * s, 24 * s, 14 * s, MUSCLE, texture=9, label=LABEL["muscle"]))
        disc = rng.random() < 0.2
        if disc:
            self.add(Blob(x, y, 22 * s, 17 * s, 85, power=2.4, texture=6, label=LABEL["other"]))
        else:
            self.bone(x, y, 22 * s, 17 * s, power=2.5, marrow=rng.uniform(150, 240), waves=((2, 0.04, 0.0), (3, 0.05, 1.57)))
        for side in (-1, 1):
            if not disc:
                self.bar((x + side * 14 * s, y + 12 * s, 0), (x + side * 15 * s, y + 24 * s, 0), 4.6 * s, 250)
            self.bar((x + side * 15 * s, y + 24 * s, 0), (x + side * 34 * s, y + 27 * s, rng.uniform(-6, 6)), 4.2 * s)
            self.bar((x + side * 13 * s, y + 27 * s, 0), (x, y + 35 * s, 0), 3.6 * s, 250)
        self.bar((x, y + 35 * s, 0), (x + rng.normal(0, 1), y + 52 * s, rng.uniform(-3, 3)), 3.3 * s)
        self.add(Blob(x, y + 21 * s, 10.5 * s, 8 * s, 5, label=LABEL["other"]),
                 Blob(x, y + 21 * s, 6 * s, 4.5 * s, 35))

    def ribs(self, count):
        """Ribs run obliquely through the section: short arcs that turn from slice to slice."""
        rng = self.rng
        a, b = self.ia + self.wall * 0.42, self.ib + self.wall * 0.42
        for side in (1, -1):
            for angle in np.linspace(-0.9, 1.0, count) + rng.uniform(-0.1, 0.1, count):
                half, thick = rng.uniform(0.05, 0.19), rng.uniform(6.5, 9.5)
                slope = side * rng.uniform(0.004, 0.012)
                angle = angle if side > 0 else np.pi - angle
                for t, hu, h in ((thick, self.cortex, half), (thick - 3.6, 160, half - 0.01)):
                    self.add(Arc(self.x, self.y, a, b, self.power, angle, h, t, hu, slope, label=LABEL["other"]))

    def vessel(self, u, v, r, hu=None, dx=None, dy=None, oval=1.0, **more):
        """A great vessel: round, bright, through all slices."""
        x, y = self.at(u, v)
        self.great(x, y, r, hu, dx, dy, oval, **more)

    def great(self, x, y, r, hu=None, dx=None, dy=None, oval=1.0, **more):
        rng = self.rng
        drift = (rng.normal(0, 0.06) if dx is None else dx, rng.normal(0, 0.06) if dy is None else dy)
        hu = self.blood if hu is None else hu
        self.add(Blob(x, y, r * oval + 1.1, r + 1.1, 50, drift=drift, waves=waves(rng, 0.03), label=LABEL["other"]),
                 Blob(x, y, r * oval, r, hu, drift=drift, waves=waves(rng, 0.03), texture=3, label=LABEL["other"], **more))

    def tree(self, p, direction, r, length, hu, depth, spread=0.6, shrink=0.78, **paint):
        """Branching vessels. Every branch is longer than the stored slices are thick, so it goes on in some neighbour."""
        rng = self.rng
        for step in range(2):  # two bent pieces a branch
            direction = direction + rng.normal(0, 0.22, 3)
            direction = direction / np.linalg.norm(direction)
            q = p + direction * length / 2
            self.add(Tube(p, q, r, r * 0.9, hu, label=LABEL["other"], **paint))
            p, r = q, r * 0.9
        if depth and r > 0.5:
            for _ in range(2 if rng.random() < 0.8 else 3):
                self.tree(p, direction + rng.normal(0, spread, 3), r * shrink * rng.uniform(0.85, 1.1), length * 0.8,
                          hu, depth - 1, spread, shrink, **paint)

    def bowel(self, u, v, r, straight=False):
        """A loop: wall, content, gas in front of fluid."""
        rng = self.rng
        x, y = self.at(u, v)
        a, b, angle = r * rng.uniform(1.0, 1.7), r, rng.uniform(0, np.pi)
        w = waves(rng, 0.10, 2, 6)
        kind = rng.choice(["fluid", "contrast", "gas", "collapsed", "feces"])
        wall = rng.uniform(2.0, 3.2)
        drift = (rng.normal(0, 0.25), rng.normal(0, 0.25))
        more = dict(angle=angle, waves=w, drift=drift, within=True)
        self.add(Blob(x, y, a, b, rng.uniform(80, 110), label=LABEL["other"], texture=8, **more))
        if kind == "collapsed":
            self.add(Blob(x, y, a - r * 0.55, b - r * 0.55, rng.uniform(0, 30), **more))
            if rng.random() < 0.5:
                self.add(Blob(x, y - r * 0.1, r * 0.2, r * 0.15, -700, drift=drift))
            return
        inner = (x, y, a - wall, b - wall)
        content = {"fluid": rng.uniform(5, 30), "contrast": rng.uniform(220, 420), "gas": -970, "feces": -30}[kind]
        self.add(Blob(*inner, content, texture={"feces": 130, "fluid": 6}.get(kind, 4), **more))
        if kind == "gas" and rng.random() < 0.6:
            self.add(Blob(*inner, rng.uniform(10, 40), below=y + b * rng.uniform(-0.3, 0.5), **more))

    # -- sections

    def chest(self):
        rng, arch = self.rng, self.section == "chest_arch"
        enh = self.blood
        # Mediastinal fat from the sternum to the spine.
        self.blob(0.02, -0.05, self.ia * rng.uniform(0.20, 0.27), self.ib * 0.98, FAT + 15, "mediastinum", wave=0.10,
                  within=True, texture=10)
        self.add(Blob(self.x, self.y + self.spine_y - 8, 33, 26, FAT + 30, waves=waves(rng, 0.08), within=True, texture=10,
                      label=LABEL["mediastinum"]))
        # Lung vessels before the heart covers the hila.
        for side in (-1, 1):
            hilum = np.array([self.x + side * self.ia * rng.uniform(0.26, 0.34), self.y + self.ib * 0.12, 0.0])
            for angle in np.linspace(-1.15, 1.15, 6) + rng.normal(0, 0.12, 6):
                start = hilum + [0, 0, rng.uniform(-12, 12)]
                direction = np.array([side * np.cos(angle), np.sin(angle), rng.normal(0, 0.8)])
                self.tree(start, direction, rng.uniform(2.6, 4.8), self.ia * rng.uniform(0.24, 0.36), rng.uniform(30, 70),
                          4, within=True)
            for _ in range(rng.integers(10, 18)):  # seen end on: round in this slice, there again in the next
                x = self.x + side * self.ia * rng.uniform(0.38, 0.88)
                y = self.y + self.ib * rng.uniform(-0.6, 0.65)
                tilt = rng.normal(0, 0.3, 2)
                r = rng.uniform(0.9, 3.0)
                self.add(Tube((x - 30 * tilt[0], y - 30 * tilt[1], -30), (x + 30 * tilt[0], y + 30 * tilt[1], 30), r * 1.1, r * 0.9,
                              rng.uniform(20, 60), label=LABEL["other"], within=True))
            for _ in range(rng.integers(1, 4)):  # bronchi
                x = self.x + side * self.ia * rng.uniform(0.30, 0.42)
                y = self.y + self.ib * rng.uniform(-0.15, 0.3)
                r = rng.uniform(2, 4.5)
                tilt = rng.normal(0, 0.3, 2)
                for radius, hu in ((r + 1.3, 10), (r, -980)):
                    self.add(Tube((x - 20 * tilt[0], y - 20 * tilt[1], -20), (x + 20 * tilt[0], y + 20 * tilt[1], 20), radius, radius,
                                  hu, label=LABEL["other"]))
        if arch:
            self.vessel(-0.04, -0.22, rng.uniform(14, 18), oval=rng.uniform(1, 1.15))
            self.vessel(-0.24, -0.15, rng.uniform(7, 10), hu=enh * rng.uniform(0.9, 1.5))
            if rng.random() < 0.5:
                self.blob(0.14, -0.12, 22, 12, enh, angle=0.9, texture=3)
            self.great(self.x, self.y + self.ib * 0.16, rng.uniform(8, 10), hu=-990)  # trachea
        else:
            self.blob(0.17, -0.25, rng.uniform(50, 62), rng.uniform(38, 46), 60, angle=0.45, wave=0.08, label="other")
            self.blob(0.30, -0.20, 25, 17, enh, angle=0.6, jitter=0.02, texture=3)
            self.blob(0.0, -0.42, 24, 17, enh * 0.95, angle=0.3, jitter=0.02, texture=3)
            self.blob(-0.12, -0.08, 17, 20, enh * 0.95, jitter=0.02, texture=3)
            self.blob(0.08, 0.08, 24, 12, enh, jitter=0.02, texture=3)
        self.vertebra()
        self.great(self.x + rng.uniform(20, 30), self.y + self.spine_y - rng.uniform(12, 22), rng.uniform(10.5, 13))
        self.great(self.x - rng.uniform(6, 12), self.y + self.spine_y - 22, rng.uniform(2.5, 4), hu=enh * 0.9)  # azygos
        self.add(Blob(self.x + 6, self.y + self.spine_y - 30, 8, 5.5, 55, waves=waves(rng, 0.1), label=LABEL["other"]),
                 Blob(self.x + 6, self.y + self.spine_y - 31, 2, 1.2, -500))
        self.ribs(rng.integers(5, 7))
        self.bone(self.x, self.y - self.ib - self.wall * 0.45, rng.uniform(18, 26), 6.5, power=2.6, marrow=130)
        if arch:  # shoulder blades and the muscles around them
            for side in (-1, 1):
                x, y = self.x + side * self.a * 0.80, self.y + self.b * 0.38
                self.add(Blob(x, y, 26, 14, MUSCLE, angle=side * -0.9, waves=waves(rng, 0.08), texture=8, label=LABEL["muscle"]))
                self.bar((x + side * 8, y - 14, 0), (x - side * 14, y + 16, 0), 3.4)

    def retroperitoneum(self):
        rng = self.rng
        y = self.y + self.spine_y
        self.great(self.x + rng.uniform(8, 16), y - rng.uniform(27, 31), rng.uniform(8.5, 11.5))
        self.great(self.x - rng.uniform(20, 27), y - rng.uniform(20, 27), rng.uniform(8.5, 11), hu=self.blood * rng.uniform(0.8, 1.0),
                   oval=rng.uniform(1.1, 1.4))

    def mesentery(self, count, box):
        """Vessels in fat: many of them cut across, the classical imitation of a small node."""
        rng = self.rng
        for _ in range(count):
            x, y = self.at(rng.uniform(box[0], box[1]), rng.uniform(box[2], box[3]))
            d = rng.normal(0, 0.6, 3)
            d[2] = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
            d /= np.linalg.norm(d)
            r = rng.uniform(1.2, 3.6)
            p = np.array([x, y, 0.0])
            self.add(Tube(p - 25 * d, p + 25 * d, r, r * 0.8, self.blood * rng.uniform(0.75, 1.0), label=LABEL["other"], within=True))

    def liver_vessels(self, root, reach):
        rng = self.rng
        hu = self.organ_hu["liver"] + rng.uniform(35, 65)
        paint = dict(within=True, soft=1.6)
        for angle in rng.uniform(2.0, 4.6, 5):
            start = np.array([*self.at(*root), rng.uniform(-8, 8)])
            direction = np.array([np.cos(angle), np.sin(angle), rng.normal(0, 0.6)])
            self.tree(start, direction, rng.uniform(3.0, 5.0), reach * rng.uniform(0.4, 0.55), hu, 2, **paint)
        for _ in range(rng.integers(3, 7)):  # hepatic veins end on
            x, y = self.at(root[0] + rng.uniform(-0.5, 0.0), root[1] + rng.uniform(-0.4, 0.4))
            tilt, r = rng.normal(0, 0.4, 2), rng.uniform(1.8, 4.2)
            self.add(Tube((x - 30 * tilt[0], y - 30 * tilt[1], -30), (x + 30 * tilt[0], y + 30 * tilt[1], 30), r, r, hu,
                          label=LABEL["other"], **paint))

    def organs(self):
        e = self.enhance / 110
        self.organ_hu = {"liver": 58 + 48 * e * self.rng.uniform(0.8, 1.15), "spleen": 50 + 65 * e, "kidney": 40 + 135 * e}

    def kidney_at(self, u, v, side, r=1.0):
        rng, hu = self.rng, self.organ_hu["kidney"]
        x, y = self.at(u + rng.normal(0, 0.03), v + rng.normal(0, 0.04))
        angle = side * rng.uniform(0.3, 0.7)
        a, b = rng.uniform(24, 28) * r, rng.uniform(28, 34) * r
        w = waves(rng, 0.05)
        self.add(Blob(x, y, a, b, hu, angle=angle, waves=w, texture=6, label=LABEL["kidney"]))
        for _ in range(5):  # medulla
            t = rng.uniform(0, 2 * np.pi)
            self.add(Blob(x + 0.55 * a * np.cos(t), y + 0.55 * b * np.sin(t), 5.5, 5.5, hu - 45, texture=4, soft=3))
        if rng.random() < 0.75:
            self.add(Blob(x - side * a * 0.35, y - 2, a * 0.5, b * 0.38, FAT + 25, angle=angle, waves=waves(rng, 0.25), texture=10,
                          label=LABEL["other"]))
            p = np.array([x - side * a * 0.2, y, 0.0])
            self.add(Tube(p, (self.x, y - 14, rng.uniform(-8, 8)), 3.8, 4.5, self.blood, label=LABEL["other"]),
                     Tube(p + [0, 5, 0], (x - side * a * 1.2, y + 4, 12), 4.0, 3.0, rng.choice([10, 10, 600]), label=LABEL["other"]))

    def liver(self):
        rng = self.rng
        self.organs()
        hu = self.organ_hu["liver"]
        more = dict(within=True, texture=4, label="liver")
        self.blob(0.86, 0.10, 0.20 * self.ia, 0.30 * self.ib, FAT, wave=0.1, within=True)
        self.blob(-0.50, 0.02, 0.56 * self.ia, 0.80 * self.ib, hu, power=2.3, **more)
        self.blob(-0.12, -0.56, rng.uniform(0.38, 0.52) * self.ia, 0.36 * self.ib, hu, angle=0.1, **more)
        self.blob(-0.22, 0.20, 0.16 * self.ia, 0.24 * self.ib, hu, **more)  # caudate
        self.liver_vessels((-0.20, -0.02), self.ia)
        self.add(Blob(*self.at(-0.13, -0.66), 2.6, 0.30 * self.ib, FAT + 40, angle=rng.uniform(0.0, 0.35), waves=waves(rng, 0.08),
                      within=True, label=LABEL["other"]))  # the falciform fissure
        if rng.random() < 0.3:  # gallbladder: at the margin, through all slices
            x, y = self.at(-0.36, -0.18)
            self.add(Blob(x, y, 21, 14, 8, angle=rng.uniform(0.6, 1.4), waves=waves(rng, 0.06), label=LABEL["other"]))
        # stomach
        x, y = self.at(0.44 + rng.normal(0, 0.03), -0.42 + rng.normal(0, 0.04))
        a, b, w = 0.34 * self.ia, 0.38 * self.ib, waves(rng, 0.08, 2, 6)
        angle, drift = rng.uniform(-0.5, 0.1), (0.0, 0.0)
        shape = dict(angle=angle, waves=w, within=True)
        self.add(Blob(x, y, a, b, 85, texture=7, label=LABEL["other"], **shape),
                 Blob(x, y, a - 4.5, b - 4.5, -980, **shape),
                 Blob(x, y, a - 4.5, b - 4.5, rng.choice([15, 35, 180]), below=y + b * rng.uniform(-0.8, 0.5), texture=28, **shape))
        self.blob(0.76, 0.30, 0.20 * self.ia, 0.44 * self.ib, self.organ_hu["spleen"], angle=0.35, wave=0.10, within=True, texture=3,
                  label="spleen")
        if rng.random() < 0.7:
            self.kidney_at(0.47, 0.58, 1, 0.8)
        for u in np.linspace(-0.02, 0.5, 7):  # pancreas, lobulated
            self.blob(u, 0.02 + 0.16 * u + rng.normal(0, 0.02), 10, 8, self.organ_hu["liver"] - 12, wave=0.18, texture=14, jitter=0.015)
        self.add(Tube((*self.at(0.0, 0.12), 2), (*self.at(0.55, 0.20), -4), 4.0, 3.2, self.blood * 0.95, label=LABEL["other"]))
        self.mesentery(5, (0.05, 0.5, -0.05, 0.35))
        self.vertebra()
        y = self.y + self.spine_y
        for side in (-1, 1):  # crura of the diaphragm, adrenals
            self.add(Blob(self.x + side * 17, y - 19, 3.4, 15, 65, angle=side * 0.45, waves=waves(rng, 0.1), label=LABEL["other"]))
            for dx, dy, angle in ((4, 6, -0.6), (-2, 8, 0.1), (0, -4, 0.0)):
                self.add(Blob(self.x + side * (38 + dx), y - 24 + dy, 2.4, 9, 75, angle=side * angle, drift=(rng.normal(0, 0.2), 0.1),
                              waves=waves(rng, 0.15), label=LABEL["other"]))
        self.retroperitoneum()
        self.ribs(rng.integers(4, 6))

    def kidney(self):
        rng = self.rng
        self.organs()
        if rng.random() < 0.75:
            self.blob(-0.66, -0.10, 0.34 * self.ia, rng.uniform(0.45, 0.62) * self.ib, self.organ_hu["liver"], within=True, texture=4,
                      label="liver")
            self.liver_vessels((-0.5, -0.1), self.ia * 0.35)
        for side in (-1, 1):
            self.kidney_at(side * 0.53, 0.42, side)
        self.mesentery(rng.integers(9, 16), (-0.45, 0.6, -0.6, 0.1))
        loops = [(u, v) for u in (-0.25, 0.02, 0.3, 0.58) for v in (-0.66, -0.36, -0.06) if rng.random() < 0.62]
        for u, v in loops:
            self.bowel(u + rng.normal(0, 0.05), v + rng.normal(0, 0.05), rng.uniform(8.5, 14))
        self.bowel(0.82, 0.06, rng.uniform(12, 18))
        if rng.random() < 0.5:
            self.bowel(-0.84, 0.25, rng.uniform(13, 19))
        self.vertebra()
        for side in (-1, 1):
            self.add(Blob(self.x + side * 37, self.y + self.spine_y + 2, 14, 17, MUSCLE, waves=waves(rng, 0.06), texture=8,
                          label=LABEL["muscle"]))
        self.retroperitoneum()
        if rng.random() < 0.5:
            self.ribs(3)

    def pelvis(self):
        rng = self.rng
        self.organs()
        self.spine_y += 14  # the sacrum
        self.cortex = rng.uniform(480, 750)
        x, y = self.x, self.y + self.spine_y
        for side in (-1, 1):
            self.add(Blob(x + side * self.ia * 0.50, y + self.ib * 0.22, self.ia * 0.46, self.ib * 0.34, MUSCLE, angle=side * -0.35,
                          power=2.4, waves=waves(rng, 0.05), texture=9, label=LABEL["muscle"]),  # gluteal
                     Blob(x + side * self.ia * 0.55, self.y + self.ib * 0.15, 24, 30, MUSCLE, angle=side * 0.5, texture=9,
                          waves=waves(rng, 0.07), label=LABEL["muscle"]))  # iliopsoas
            points = [(0.28, 0.78), (0.48, 0.62), (0.66, 0.36), (0.80, 0.05), (0.84, -0.12)]
            points = [(x + side * u * self.ia, self.y + v * self.ib, 0.0) for u, v in points]
            radii = [7, 5.2, 4.4, 5.2, 6.5]
            for shell, hu in ((0, self.cortex), (2.0, 170)):
                for i in range(4):
                    self.add(Tube(points[i], points[i + 1], radii[i] - shell, radii[i + 1] - shell, hu,
                                  texture=40 * bool(shell), label=LABEL["other"]))
        self.bone(x, y, 36, 15, power=2.3, marrow=150, waves=((2, 0.10, 0.0), (3, 0.12, -1.57)))
        for side in (-1, 1):
            self.add(Blob(x + side * 14, y + 1, 3.6, 3.6, -20, texture=6))  # foramina
        self.bar((x, y + 14, 0), (x, y + 22, 0), 4)
        self.mesentery(rng.integers(6, 11), (-0.4, 0.4, -0.6, 0.4))
        if rng.random() < 0.6:  # bladder
            self.blob(0.0, -0.30, rng.uniform(28, 42), rng.uniform(20, 30), 6, wave=0.05, within=True, power=2.4)
        for u, v in [(u, v) for u in (-0.45, -0.15, 0.15, 0.45) for v in (-0.75, -0.45) if rng.random() < 0.5]:
            self.bowel(u + rng.normal(0, 0.04), v + rng.normal(0, 0.04), rng.uniform(9, 13))
        self.bowel(0.05, 0.36, rng.uniform(11, 15))  # rectosigmoid
        for side in (-1, 1):
            u, v = side * rng.uniform(0.36, 0.42), rng.uniform(0.0, 0.12)
            self.vessel(u, v, rng.uniform(4.5, 6.5))
            self.vessel(u + side * 0.02, v + 0.17, rng.uniform(5, 7), hu=self.blood * 0.9)
            self.vessel(u - side * 0.10, v + 0.36, rng.uniform(2.5, 4))


# ---- lesions --------------------------------------------------------------------------------------------------------

# organ: weight in the draw, long diameter in mm, HU relative to the organ (or absolute, for what lies in fat and lung)
LESION_KINDS = {
    "lung": (3.0, (6, 38), (15, 70), True),
    "mediastinum": (1.0, (9, 32), (45, 85), True),
    "liver": (3.0, (7, 60), (-75, -38), False),
    "spleen": (0.8, (8, 34), (-75, -42), False),
    "kidney": (1.5, (10, 45), (-130, -70), False),
    "fat": (2.0, (9, 42), (45, 85), True),
    "muscle": (0.6, (14, 60), (-45, -28), False),
    "subcutaneous": (0.4, (8, 30), (20, 70), True),
}


def fits(canvas, label, x, y, a, b, angle, least):
    """Whether nearly all of the outline lies in one organ. (Kidney masses bulge outwards.)"""
    t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    u, v = 0.95 * a * np.cos(t), 0.95 * b * np.sin(t)
    ca, sa = np.cos(angle), np.sin(angle)
    px = np.round((x + u * ca - v * sa - canvas.axis[0]) / canvas.spacing).astype(int)
    py = np.round((y + u * sa + v * ca - canvas.axis[0]) / canvas.spacing).astype(int)
    if min(px.min(), py.min()) < 8 or max(px.max(), py.max()) >= SIZE - 8:
        return False
    return np.mean(canvas.label[py, px] == label) >= least


def place_lesions(rng, canvas, count, organ_hu):
    """Finds room for the lesions on the key section."""
    label, axis = canvas.label, canvas.axis
    candidates = {}
    for name in LESION_KINDS:
        spots = np.flatnonzero(label == LABEL[name])
        if len(spots) * canvas.spacing ** 2 > 150:
            candidates[name] = spots
    placed = []
    names = list(candidates)
    weights = np.array([LESION_KINDS[n][0] for n in names])
    for _ in range(20 * count):
        if len(placed) == count or not names:
            break
        name = names[rng.choice(len(names), p=weights / weights.sum())]
        _, (low, high), hu_range, absolute = LESION_KINDS[name]
        size = np.exp(rng.uniform(np.log(low), np.log(high)))
        a = size / 2
        b = a * rng.uniform(0.62, 1.0)
        for _ in range(12):
            row, col = divmod(int(candidates[name][rng.integers(len(candidates[name]))]), SIZE)
            x, y, angle = float(axis[col]), float(axis[row]), rng.uniform(0, np.pi)
            if fits(canvas, LABEL[name], x, y, a, b, angle, 0.65 if name == "kidney" else 0.92) and all(
                    (x - o.x) ** 2 + (y - o.y) ** 2 > (1.2 * (a + o.a) + 6) ** 2 for _, o, _ in placed):
                break
        else:
            continue
        hu = rng.uniform(*hu_range)
        if not absolute:
            strength = 1 + 3.0 / size  # small ones need more contrast to be seen at all
            hu = hu * strength
            if name == "liver" and size > 12 and rng.random() < 0.15:
                hu = -hu  # hypervascular
            hu = max(hu + organ_hu.get(name, MUSCLE), rng.uniform(-5, 15))
        wave = waves(rng, 0.09, 2, 6)
        # Finite in z, and so smaller in the neighbouring slices, which a vessel is not.
        c = max(min(b, 16) * rng.uniform(0.6, 0.95), 2.6)
        soft = rng.uniform(1.0, 2.2)
        z = rng.uniform(-0.2, 0.2) * c
        shape = dict(z=z, c=c, angle=angle, waves=wave, soft=soft)
        blob = Blob(x, y, a, b, hu, texture=rng.uniform(2, 8), **shape)
        parts = [blob]
        if size > 22 and rng.random() < 0.4:  # a necrotic middle
            parts.append(Blob(x + rng.normal(0, 0.08 * a), y + rng.normal(0, 0.08 * a), a * 0.5, b * 0.5, hu - rng.uniform(15, 30),
                              z=z, c=c * 0.6, angle=angle, waves=waves(rng, 0.2), soft=4))
        if name == "lung" and rng.random() < 0.35:  # spicules
            for s in rng.uniform(0, 2 * np.pi, rng.integers(4, 9)):
                reach = 1.25 + 0.25 * rng.random()
                parts.insert(0, Tube((x, y, z), (x + reach * a * np.cos(s), y + reach * a * np.sin(s), z + rng.normal(0, 2)), 1.0, 0.4,
                                     hu))
        placed.append((name, blob, parts))
    return placed


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


# ---- the scanner ----------------------------------------------------------------------------------------------------

def filtered(rng, response):
    """Noise with the power spectrum response ** 2, unit variance."""
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE))) * response
    field = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return (field / field.std()).astype(np.float32)


def table(rng, a, b, y):
    top, width = y + b + rng.uniform(2, 9), rng.uniform(150, 210)
    curve = rng.uniform(0.0006, 0.0016)
    xs = np.linspace(-width, width, 13)
    line = [(x, top + 12 - curve * x * x, 0.0) for x in xs]
    line = line + [(x, y + 22, z) for x, y, z in line[::-1]]  # a shell of carbon fibre around foam
    return [Tube(p, q, 1.2, 1.2, 260) for p, q in zip(line, line[1:] + line[:1])]


def draw(seed, lesions=None, section=None):
    """One phantom. `seed` is an integer or a tuple of them; `lesions` the number of lesions (drawn where None)."""
    rng = np.random.default_rng(seed)
    spacing = float(np.round(rng.uniform(0.70, 0.90), 6))
    interval = float(rng.choice([1.0, 1.25, 2.0, 2.5, 3.0, 5.0]))
    section = section or SECTIONS[rng.integers(len(SECTIONS))]
    count = int(rng.choice(5, p=[0.18, 0.42, 0.24, 0.1, 0.06]))
    if lesions is not None:
        count = lesions
    n = 5 if interval < 2 else 3  # the neighbours at 2 mm must lie inside

    f = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    texture = filtered(rng, np.exp(-(f / 0.05) ** 2)) * 0.6 + filtered(rng, np.exp(-(f / 0.015) ** 2)) * 0.8
    anatomy = Anatomy(rng, section, spacing)
    base = Canvas(spacing, texture)
    anatomy.base(base)
    # The table is straight along z, so it is painted with the base.
    if rng.random() < 0.8:
        outside = base.label == 0
        bare = base.hu.copy()
        for shape in table(rng, anatomy.a, anatomy.b, anatomy.y):
            shape.draw(base, 0.0)
        base.hu = np.where(outside, base.hu, bare)

    def paint(z, shapes):
        canvas = Canvas(spacing, texture, base.hu, base.label, base.cavity)
        for shape in shapes:
            shape.draw(canvas, z)
        return canvas

    key = paint(0.0, anatomy.shapes)
    placed = place_lesions(rng, key, count, getattr(anatomy, "organ_hu", {}))
    shapes = anatomy.shapes + [part for _, _, parts in placed for part in parts]

    # The scanner: sections averaged over the slice's thickness, blurred in the plane, noise of a filtered
    # back-projection (no power at low frequencies, hence its grain), more of it in the middle of the body.
    blur = np.exp(-2 * (np.pi * f * rng.uniform(0.55, 0.85)) ** 2)
    grain = f * np.exp(-(f / rng.uniform(0.14, 0.24)) ** 2)
    sigma = rng.uniform(6, 13) * (1.15 if interval < 2 else 1.0)
    x, y = base.axis[None] / anatomy.a, (base.axis[:, None] - anatomy.y) / anatomy.b
    where = (0.45 + 0.65 * np.exp(-1.2 * (x * x + y * y))).astype(np.float32)
    parts = 3 if interval >= 3 else 2
    circle = rng.random() < 0.2  # values outside the reconstruction's circle, as some scanners write them
    volume = np.empty((n, SIZE, SIZE), np.int16)
    for i in range(n):
        centre = (i - n // 2) * interval
        zs = centre + ((np.arange(parts) + 0.5) / parts - 0.5) * interval * 0.9
        mean = sum(paint(float(z), shapes).hu for z in zs) / parts
        mean = np.fft.irfft2(np.fft.rfft2(mean) * blur, s=(SIZE, SIZE))
        slice_hu = np.clip(mean + sigma * where * filtered(rng, grain), -1024, 3071)
        if circle:
            slice_hu[np.hypot(base.axis[None], base.axis[:, None]) > spacing * SIZE / 2] = -3024
        volume[i] = np.round(slice_hu)

    truth = []
    for name, blob, _ in placed:
        mask = np.zeros((SIZE, SIZE), bool)
        rows, cols, inside = blob.depth(key, 0.0)
        mask[rows, cols] = inside > 0
        truth.append(Lesion(mask, *recist(mask), name))
    return Phantom(volume, spacing, interval, truth, section)


# ---- DeepLesion's layout --------------------------------------------------------------------------------------------

COLUMNS = ("File_name,Patient_index,Study_index,Series_ID,Key_slice_index,Measurement_coordinates,Bounding_boxes,"
           "Lesion_diameters_Pixel_,Normalized_lesion_location,Coarse_lesion_type,Possibly_noisy,Slice_range,"
           "Spacing_mm_px_,Image_size,DICOM_windows,Patient_gender,Patient_age,Train_Val_Test").split(",")
# DeepLesion's coarse types: 1 bone, 2 abdomen, 3 mediastinum, 4 liver, 5 lung, 6 kidney, 7 soft tissue, 8 pelvis
COARSE_TYPE = {"lung": 5, "mediastinum": 3, "liver": 4, "spleen": 2, "kidney": 6, "fat": 2, "muscle": 7, "subcutaneous": 7}
FIRST_PATIENT = 900001  # far from DeepLesion's own 4427, so that the sets can be merged


def numbers(values):
    return ", ".join(f"{v:.6g}" for v in values)


def write(phantom, index, directory):
    """Writes the slices; returns the rows of DL_info.csv and the row of phantoms.csv."""
    patient = FIRST_PATIENT + index
    series = f"{patient:06d}_01_01"
    folder = os.path.join(directory, "Images_png", series)
    os.makedirs(folder, exist_ok=True)
    n = len(phantom.volume_hu)
    for i, hu in enumerate(phantom.volume_hu):
        Image.fromarray((hu.astype(np.int32) + 32768).astype(np.uint16)).save(os.path.join(folder, f"{i + 1:03d}.png"))
    key = n // 2 + 1
    rows = []
    for lesion in phantom.lesions:
        r = lesion.recist
        diameters = np.hypot(r[2] - r[0], r[3] - r[1]), np.hypot(r[6] - r[4], r[7] - r[5])
        centre = [(lesion.box[0] + lesion.box[2]) / 2 / SIZE, (lesion.box[1] + lesion.box[3]) / 2 / SIZE, 0.5]
        coarse = 8 if phantom.section == "pelvis" and lesion.organ == "fat" else COARSE_TYPE[lesion.organ]
        rows.append([f"{series}_{key:03d}.png", patient, 1, 1, key, numbers(r), numbers(lesion.box), numbers(diameters),
                     numbers(centre), coarse, 0, f"1, {n}",
                     numbers([phantom.spacing_mm, phantom.spacing_mm, phantom.slice_interval_mm]), f"{SIZE}, {SIZE}",
                     "-1350, 150" if lesion.organ == "lung" else "-175, 275", "", "", 3])
    return rows, [series, key, n, phantom.spacing_mm, phantom.slice_interval_mm, phantom.section, len(phantom.lesions)]


def main():
    parser = argparse.ArgumentParser(description="Draws CT phantoms with lesions in the layout of DeepLesion.")
    parser.add_argument("directory")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lesions", type=int, help="lesions a phantom (default: drawn, 0 to 4)")
    parser.add_argument("--lesion-free", action="store_true")
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    rows, series = [], []
    for index in range(options.count):
        phantom = draw((options.seed, index), 0 if options.lesion_free else options.lesions)
        more, row = write(phantom, index, options.directory)
        rows += more
        series.append(row)
    for name, header, body in (
            ("DL_info.csv", COLUMNS, rows),
            ("phantoms.csv", ["series", "key_slice", "slices", "spacing_mm", "slice_interval_mm", "section", "lesions"], series)):
        with open(os.path.join(options.directory, name), "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *body])


if __name__ == "__main__":
    main()
