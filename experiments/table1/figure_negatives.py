"""Mined negatives as the paper's Fig. 3 shows them: each in its surroundings, S1 and S2 beside it."""
from pathlib import Path
from typing import List

import numpy as np
from PIL import Image, ImageDraw

from mined import Negative
from pictures import CYAN, GREEN, WHITE, YELLOW, Picture, around, font, window_of
from truth import Images

COLUMNS, SIDE, TEXT = 6, 200, 40
COLOURS = {"nothing": CYAN, "unannotated": YELLOW, "annotated": GREEN}
WORDS = {"nothing": "no lesion", "unannotated": "lesion, not annotated", "annotated": "annotated lesion"}


def draw_sample(found: List[Negative], count: int, seed: int = 0) -> List[Negative]:
    """Each kind of truth in its share, at least one column of each that there is; no image twice while there are others."""
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in WORDS if any(negative.truth == kind for negative in found)]
    chosen: List[Negative] = []
    for kind in kinds:
        of_kind = [negative for negative in found if negative.truth == kind]
        share = max(round(count * len(of_kind) / len(found)), min(COLUMNS // 2, len(of_kind)))
        seen: List[Negative] = []
        for i in rng.permutation(len(of_kind)):
            if all(of_kind[i].image != other.image for other in seen):
                seen.append(of_kind[i])
        chosen += seen[:share]
    return chosen[:count] if len(kinds) == 1 else sorted(chosen, key=lambda n: list(WORDS).index(n.truth))[-count:]


def sheet(found: List[Negative], images: Images, path: Path, count: int = 24) -> None:
    chosen = draw_sample(found, count)
    rows = -(-len(chosen) // COLUMNS)
    canvas = Image.new("RGB", (COLUMNS * (SIDE + 6) + 6, rows * (SIDE + TEXT + 6) + 6), (18, 18, 18))
    pen = ImageDraw.Draw(canvas)
    for place, negative in enumerate(chosen):
        hu = images.pixels(negative.image)
        picture = Picture(hu, around(negative.box, hu.shape, 64), SIDE, window_of(hu, negative.box))
        for box in images.boxes(negative.image):
            if negative.truth != "unannotated":
                picture.box(box, WHITE, width=1, dashed=True)
        picture.box(negative.box, COLOURS[negative.truth])
        x, y = 6 + place % COLUMNS * (SIDE + 6), 6 + place // COLUMNS * (SIDE + TEXT + 6)
        canvas.paste(picture.image, (x, y))
        figures = f"S1 {negative.s1:.2f}   S2 {negative.s2:.2f}   ({negative.case})"
        pen.text((x + 2, y + SIDE + 2), figures, fill=WHITE, font=font(14))
        pen.text((x + 2, y + SIDE + 20), WORDS[negative.truth], fill=COLOURS[negative.truth], font=font(13))
    canvas.save(path)
