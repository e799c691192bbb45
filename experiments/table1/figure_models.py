"""Detections of the three models side by side, as the paper's Fig. 4 shows them."""
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw

from curve import LESION, Events, overlaps
from paper import TABLE
from pictures import CYAN, GREEN, RED, WHITE, YELLOW, Picture, body, font, window_of
from truth import Images

WIDTH, HEAD, LEVEL = 330, 26, 1.0  # false positives an image at which each model is shown


def threshold(events: Events, level: float = LEVEL) -> float:
    """The score at which the model makes so many false positives an image."""
    false, _ = events.curve()
    within = np.flatnonzero(false <= level)
    return float(events.score[within[-1]]) if len(within) else 1.0


def interesting(images: Images, found: Dict[str, Dict[str, List[Any]]], cuts: Dict[str, float], count: int,
                seed: int = 0) -> List[str]:
    """Slices on which the models differ, drawn: of those whose number of shown detections is not the same in all."""
    def shown(model: str, name: str) -> int:
        return sum(e["category_id"] == LESION and e["score"] >= cuts[model] for e in found[model].get(name, ()))
    names = [name for name in images.index if len(images.boxes(name)) and len({shown(model, name) for model in found}) > 1]
    rng = np.random.default_rng(seed)
    return [names[i] for i in sorted(rng.permutation(len(names))[:count])]


def panel(images: Images, full: Images, name: str, entries: Sequence[Any], cut: float) -> Image.Image:
    hu = images.pixels(name)
    known, every = images.boxes(name), full.boxes(name)
    window = max((window_of(hu, box) for box in every), key=lambda window: window[1] - window[0])
    picture = Picture(hu, body(hu), WIDTH, window)
    for box in every:
        annotated = len(known) and bool((overlaps(np.array([box]), known) > 0.99).any())
        picture.box(box, GREEN if annotated else YELLOW, dashed=True, width=1)
    for entry in entries:
        if entry["category_id"] == LESION and entry["score"] >= cut:
            hit = len(every) and bool((overlaps(np.array([entry["box"]]), every) > 0.5).any())
            picture.box(entry["box"], CYAN if hit else RED, f"{entry['score']:.2f}")
    return picture.image


def side_by_side(images: Images, full: Images, found: Dict[str, Dict[str, List[Any]]], cuts: Dict[str, float], path: Path,
                 count: int = 5) -> None:
    rows: List[Tuple[str, List[Image.Image]]] = []
    for name in interesting(images, found, cuts, count):
        rows.append((name, [panel(images, full, name, found[model].get(name, ()), cuts[model]) for model in found]))
    height = HEAD + sum(max(image.height for image in panels) + 6 for _, panels in rows)
    canvas = Image.new("RGB", (len(found) * (WIDTH + 6) + 6, height), (18, 18, 18))
    pen = ImageDraw.Draw(canvas)
    for column, model in enumerate(found):
        pen.text((8 + column * (WIDTH + 6), 4), TABLE[model][0], fill=WHITE, font=font(15))
    y = HEAD
    for _, panels in rows:
        for column, image in enumerate(panels):
            canvas.paste(image, (6 + column * (WIDTH + 6), y))
        y += max(image.height for image in panels) + 6
    canvas.save(path)
