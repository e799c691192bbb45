"""The lesions: what is drawn where, and how room for it is found."""
import numpy as np

from .canvas import LABEL, MUSCLE
from .shapes import Blob, Tube, waves

# organ: weight in the draw, long diameter in mm, HU relative to the organ (or absolute, for what lies in fat and lung)
KINDS = {
    "lung": (3.0, (6, 38), (15, 70), True),
    "mediastinum": (1.0, (9, 32), (45, 85), True),
    "liver": (3.0, (7, 60), (-75, -38), False),
    "spleen": (0.8, (8, 34), (-75, -42), False),
    "kidney": (1.5, (10, 45), (-130, -70), False),
    "fat": (2.0, (9, 42), (45, 85), True),
    "muscle": (0.6, (14, 60), (-45, -28), False),
    "subcutaneous": (0.4, (8, 30), (20, 70), True),
}

LEAST_PX = 6  # long diameter: below it the short one of a drawn mask may have no length. It matters in large pixels only


def fits(canvas, label, x, y, a, b, angle, least):
    """Whether nearly all of the outline lies in one organ. (Kidney masses bulge outwards.)"""
    t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    u, v = 0.95 * a * np.cos(t), 0.95 * b * np.sin(t)
    ca, sa = np.cos(angle), np.sin(angle)
    px = np.round((x + u * ca - v * sa - canvas.axis[0]) / canvas.spacing).astype(int)
    py = np.round((y + u * sa + v * ca - canvas.axis[0]) / canvas.spacing).astype(int)
    if min(px.min(), py.min()) < 8 or max(px.max(), py.max()) >= canvas.size - 8:
        return False
    return np.mean(canvas.label[py, px] == label) >= least


def lesion(rng, name, x, y, a, b, angle, organ_hu):
    """One lesion in the organ of that name: its outline, and all its shapes in painting order."""
    _, _, hu_range, absolute = KINDS[name]
    size = 2 * a
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
        parts.append(Blob(x + rng.normal(0, 0.08 * a), y + rng.normal(0, 0.08 * a), a * 0.5, b * 0.5,
                          hu - rng.uniform(15, 30), z=z, c=c * 0.6, angle=angle, waves=waves(rng, 0.2), soft=4))
    if name == "lung" and rng.random() < 0.35:  # spicules
        for s in rng.uniform(0, 2 * np.pi, rng.integers(4, 9)):
            reach = 1.25 + 0.25 * rng.random()
            tip = x + reach * a * np.cos(s), y + reach * a * np.sin(s), z + rng.normal(0, 2)
            parts.insert(0, Tube((x, y, z), tip, 1.0, 0.4, hu))
    return blob, parts


def place(rng, canvas, count, organ_hu):
    """Finds room for the lesions on the key section: (organ, outline, all shapes) of each."""
    label, axis = canvas.label, canvas.axis
    candidates = {}
    for name in KINDS:
        spots = np.flatnonzero(label == LABEL[name])
        if len(spots) * canvas.spacing ** 2 > 150:
            candidates[name] = spots
    placed = []
    names = list(candidates)
    weights = np.array([KINDS[n][0] for n in names])
    for _ in range(20 * count):
        if len(placed) == count or not names:
            break
        name = names[rng.choice(len(names), p=weights / weights.sum())]
        low, high = KINDS[name][1]
        low = max(low, LEAST_PX * canvas.spacing)
        a = np.exp(rng.uniform(np.log(low), np.log(high))) / 2
        b = a * rng.uniform(0.62, 1.0)
        for _ in range(12):
            row, col = divmod(int(candidates[name][rng.integers(len(candidates[name]))]), canvas.size)
            x, y, angle = float(axis[col]), float(axis[row]), rng.uniform(0, np.pi)
            if fits(canvas, LABEL[name], x, y, a, b, angle, 0.65 if name == "kidney" else 0.92) and all(
                    (x - o.x) ** 2 + (y - o.y) ** 2 > (1.2 * (a + o.a) + 6) ** 2 for _, o, _ in placed):
                break
        else:
            continue
        placed.append((name, *lesion(rng, name, x, y, a, b, angle, organ_hu)))
    return placed
