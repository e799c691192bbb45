# SPDX-License-Identifier: Apache-2.0
"""The reader of DeepLesion's layout on real data sets."""
from __future__ import annotations

import csv
from collections import Counter

import numpy
from PIL import Image
from scipy import ndimage

import uldor


def test_all_public_rows(data):
    path = data / "deeplesion_annotations" / "DL_info_public.csv"
    rows = list(csv.DictReader(open(path)))
    assert len(rows) == 3502
    noisy = [line for line in rows if line["Possibly_noisy"] == "1"]
    sound = [line for line in rows if line["Possibly_noisy"] == "0"]
    dataset = uldor.Dataset(data, csv=path)
    info = dataset.info
    assert (info.rows, info.noisy_rows, info.bad_rows, info.lesions) == (3502, len(noisy), 0, len(sound)) and len(noisy) == 6
    assert info.images == len({line["File_name"] for line in sound})
    splits = Counter(line["Train_Val_Test"] for line in sound)
    assert info.lesions_of_split == {"train": splits["1"], "validation": splits["2"], "test": splits["3"]}
    kept = uldor.Dataset(data, csv=path, keep_noisy=True)
    assert len(kept) == 3437 and kept.info.lesions_of_split == {"train": 1041, "validation": 205, "test": 2256}
    for index, image in list(kept.images())[::50]:
        for lesion in kept.lesions(index):
            line = rows[lesion.csv_line - 2]
            assert line["File_name"] == image.name.replace("/", "_") + ".png"
            numpy.testing.assert_allclose(lesion.recist.ravel() + 0.5,
                                          [float(value) for value in line["Measurement_coordinates"].split(",")], rtol=1e-12)
            # Coordinates are rounded to 3 decimals: a length is off by up to 0.0005 * 2 * sqrt(2).
            numpy.testing.assert_allclose(lesion.diameters_px,
                                          [float(value) for value in line["Lesion_diameters_Pixel_"].split(",")], atol=1.5e-3)


def test_deeplesion_mini(data, model):
    folder = data / "deeplesion_mini"
    dataset = uldor.Dataset(folder, boxes=folder / "extra_boxes.csv")
    extra = list(csv.DictReader(open(folder / "extra_boxes.csv")))
    assert dataset.info.lesions + dataset.info.repeated_boxes == 4 + len(extra)
    lines = []
    assert dataset.check(2, lines.append) == 0
    index = dataset.find("000001_01_01/109")
    read = dataset.read_image(index, reach=1)
    stored = numpy.asarray(Image.open(folder / "Images_png" / "000001_01_01" / "110.png"))
    numpy.testing.assert_array_equal(read.image[2], stored)
    assert dataset.example(model, index)["masks"].any()


def test_sts(data):
    folder = data / "sts"
    plain = uldor.Dataset(folder)
    assert plain.info.images_of_split == {"train": 497, "validation": 102, "test": 125}
    assert plain.info.lesions_of_split == {"train": 510, "validation": 105, "test": 125}
    cut = uldor.Dataset(folder, windows=folder / "crops.csv", masks_directory=folder / "Masks_png", masks="given",
                        negatives="unmasked")
    stored = sum(1 for _ in (folder / "Images_png").rglob("*.png"))
    masks = sum(1 for _ in (folder / "Masks_png").rglob("*.png"))
    assert cut.info.negatives == stored - masks
    assert cut.check(1) == 0
    worst = 1.0
    for index, image in list(cut.images())[:cut.info.images - cut.info.negatives:7]:
        series, slice_ = image.name.split("/")
        mask = numpy.asarray(Image.open(folder / "Masks_png" / series / f"{slice_}.png")) > 0
        left, top = image.window
        mask = mask[top:top + image.size[0], left:left + image.size[1]]
        labels, _ = ndimage.label(mask, numpy.ones((3, 3)))
        for number, lesion in enumerate(cut.lesions(index)):
            given = cut.mask(index, number)
            (label,) = set(numpy.unique(labels[given]))
            assert label > 0 and (given == (labels == label)).all()
            x1, y1, x2, y2 = (int(round(side)) for side in lesion.box)
            worst = min(worst, given[y1:y2, x1:x2].sum() / given.sum())
    assert worst > 0.8
