#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what `uldor evaluate` found over what was annotated: of each patient the slice on which most went right and the one on which
most went wrong.

    uldor evaluate --weights weights.safetensors --data DeepLesion --split test --masks-out --output results.json
    show_detections.py DeepLesion results.json page.png --split test --score 0.5

Blue: annotated lesions, dashed where none of the detections drawn hits them. Green: detections that hit one (IoU above 0.5), with their
score; orange: those that do not. Needs Pillow.
"""
import argparse
import json
from collections import defaultdict
from itertools import chain

import numpy
from PIL import Image, ImageDraw, ImageFont

import uldor

LESION, HIT, FALSE, TEXT, PAPER = "#4aa3ff", "#35d07f", "#ff9a2e", "#f2f2f2", "#101010"
IOU = 0.5


def overlap(a, b):
    """Intersection over union of two boxes x1, y1, x2, y2."""
    width, height = (max(min(a[2 + side], b[2 + side]) - max(a[side], b[side]), 0) for side in (0, 1))
    return width * height / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height)


class Looked:
    """A slice: its lesions, the detections above the score, which of them hit what."""

    def __init__(self, index, image, lesions, detections):
        self.index, self.image, self.lesions = index, image, lesions
        self.detections, self.hits, self.repeats = detections, {}, set()
        for number, found in enumerate(detections):
            near = [(overlap(found["box"], lesion.box), place) for place, lesion in enumerate(lesions)]
            free = [pair for pair in near if pair[0] > IOU and pair[1] not in self.hits]
            if free:
                self.hits[max(free)[1]] = (number, max(free)[0])
            elif any(iou > IOU for iou, _ in near):
                self.repeats.add(number)
        self.false = len(detections) - len(self.hits) - len(self.repeats)

    @property
    def goodness(self):
        """Lesions found less errors, then how closely."""
        missed = len(self.lesions) - len(self.hits)
        return len(self.hits) - missed - self.false, sum(iou for _, iou in self.hits.values())

    @property
    def title(self):
        closeness = [f"{iou:.2f}" for _, iou in self.hits.values()]
        return (f"{self.image.name}: {len(self.hits)} of {len(self.lesions)} found, {self.false} false"
                + (f", IoU {', '.join(closeness)}" if closeness else ""))


def read_detections(path, score, data):
    """By the image's index, best first. Files have pixels of the stored image; here a window's begin with the window, as its lesions do."""
    found = defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for entry in json.load(file):
            if entry["score"] >= score and entry.get("category_id", 1) == 1:
                x, y, width, height = entry["bbox"]
                name = entry["file_name"] if "file_name" in entry else entry["image_id"]
                index = name if isinstance(name, int) else data.find(name)
                left, top = data.image(index).window
                found[index].append({**entry, "box": (x - left, y - top, x - left + width, y - top + height)})
    return {index: sorted(entries, key=lambda entry: -entry["score"]) for index, entries in found.items()}


def bitmap(entry):
    """The mask, or None: COCO's run lengths go down the columns."""
    if "segmentation" not in entry:
        return None
    height, width = entry["segmentation"]["size"]
    counts = entry["segmentation"]["counts"]
    values = numpy.arange(len(counts)) % 2 == 1
    return numpy.repeat(values, counts).reshape(width, height).T


def contour(mask):
    """Pixels of a mask of which a neighbour lies outside."""
    padded = numpy.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside


def dashes(draw, box, colour):
    """The box's outline, a dash and a gap every 8 pixels or so."""
    x1, y1, x2, y2 = box
    corners = numpy.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)])
    for corner, way in zip(corners, numpy.diff(corners, axis=0)):
        count = max(int(abs(way).max() / 8), 1)
        for number in range(count):
            draw.line([tuple(corner + way * number / count), tuple(corner + way * (number + 0.5) / count)], fill=colour, width=2)


