"""What the shapes are painted on: one infinitely thin axial section, in HU, and a map of which tissue is where."""
import numpy as np

SIZE = 512  # pixels a side, unless the caller asks for fewer of the same field
FAT, MUSCLE, LUNG = -105, 58, -860
LABELS = ("air", "skin", "subcutaneous", "muscle", "fat", "lung", "mediastinum", "liver", "spleen", "kidney", "other",
          "lesion")
LABEL = {name: i for i, name in enumerate(LABELS)}


class Canvas:
    """One infinitely thin axial section. Shapes cover pixels partly at their edge, so nothing is jagged."""

    def __init__(self, spacing, texture, hu=None, label=None, cavity=None):
        self.spacing = spacing
        self.texture = texture
        self.size = size = len(texture)
        self.axis = ((np.arange(size) - (size - 1) / 2) * spacing).astype(np.float32)
        self.hu = np.full((size, size), -1000, np.float32) if hu is None else hu.copy()
        self.label = np.zeros((size, size), np.uint8) if label is None else label.copy()
        self.cavity = cavity

    def window(self, x0, x1, y0, y1):
        """The pixels around a box in mm: row slice, column slice, x and y as broadcastable arrays."""
        c = np.clip(np.searchsorted(self.axis, [x0 - 2, x1 + 2]), 0, self.size)
        r = np.clip(np.searchsorted(self.axis, [y0 - 2, y1 + 2]), 0, self.size)
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

    def painted(self, shapes, z):
        """A copy with the shapes' sections at z."""
        canvas = Canvas(self.spacing, self.texture, self.hu, self.label, self.cavity)
        for shape in shapes:
            shape.draw(canvas, z)
        return canvas
