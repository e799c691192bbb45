# SPDX-License-Identifier: Apache-2.0
"""Windows, further boxes, negatives and masks of a data set."""
from __future__ import annotations

import numpy
import pytest
from scipy import ndimage

import uldor
from dataset_files import SERIES, SOUND, png_path, row, write_csv, write_mask, write_slice


def test_windows(deeplesion, pixels):
    windows = deeplesion / "crops.csv"
    windows.write_text("series,x1,y1,x2,y2\n000001_01_01,11,6,100,80\n")
    dataset = uldor.Dataset(deeplesion, windows=windows)
    image, (lesion,) = dataset.image(0), dataset.lesions(0)
    assert image.size == (75, 90) and image.window == (10, 5)
    assert lesion.box == (5, 15, 36, 38)
    numpy.testing.assert_array_equal(lesion.recist, [[10.5, 25.5], [30.5, 25.5], [20.5, 20.5], [20.5, 32.5]])
    numpy.testing.assert_array_equal(dataset.read_image(0).hu, pixels[4][5:80, 10:100])
    numpy.testing.assert_array_equal(dataset.mask(0, 0), uldor.Dataset(deeplesion).mask(0, 0)[5:80, 10:100])


@pytest.mark.parametrize("x1,kept", [(30, True), (31, True), (32, False), (60, False)])
def test_lesions_that_a_window_cuts(deeplesion, x1, kept):
    """The box is 15..46: half of it is left of 30.5."""
    windows = deeplesion / "crops.csv"
    windows.write_text(f"series,x1,y1,x2,y2\n000001_01_01,{x1},1,128,96\n")
    info = uldor.Dataset(deeplesion, windows=windows).info
    assert (info.images, info.lesions, info.lesions_outside_window, info.images_outside_window) == (
        (1, 1, 0, 0) if kept else (0, 0, 1, 1))


@pytest.mark.parametrize("lines,message", [
    ("series,x1,y1,x2,y2\n", 'DL_info.csv:2: series "000001_01_01" has no window in '),
    ("series,x1,y1,x2,y2\n000001_01_01,1,1,129,96\n", 'DL_info.csv:2: Image_size is "96, 128": the window of '),
    ("series,x1,y1,x2,y2\n000001_01_01,0,1,12,96\n", 'crops.csv:2: x1 is "0", not within 1...16384'),
    ("series,x1,y1,x2,y2\n000001_01_01,9,1,8,96\n", "crops.csv:2: the window 9, 1, 8, 96 has no area"),
    ("series,x1,y1,x2,y2\na,1,1,8,96\na,1,1,8,96\n", 'crops.csv:3: series "a" has a window already, on line 2'),
    ("series,x1,y1,x2\n", "crops.csv: there is no column y2 in its first line"),
])
def test_bad_windows(deeplesion, lines, message):
    windows = deeplesion / "crops.csv"
    windows.write_text(lines)
    with pytest.raises(uldor.FormatError) as error:
        uldor.Dataset(deeplesion, windows=windows)
    assert message in str(error.value)


def test_further_boxes(deeplesion):
    boxes = deeplesion / "boxes.csv"
    boxes.write_text('File_name,Bounding_boxes\n000001_01_01_005.png,"17, 22, 46, 43"\n000001_01_01_005.png,"60, 60, 80, 90"\n'
                     '000001_01_01_007.png,"1, 1, 20, 20"\n')
    dataset = uldor.Dataset(deeplesion, boxes=boxes)
    assert dataset.info.repeated_boxes == 1
    assert [(image.name[-3:], image.lesions, image.csv_line, image.split) for _, image in dataset.images()] == [
        ("005", 2, 2, "train"), ("007", 1, 4, "train")]
    assert [lesion.box for lesion in dataset.lesions(0)] == [(15, 20, 46, 43), (59, 59, 80, 90)]
    assert dataset.lesions(1)[0].recist is None
    for line, message in (('000003_01_01_005.png,"1, 2, 3, 4"', "no row of the first table is of this series"),
                          ('000001_01_01_005.png,"1, 2, 3"', 'Bounding_boxes is "1, 2, 3": 4 numbers are expected'),
                          ('5.png,"1, 2, 3, 4"', "SERIES_SLICE.png is expected")):
        boxes.write_text(f"File_name,Bounding_boxes\n{line}\n")
        with pytest.raises(uldor.FormatError, match=message) as error:
            uldor.Dataset(deeplesion, boxes=boxes)
        assert f"{boxes}:2: " in str(error.value)
    png_path(deeplesion, SERIES, 7).unlink()
    boxes.write_text('File_name,Bounding_boxes\n000001_01_01_007.png,"1, 1, 20, 20"\n')
    with pytest.raises(uldor.FileError, match=f"007.png .{boxes}:2.: there is no such file"):
        uldor.Dataset(deeplesion, boxes=boxes).read_image(1)


