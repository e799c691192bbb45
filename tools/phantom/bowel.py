"""Loops of bowel: blobs that are no lesions, with any of the contents that bowel has."""
import numpy as np

from .canvas import LABEL
from .shapes import Blob, waves


def bowel(body, u, v, r):
    """A loop: wall, content, gas in front of fluid."""
    rng = body.rng
    x, y = body.at(u, v)
    a, b, angle = r * rng.uniform(1.0, 1.7), r, rng.uniform(0, np.pi)
    w = waves(rng, 0.10, 2, 6)
    kind = rng.choice(["fluid", "contrast", "gas", "collapsed", "feces"])
    wall = rng.uniform(2.0, 3.2)
    drift = (rng.normal(0, 0.25), rng.normal(0, 0.25))
    more = dict(angle=angle, waves=w, drift=drift, within=True)
    body.add(Blob(x, y, a, b, rng.uniform(80, 110), label=LABEL["other"], texture=8, **more))
    if kind == "collapsed":
        body.add(Blob(x, y, a - r * 0.55, b - r * 0.55, rng.uniform(0, 30), **more))
        if rng.random() < 0.5:
            body.add(Blob(x, y - r * 0.1, r * 0.2, r * 0.15, -700, drift=drift))
        return
    inner = (x, y, a - wall, b - wall)
    content = {"fluid": rng.uniform(5, 30), "contrast": rng.uniform(220, 420), "gas": -970, "feces": -30}[kind]
    body.add(Blob(*inner, content, texture={"feces": 130, "fluid": 6}.get(kind, 4), **more))
    if kind == "gas" and rng.random() < 0.6:
        body.add(Blob(*inner, rng.uniform(10, 40), below=y + b * rng.uniform(-0.3, 0.5), **more))
