"""The scanner: its table, and what it makes of a section. Averaging over the slice's thickness, blur, noise."""
import numpy as np

from .noise import filtered, frequency
from .shapes import Tube


def table(rng, a, b, y):
    top, width = y + b + rng.uniform(2, 9), rng.uniform(150, 210)
    curve = rng.uniform(0.0006, 0.0016)
    xs = np.linspace(-width, width, 13)
    line = [(x, top + 12 - curve * x * x, 0.0) for x in xs]
    line = line + [(x, y + 22, z) for x, y, z in line[::-1]]  # a shell of carbon fibre around foam
    return [Tube(p, q, 1.2, 1.2, 260) for p, q in zip(line, line[1:] + line[:1])]


class Scanner:
    """Sections averaged over the slice's thickness, blurred in the plane, noise of a filtered back-projection (no power
    at low frequencies, hence its grain), more of it in the middle of the body."""

    def __init__(self, rng, body, axis, spacing, interval):
        self.rng, self.interval = rng, interval
        f = frequency(len(axis))
        self.blur = np.exp(-2 * (np.pi * f * rng.uniform(0.55, 0.85)) ** 2)
        self.grain = f * np.exp(-(f / rng.uniform(0.14, 0.24)) ** 2)
        self.sigma = rng.uniform(6, 13) * (1.15 if interval < 2 else 1.0)
        x, y = axis[None] / body.a, (axis[:, None] - body.y) / body.b
        self.where = (0.45 + 0.65 * np.exp(-1.2 * (x * x + y * y))).astype(np.float32)
        self.parts = 3 if interval >= 3 else 2
        # Values outside the reconstruction's circle, as some scanners write them.
        self.outside = np.hypot(axis[None], axis[:, None]) > spacing * len(axis) / 2 if rng.random() < 0.2 else None

    def slice(self, section, centre):
        """int16 HU of the slice around z = centre; `section(z)` paints the body there."""
        zs = centre + ((np.arange(self.parts) + 0.5) / self.parts - 0.5) * self.interval * 0.9
        mean = sum(section(float(z)) for z in zs) / self.parts
        mean = np.fft.irfft2(np.fft.rfft2(mean) * self.blur, s=mean.shape)
        hu = np.clip(mean + self.sigma * self.where * filtered(self.rng, self.grain), -1024, 3071)
        if self.outside is not None:
            hu[self.outside] = -3024
        return np.round(hu).astype(np.int16)
