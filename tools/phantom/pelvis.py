"""The section through the pelvis, at the sacrum."""
from .bones import bar, bone
from .bowel import bowel
from .canvas import LABEL, MUSCLE
from .organs import enhance
from .shapes import Blob, Tube, waves
from .vessels import great, mesentery


def pelvis(body):
    rng = body.rng
    enhance(body)
    body.spine_y += 14  # the sacrum
    body.cortex = rng.uniform(480, 750)
    x, y = body.x, body.y + body.spine_y
    for side in (-1, 1):
        half(body, x, y, side)
    bone(body, x, y, 36, 15, power=2.3, marrow=150, waves=((2, 0.10, 0.0), (3, 0.12, -1.57)))
    for side in (-1, 1):
        body.add(Blob(x + side * 14, y + 1, 3.6, 3.6, -20, texture=6))  # foramina
    bar(body, (x, y + 14, 0), (x, y + 22, 0), 4)
    mesentery(body, rng.integers(6, 11), (-0.4, 0.4, -0.6, 0.4))
    if rng.random() < 0.6:  # bladder
        body.blob(0.0, -0.30, rng.uniform(28, 42), rng.uniform(20, 30), 6, wave=0.05, within=True, power=2.4)
    for u, v in [(u, v) for u in (-0.45, -0.15, 0.15, 0.45) for v in (-0.75, -0.45) if rng.random() < 0.5]:
        bowel(body, u + rng.normal(0, 0.04), v + rng.normal(0, 0.04), rng.uniform(9, 13))
    bowel(body, 0.05, 0.36, rng.uniform(11, 15))  # rectosigmoid
    for side in (-1, 1):
        u, v = side * rng.uniform(0.36, 0.42), rng.uniform(0.0, 0.12)
        great(body, *body.at(u, v), rng.uniform(4.5, 6.5))
        great(body, *body.at(u + side * 0.02, v + 0.17), rng.uniform(5, 7), hu=body.blood * 0.9)
        great(body, *body.at(u - side * 0.10, v + 0.36), rng.uniform(2.5, 4))


def half(body, x, y, side):
    """Muscles and ilium of one side; x, y is the sacrum."""
    rng = body.rng
    body.add(Blob(x + side * body.ia * 0.50, y + body.ib * 0.22, body.ia * 0.46, body.ib * 0.34, MUSCLE,
                  angle=side * -0.35, power=2.4, waves=waves(rng, 0.05), texture=9, label=LABEL["muscle"]),  # gluteal
             Blob(x + side * body.ia * 0.55, body.y + body.ib * 0.15, 24, 30, MUSCLE, angle=side * 0.5, texture=9,
                  waves=waves(rng, 0.07), label=LABEL["muscle"]))  # iliopsoas
    points = [(0.28, 0.78), (0.48, 0.62), (0.66, 0.36), (0.80, 0.05), (0.84, -0.12)]  # the ilium
    points = [(x + side * u * body.ia, body.y + v * body.ib, 0.0) for u, v in points]
    radii = [7, 5.2, 4.4, 5.2, 6.5]
    for shell, hu in ((0, body.cortex), (2.0, 170)):
        for i in range(4):
            body.add(Tube(points[i], points[i + 1], radii[i] - shell, radii[i + 1] - shell, hu,
                          texture=40 * bool(shell), label=LABEL["other"]))
