"""Normal structures drawn to be taken for lesions: of their place, size and density, and annotated nowhere.

What tells them apart is what tells them apart in CT. A vessel cut across is there again in the neighbouring slices, where a
lesion gets smaller; a lymph node is oval, smooth, and has fat in its hilum; a loop of bowel has a lumen."""
import numpy as np

from .canvas import FAT, LABEL
from .lesions import KINDS, fits
from .shapes import Blob, Tube, waves

# organ: weight in the draw, what may lie there
PLACES = {
    "lung": (2.0, ("vessel",)),
    "mediastinum": (1.5, ("vessel", "node")),
    "liver": (2.0, ("vessel",)),
    "spleen": (0.5, ("vessel",)),
    "fat": (3.0, ("vessel", "node", "node", "loop", "loop")),
    "subcutaneous": (0.4, ("node",)),
}
LONG_MM = {"vessel": (6, 20), "node": (8, 20), "loop": (16, 40)}  # of the section
FLATNESS = {"vessel": (0.85, 1.0), "node": (0.5, 0.7), "loop": (0.6, 0.95)}


def vessel(rng, x, y, a, b, angle, hu):
    """Cut across, in all slices; not filled with contrast, or it would be brighter than any lesion."""
    half, (tx, ty) = 30, rng.normal(0, 0.12, 2)
    ends = (x - half * tx, y - half * ty, -half), (x + half * tx, y + half * ty, half)
    return [Tube(*ends, a, b, hu, soft=rng.uniform(1.0, 2.2), label=LABEL["other"])]


def node(rng, x, y, a, b, angle, hu):
    c, soft = b * rng.uniform(1.0, 1.6), rng.uniform(1.0, 2.0)
    side = rng.choice([-1, 1]) * 0.35 * b
    hilum = x - side * np.sin(angle), y + side * np.cos(angle)
    return [Blob(x, y, a, b, hu, c=c, angle=angle, waves=waves(rng, 0.03), soft=soft, label=LABEL["other"]),
            Blob(*hilum, a * 0.5, b * 0.38, FAT + rng.uniform(20, 60), c=c, angle=angle, soft=soft)]


def loop(rng, x, y, a, b, angle, hu):
    """Collapsed: a lumen of fluid or gas, a third of it wide, and not in the middle."""
    more = dict(angle=angle, drift=tuple(rng.normal(0, 0.2, 2)))
    inside = x + 0.15 * a * rng.normal(), y + 0.15 * b * rng.normal()
    content = rng.choice([rng.uniform(-10, 15), -600.0])
    part = rng.uniform(0.28, 0.45) if content > -100 else rng.uniform(0.15, 0.25)
    return [Blob(x, y, a, b, hu, waves=waves(rng, 0.09, 2, 6), texture=rng.uniform(2, 8), soft=rng.uniform(1.0, 2.2),
                 label=LABEL["other"], **more),
            Blob(*inside, a * part, b * part, content, waves=waves(rng, 0.15), soft=1.5, **more)]


DRAW = {"vessel": vessel, "node": node, "loop": loop}


def density(rng, organ, organ_hu):
    """As a lesion's there."""
    _, _, span, absolute = KINDS[organ]
    return rng.uniform(*span) if absolute else max(rng.uniform(*span) + organ_hu[organ], rng.uniform(-5, 15))


def place(rng, canvas, count, organ_hu, lesions):
    """Up to `count` of them where there is room beside the lesions: shapes in painting order."""
    spots = {name: np.flatnonzero(canvas.label == LABEL[name]) for name in PLACES}
    spots = {name: found for name, found in spots.items() if len(found) * canvas.spacing ** 2 > 150}
    taken = [(o.x, o.y, o.a) for _, o, _ in lesions]
    names, shapes, placed = list(spots), [], 0
    weights = np.array([PLACES[n][0] for n in names])
    for _ in range(25 * count):
        if placed == count or not names:
            break
        organ = names[rng.choice(len(names), p=weights / weights.sum())]
        kind = PLACES[organ][1][rng.integers(len(PLACES[organ][1]))]
        a = np.exp(rng.uniform(*np.log(LONG_MM[kind]))) / 2
        b = a * rng.uniform(*FLATNESS[kind])
        row, col = divmod(int(spots[organ][rng.integers(len(spots[organ]))]), canvas.size)
        x, y, angle = float(canvas.axis[col]), float(canvas.axis[row]), rng.uniform(0, np.pi)
        if not fits(canvas, LABEL[organ], x, y, a, b, angle, 0.92) or any(
                (x - u) ** 2 + (y - v) ** 2 < (1.1 * (a + c) + 4) ** 2 for u, v, c in taken):
            continue
        taken.append((x, y, a))
        shapes += DRAW[kind](rng, x, y, a, b, angle, density(rng, organ, organ_hu))
        placed += 1
    return shapes