def tile(data, looked, side, window):
    """A square with the slice as large as it fits, in a grey window of (centre, width) in HU, and a line of text below."""
    hu = data.read_image(looked.index).hu
    grey = numpy.clip((hu - window[0]) / window[1] + 0.5, 0, 1) * 255
    scale = side / max(hu.shape)
    size = tuple(round(length * scale) for length in hu.shape[::-1])
    picture = Image.fromarray(grey.astype(numpy.uint8)).resize(size, Image.BICUBIC).convert("RGB")

    def paint(mask, colour):
        # Drawn fine: the contour of the enlarged mask.
        large = numpy.asarray(Image.fromarray(mask).resize(size, Image.NEAREST))
        picture.paste(Image.new("RGB", size, colour), mask=Image.fromarray(contour(large)))

    def place(box):
        return [value * scale for value in box]

    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    for number, lesion in enumerate(looked.lesions):
        if lesion.has_mask:
            paint(data.mask(looked.index, number), LESION)
        if number in looked.hits:
            draw.rectangle(place(lesion.box), outline=LESION)
        else:
            dashes(draw, place(lesion.box), LESION)
    hitting = {number for number, _ in looked.hits.values()}
    for number, entry in enumerate(looked.detections):
        colour = HIT if number in hitting or number in looked.repeats else FALSE
        mask = bitmap(entry)
        if mask is not None:
            paint(mask, colour)
        box = place(entry["box"])
        draw.rectangle(box, outline=colour, width=2)
        label, (x, y) = f"{entry['score']:.2f}", (max(box[0], 0), max(box[1] - 17, 0))
        draw.rectangle([x, y, x + draw.textlength(label, font) + 5, y + 16], fill=colour)
        draw.text((x + 3, y), label, fill=PAPER, font=font)

    whole = Image.new("RGB", (side, side + 22), PAPER)
    whole.paste(picture, ((side - size[0]) // 2, (side - size[1]) // 2))
    ImageDraw.Draw(whole).text((4, side + 3), looked.title, fill=TEXT, font=font)
    return whole


def page(tiles, columns, gap=8):
    width, height = tiles[0].size
    lines = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, lines * (height + gap) + gap), PAPER)
    for number, picture in enumerate(tiles):
        sheet.paste(picture, (gap + number % columns * (width + gap), gap + number // columns * (height + gap)))
    return sheet


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="directory with DL_info.csv and Images_png")
    parser.add_argument("detections", help="JSON list written by `uldor evaluate`")
    parser.add_argument("page", help="the picture, PNG")
    parser.add_argument("--split", default="test", choices=["train", "validation", "test"])
    parser.add_argument("--score", type=float, default=0.5, help="least score")
    parser.add_argument("--patients", type=int, nargs="+", help="these only")
    parser.add_argument("--windows", help="CSV with a window for each series")
    parser.add_argument("--boxes", help="CSV of further boxes without diameters")
    parser.add_argument("--masks", help="directory of given masks; pseudo masks are drawn without")
    parser.add_argument("--negatives", action="store_true", help="slices without a row and without a given mask, too")
    parser.add_argument("--grey", type=float, nargs=2, default=[50, 400], metavar=("CENTRE", "WIDTH"), help="HU")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--side", type=int, default=384, help="of a slice, pixels")
    arguments = parser.parse_args()

    with uldor.Dataset(arguments.data, windows=arguments.windows, boxes=arguments.boxes, masks_directory=arguments.masks,
                       masks="given_or_pseudo" if arguments.masks else "pseudo",
                       negatives="unmasked" if arguments.negatives else "none") as data:
        images = list(data.images(arguments.split))
        found = read_detections(arguments.detections, arguments.score, data)
        patients = defaultdict(list)
        for index, image in images:
            patients[image.patient].append(Looked(index, image, data.lesions(index), found.get(index, [])))
        chosen = [sorted(slices, key=lambda looked: looked.goodness) for patient, slices in sorted(patients.items())
                  if not arguments.patients or patient in arguments.patients]
        if not chosen:
            parser.error(f"no image of {arguments.split} to draw")
        pairs = [[slices[-1], slices[0]] if len(slices) > 1 else slices for slices in chosen]
        tiles = [tile(data, looked, arguments.side, arguments.grey) for looked in chain.from_iterable(pairs)]
    page(tiles, min(arguments.columns, len(tiles))).save(arguments.page)
    for looked in chain.from_iterable(pairs):
        print(looked.title)


if __name__ == "__main__":
    main()
