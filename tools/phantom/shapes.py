"""What a body is made of: blobs, tubes and arcs. Each knows its own section at any z and paints it on a canvas."""
import numpy as np


def waves(rng, amplitude, low=2, high=5):
    """An uneven outline, for Blob: (times round, amplitude, phase)."""
    return [(k, float(amplitude * rng.uniform(0.3, 1) / (k - 1)), float(rng.uniform(0, 2 * np.pi)))
            for k in range(low, high + 1)]


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
