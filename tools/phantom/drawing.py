"""One phantom, from its seed to slices and annotated lesions."""
from dataclasses import dataclass

import numpy as np

from . import abdomen, chest, lookalikes as alike, noise, pelvis, scanner
from .body import Body
from .canvas import SIZE, Canvas
from .lesions import place
from .recist import recist

FILL = {"chest_arch": chest.chest_arch, "chest_heart": chest.chest_heart, "liver": abdomen.liver, "kidney": abdomen.kidney,
        "pelvis": pelvis.pelvis}
SECTIONS = tuple(FILL)


@dataclass
class Lesion:
    mask: np.ndarray  # bool [size, size], the key slice
    recist: list  # x11 y11 x12 y12 (long) x21 y21 x22 y22 (short); 1-based pixels, as in DL_info.csv
    box: list  # RECIST extent + 5 px, 1-based, as in DL_info.csv
    organ: str


@dataclass
class Phantom:
    volume_hu: np.ndarray  # int16 [n, size, size], n odd, the key slice in the middle
    spacing_mm: float
    slice_interval_mm: float
    lesions: list
    section: str


def draw(seed, lesions=None, section=None, size=SIZE, lookalikes=0):
    """One phantom. `seed` is an integer or a tuple of them; `lesions` the number of lesions (drawn where None). A smaller
    `size` has as much of the body in larger pixels. `lookalikes`: normal structures drawn to be taken for lesions."""
    rng = np.random.default_rng(seed)
    spacing = float(np.round(rng.uniform(0.70, 0.90), 6))
    interval = float(rng.choice([1.0, 1.25, 2.0, 2.5, 3.0, 5.0]))
    section = section or SECTIONS[rng.integers(len(SECTIONS))]
    count = int(rng.choice(5, p=[0.18, 0.42, 0.24, 0.1, 0.06]))
    if lesions is not None:
        count = lesions
    n = 5 if interval < 2 else 3  # the neighbours at 2 mm must lie inside

    field, spacing = spacing * SIZE, float(np.round(spacing * SIZE / size, 6))
    base = Canvas(spacing, noise.texture(rng, size))
    body = Body(rng, section, field)
    FILL[section](body)
    body.base(base)
    if rng.random() < 0.8:
        lay_on_table(base, scanner.table(rng, body.a, body.b, body.y))

    key = base.painted(body.shapes, 0.0)
    placed = place(rng, key, count, body.organ_hu)
    shapes = body.shapes + [part for _, _, parts in placed for part in parts]
    if lookalikes:  # from a generator of their own: the lesions are the same with and without them
        own = np.random.default_rng((*np.atleast_1d(seed).tolist(), 1))
        shapes += alike.place(own, key, lookalikes, body.organ_hu, placed)

    scan = scanner.Scanner(rng, body, base.axis, spacing, interval)
    volume = np.stack([scan.slice(lambda z: base.painted(shapes, z).hu, (i - n // 2) * interval) for i in range(n)])
    return Phantom(volume, spacing, interval, [annotate(name, blob, key) for name, blob, _ in placed], section)


def lay_on_table(base, table):
    """The table is straight along z, so it is painted with the base, and only around the body."""
    outside = base.label == 0
    bare = base.hu.copy()
    for shape in table:
        shape.draw(base, 0.0)
    base.hu = np.where(outside, base.hu, bare)


def annotate(name, blob, key):
    mask = np.zeros(key.label.shape, bool)
    rows, cols, inside = blob.depth(key, 0.0)
    mask[rows, cols] = inside > 0
    return Lesion(mask, *recist(mask), name)