def test_negatives(tmp_path, pixels):
    write_csv(tmp_path, [row(slice_=5), row(slice_=6, noisy=1), row(slice_=7, type_=77)])
    for number in range(1, 10):
        write_slice(tmp_path, SERIES, number, pixels[number - 1])
    (png_path(tmp_path, SERIES, 1).parent / "0003.png").write_bytes(SOUND)
    (png_path(tmp_path, SERIES, 1).parent / "notes.txt").write_text("x")
    write_slice(tmp_path, "000002_01_01", 1, pixels[0])
    write_mask(tmp_path, SERIES, 5, numpy.zeros((96, 128)))
    write_mask(tmp_path, SERIES, 8, numpy.zeros((96, 128)))
    dataset = uldor.Dataset(tmp_path, masks_directory=tmp_path / "Masks_png", negatives="unmasked", on_bad_row="skip")
    assert [(image.name[-3:], image.lesions, image.csv_line) for _, image in dataset.images()] == [
        ("005", 1, 2), ("001", 0, 0), ("002", 0, 0), ("003", 0, 0), ("004", 0, 0), ("009", 0, 0)]
    assert dataset.info.negatives == 5 and dataset.info.images_of_split["train"] == 6
    assert dataset.image(1).spacing == (0.8, 0.8) and dataset.lesions(1) == []
    with pytest.raises(uldor.InvalidArgument, match="mask_directory"):
        uldor.Dataset(tmp_path, negatives="unmasked", on_bad_row="skip")


def test_given_masks(deeplesion):
    """Components as scipy labels them; the one whose bounds overlap the box most."""
    random = numpy.random.default_rng(3)
    mask = ndimage.gaussian_filter(random.normal(size=(96, 128)), 3) > 0.06
    write_mask(deeplesion, SERIES, 5, mask)
    labels, count = ndimage.label(mask, numpy.ones((3, 3)))
    assert count > 8
    rows, chosen = [], []
    for index, (y, x) in enumerate(ndimage.find_objects(labels)):
        if (y.stop - y.start) < 3 or (x.stop - x.start) < 3:
            continue
        rows.append(row(Measurement_coordinates="", box=(x.start + 2, y.start + 1, x.stop + 1, y.stop)))
        chosen.append(labels == index + 1)
    write_csv(deeplesion, rows)
    dataset = uldor.Dataset(deeplesion, masks_directory=deeplesion / "Masks_png", masks="given")
    boxes = ndimage.find_objects(labels)
    for number, lesion in enumerate(dataset.lesions(0)):
        overlaps = []
        for y, x in boxes:
            width = min(x.stop, lesion.box[2]) - max(x.start, lesion.box[0])
            height = min(y.stop, lesion.box[3]) - max(y.start, lesion.box[1])
            common = max(width, 0) * max(height, 0)
            area = (lesion.box[2] - lesion.box[0]) * (lesion.box[3] - lesion.box[1])
            overlaps.append(common / (area + (y.stop - y.start) * (x.stop - x.start) - common))
        expected = labels == int(numpy.argmax(overlaps)) + 1
        numpy.testing.assert_array_equal(dataset.mask(0, number), expected)


def test_which_mask(deeplesion):
    mask = numpy.zeros((96, 128), bool)
    mask[25:40, 18:44] = True
    lesion = [row(), row(slice_=6), row(slice_=7, Measurement_coordinates="", box=(10, 10, 30, 30))]
    write_csv(deeplesion, lesion)
    write_mask(deeplesion, SERIES, 5, mask)
    pseudo = uldor.PseudoMask([20.5, 30.5, 40.5, 30.5, 30.5, 25.5, 30.5, 37.5]).bitmap(128, 96)
    nothing = numpy.zeros_like(mask)
    for rule, expected in (("pseudo", (pseudo, pseudo, nothing)), ("given", (mask, nothing, nothing)),
                           ("given_or_pseudo", (mask, pseudo, nothing)), ("none", (nothing, nothing, nothing))):
        dataset = uldor.Dataset(deeplesion, masks_directory=deeplesion / "Masks_png", masks=rule)
        for index in range(3):
            numpy.testing.assert_array_equal(dataset.mask(index, 0), expected[index])
    with pytest.raises(uldor.InvalidArgument, match="mask_directory"):
        uldor.Dataset(deeplesion, masks="given")


def test_a_mask_of_another_kind(deeplesion):
    path = write_mask(deeplesion, SERIES, 5, numpy.zeros((96, 100)))
    dataset = uldor.Dataset(deeplesion, masks_directory=deeplesion / "Masks_png", masks="given")
    with pytest.raises(uldor.ImageError, match="100 x 96 pixels, not 128 x 96"):
        dataset.mask(0, 0)
    path.write_bytes(SOUND)
    lines = []
    assert dataset.check(1, lines.append) == 1
    assert lines[0] == f"{path}: a 16-bit grey PNG, not 8-bit grey"
