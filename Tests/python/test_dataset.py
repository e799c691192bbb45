# SPDX-License-Identifier: Apache-2.0
"""The reader of DeepLesion's layout: what it makes of sound files, and what it says of unsound ones."""
from __future__ import annotations

import csv
import shutil
from collections import Counter

import numpy
import pytest
from PIL import Image
from scipy import ndimage

import uldor
from conftest import phantom
from dataset_files import COLUMNS, chunk, png, png_path, row, text, write_csv, write_mask, write_slice

SERIES = "000001_01_01"


@pytest.fixture(scope="module")
def pixels():
    return phantom(9, 96, 128)


@pytest.fixture
def folder(tmp_path, pixels):
    """One series of slices 1..9 and one lesion on slice 5."""
    write_csv(tmp_path, [row()])
    for number, slice_ in enumerate(pixels):
        write_slice(tmp_path, SERIES, number + 1, slice_)
    return tmp_path


# What is read


def test_a_row_becomes_an_image(folder):
    dataset = uldor.Dataset(folder)
    assert len(dataset) == 1
    image = dataset.image(0)
    assert image == ("000001_01_01/005", 1, 2, "train", 1, (96, 128), (0, 0), (0.8, 0.8), 2.0)
    (lesion,) = dataset.lesions(0)
    # 1-based: end points are pixel centres, boxes [x1 - 1, x2).
    numpy.testing.assert_array_equal(lesion.recist, [[20.5, 30.5], [40.5, 30.5], [30.5, 25.5], [30.5, 37.5]])
    assert lesion.box == (15, 20, 46, 43)
    assert lesion.diameters_px == (20, 12) and lesion.diameters_mm == pytest.approx((16, 9.6))
    assert (lesion.type, lesion.class_index, lesion.csv_line, lesion.has_mask) == (1, 1, 2, True)


def test_rows_of_one_slice_are_one_image_wherever_they_stand(tmp_path):
    rows = [row(slice_=5), row(slice_=7), row("000002_01_01", 5, split=3), row(slice_=5, type_=4), row(slice_=6, noisy=1)]
    dataset = uldor.Dataset(write_csv(tmp_path, rows))
    assert [(image.name, image.lesions, image.split) for _, image in dataset.images()] == [
        ("000001_01_01/005", 2, "train"), ("000001_01_01/007", 1, "train"), ("000002_01_01/005", 1, "test")]
    assert [lesion.type for lesion in dataset.lesions(0)] == [1, 4]
    assert [lesion.csv_line for lesion in dataset.lesions(0)] == [2, 5]
    assert dataset.info.images_of_split == {"train": 2, "validation": 0, "test": 1}
    assert dataset.info.lesions_of_split == {"train": 3, "validation": 0, "test": 1}
    assert (dataset.info.rows, dataset.info.noisy_rows) == (5, 1)
    assert len(uldor.Dataset(tmp_path, keep_noisy=True)) == 4
    assert [index for index, _ in dataset.images("test")] == [2]


@pytest.mark.parametrize("change", [
    lambda t: t, lambda t: t.replace("\n", "\r\n"), lambda t: t.replace("\n", "\r"), lambda t: "\ufeff" + t,
    lambda t: t.rstrip("\n"),
    lambda t: t.replace("\n", "\n\n"), lambda t: t + "\n\n", lambda t: t.replace("62.0", '"62,\n""0"""'),
    lambda t: t.replace("62.0", '"a\r\nb"'), lambda t: t.replace("21, 31, 41", " 21 ,31,\t41"),
    lambda t: t.replace("21, 31", "2.1e1, +31.0"),
])
def test_spellings_of_a_csv(folder, change):
    before = uldor.Dataset(folder)
    (folder / "DL_info.csv").write_text(change(text([row()])), newline="", encoding="utf-8")
    after = uldor.Dataset(folder)
    assert after.image(0)._replace(csv_line=0) == before.image(0)._replace(csv_line=0)
    numpy.testing.assert_array_equal(after.lesions(0)[0].recist, before.lesions(0)[0].recist)


def test_line_numbers_count_newlines_in_fields(tmp_path):
    rows = [row(Patient_age="1\n2\n3"), row(slice_=6, type_=9)]
    with pytest.raises(uldor.FormatError, match=r"DL_info.csv:5: Coarse_lesion_type is \"9\""):
        uldor.Dataset(write_csv(tmp_path, rows))


def test_columns_are_found_by_name(tmp_path):
    write_csv(tmp_path, [row(More="x")], columns=["More"] + COLUMNS[::-1])
    assert uldor.Dataset(tmp_path).lesions(0)[0].box == (15, 20, 46, 43)
    few = ["File_name", "Measurement_coordinates", "Bounding_boxes", "Spacing_mm_px_", "Image_size", "Train_Val_Test"]
    write_csv(tmp_path, [row()], columns=few)
    assert uldor.Dataset(tmp_path).image(0).patient == 1 and uldor.Dataset(tmp_path).lesions(0)[0].type == -1


def test_box_only_and_recist_only(tmp_path):
    rows = [row(Measurement_coordinates="", box=(10, 10, 20, 30)), row(slice_=6, Bounding_boxes="")]
    dataset = uldor.Dataset(write_csv(tmp_path, rows))
    (boxed,), (measured,) = dataset.lesions(0), dataset.lesions(1)
    assert boxed.recist is None and not boxed.has_mask and boxed.box == (9, 9, 20, 30) and boxed.diameters_px == (0, 0)
    assert measured.box == (15, 20, 46, 43)


def test_boxes_are_clipped_to_the_image(tmp_path):
    dataset = uldor.Dataset(write_csv(tmp_path, [row(box=(-3, 2, 140, 60))]))
    assert dataset.lesions(0)[0].box == (0, 1, 128, 60)


def test_names(folder):
    dataset = uldor.Dataset(folder)
    for name in ("000001_01_01/005", "000001_01_01/005.png", "000001_01_01_005.png", "000001_01_01/5"):
        assert dataset.find(name) == 0
    for name in ("", "x", "000001_01_01", "000001_01_01/006", "000001_01_02/005", "../005", "000001_01_01/005.pn"):
        with pytest.raises(uldor.InvalidArgument):
            dataset.find(name)


def test_many_names_are_found_again(tmp_path):
    rows = [row(f"{patient:06d}_01_01", slice_) for patient in range(1, 60) for slice_ in range(1, 40)]
    dataset = uldor.Dataset(write_csv(tmp_path, rows))
    assert len(dataset) == len(rows)
    for index, image in dataset.images():
        assert dataset.find(image.name) == index


# What is wrong with a row

MALFORMED = [
    (dict(File_name="x.png"), 'File_name is "x.png": SERIES_SLICE.png is expected'),
    (dict(File_name="../evil_001.png"), 'File_name is "../evil_001.png": SERIES_SLICE.png is expected'),
    (dict(File_name="/etc_001.png"), 'File_name is "/etc_001.png": SERIES_SLICE.png is expected'),
    (dict(File_name=""), 'File_name is "": SERIES_SLICE.png is expected'),
    (dict(File_name="000001_01_01_1234567.png"), 'File_name is "000001_01_01_1234567.png": SERIES_SLICE.png is expected'),
    (dict(Key_slice_index=6), 'Key_slice_index is "6": File_name says 5'),
    (dict(Patient_index="p"), 'Patient_index is "p": a whole number is expected'),
    (dict(Measurement_coordinates="1, 2, 3"), 'Measurement_coordinates is "1, 2, 3": 8 numbers are expected'),
    (dict(Measurement_coordinates="21, 31, 41, 31, 31, 26, 31, nan"),
     'Measurement_coordinates is "21, 31, 41, 31, 31, 26, 31, nan": 8 numbers are expected'),
    (dict(Measurement_coordinates="21, 31, 41, 31, 31, 26, 31, 38, 9"),
     'Measurement_coordinates is "21, 31, 41, 31, 31, 26, 31, 38, 9": 8 numbers are expected'),
    (dict(Measurement_coordinates="21, 31, 141, 31, 31, 26, 31, 38"),
     'Measurement_coordinates is "21, 31, 141, 31, 31, 26, 31, 38": end point 2 lies outside of the image of 128 x 96'),
    (dict(Measurement_coordinates="21, 31, 41, 31, 31, 26, 31, 98"),
     'Measurement_coordinates is "21, 31, 41, 31, 31, 26, 31, 98": end point 4 lies outside of the image of 128 x 96'),
    (dict(Measurement_coordinates="21, 31, 21, 31, 31, 26, 31, 38"),
     'Measurement_coordinates is "21, 31, 21, 31, 31, 26, 31, 38": recist: the long diameter has length 0'),
    (dict(Measurement_coordinates="21, 31, 41, 31, 31, 31, 35, 31"),
     'Measurement_coordinates is "21, 31, 41, 31, 31, 31, 35, 31": recist: all four end points lie on one line'),
    (dict(Bounding_boxes="1, 2, 3"), 'Bounding_boxes is "1, 2, 3": 4 numbers are expected'),
    (dict(Bounding_boxes="", Measurement_coordinates=""), 'Bounding_boxes is "": 4 numbers are expected'),
    (dict(Bounding_boxes="1, 2, 3, 0x10"), 'Bounding_boxes is "1, 2, 3, 0x10": 4 numbers are expected'),
    (dict(Bounding_boxes="20, 20, 20, 40"), 'Bounding_boxes is "20, 20, 20, 40": it has no area'),
    (dict(Bounding_boxes="40, 20, 20, 40"), 'Bounding_boxes is "40, 20, 20, 40": it has no area'),
    (dict(Bounding_boxes="200, 20, 220, 40"), 'Bounding_boxes is "200, 20, 220, 40": it lies outside of the image of 128 x 96'),
    (dict(Coarse_lesion_type=9), 'Coarse_lesion_type is "9": 1...8 or -1 is expected'),
    (dict(Coarse_lesion_type=0), 'Coarse_lesion_type is "0": 1...8 or -1 is expected'),
    (dict(Possibly_noisy="yes"), 'Possibly_noisy is "yes": 0 or 1 is expected'),
    (dict(Spacing_mm_px_="0.8, 0.8"), 'Spacing_mm_px_ is "0.8, 0.8": three lengths within 0.001...1000 mm are expected'),
    (dict(Spacing_mm_px_="0.8, 0.8, 0"), 'Spacing_mm_px_ is "0.8, 0.8, 0": three lengths within 0.001...1000 mm are expected'),
    (dict(Spacing_mm_px_="0.8, inf, 2"), 'Spacing_mm_px_ is "0.8, inf, 2": three lengths within 0.001...1000 mm are expected'),
    (dict(Image_size="96"), 'Image_size is "96": rows and columns within 1...16384 are expected'),
    (dict(Image_size="96, 0"), 'Image_size is "96, 0": rows and columns within 1...16384 are expected'),
    (dict(Image_size="96, 20000"), 'Image_size is "96, 20000": rows and columns within 1...16384 are expected'),
    (dict(Image_size="96.5, 20"), 'Image_size is "96.5, 20": rows and columns within 1...16384 are expected'),
    (dict(Train_Val_Test=4), 'Train_Val_Test is "4": 1 (train), 2 (validation) or 3 (test) is expected'),
    (dict(Train_Val_Test=""), 'Train_Val_Test is "": 1 (train), 2 (validation) or 3 (test) is expected'),
    (dict(Train_Val_Test="9" * 300), f'Train_Val_Test is "{"9" * 80}...": 1 (train), 2 (validation) or 3 (test) is expected'),
]


@pytest.mark.parametrize("fields,message", MALFORMED)
def test_malformed_rows_are_named(tmp_path, fields, message):
    path = write_csv(tmp_path, [row("000009_01_01"), row(**fields), row("000008_01_01")]) / "DL_info.csv"
    with pytest.raises(uldor.FormatError) as error:
        uldor.Dataset(tmp_path)
    assert str(error.value) == f"{path}:3: {message}"
    said = []
    dataset = uldor.Dataset(tmp_path, on_bad_row="skip", log=lambda level, line: said.append((level, line)))
    assert said == [(1, f"{path}:3: {message}; the row is left out")]
    assert (dataset.info.rows, dataset.info.bad_rows, len(dataset)) == (3, 1, 2)


@pytest.mark.parametrize("fields,message", [
    (dict(split=2), 'Train_Val_Test is "2": line 2 of the same series says 1'),
    (dict(spacing=(0.7, 0.7, 2)), "patient, size or spacing differ from line 2, which is of the same slice"),
    (dict(size=(100, 128)), "patient, size or spacing differ from line 2, which is of the same slice"),
])
def test_rows_that_contradict_each_other(tmp_path, fields, message):
    path = write_csv(tmp_path, [row(), row(**fields)]) / "DL_info.csv"
    with pytest.raises(uldor.FormatError) as error:
        uldor.Dataset(tmp_path)
    assert str(error.value) == f"{path}:3: {message}"


BROKEN = [
    ("a,b\n", "there is no column File_name in its first line"),
    ("", "an empty file"),
    ("\n\n", "an empty file"),
    ("\xef", ":1: not a text file"),
    ("PNG\0\1", ":1: a byte of value 0"),
    (text([row()]) + "1,2,3\n", ":3: 3 fields, but there are 18 columns"),
    (text([row()]) + '"abc\n', ":3: a quote is never closed"),
    (text([row()]) + 'a"b,2\n', ":3: a quote within a field that does not begin with one"),
    (text([row()]) + '"a"b,2\n', ":3: text after a closing quote"),
    (text([row()]) + '"' + "a\n" * 600000, ":3: a record of more than 1048576 bytes: is a quote left open?"),
]


@pytest.mark.parametrize("content,message", BROKEN)
def test_files_that_are_no_such_csv(tmp_path, content, message):
    (tmp_path / "DL_info.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(uldor.FormatError) as error:
        uldor.Dataset(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'DL_info.csv'}") and str(error.value).endswith(message)


def test_after_a_malformed_record_reading_goes_on(tmp_path):
    lines = text([row(), row(slice_=6), row(slice_=7)]).splitlines()
    lines.insert(2, 'a"b')
    lines.insert(4, "1,2")
    (tmp_path / "DL_info.csv").write_text("\r\n".join(lines), newline="")
    said = []
    dataset = uldor.Dataset(tmp_path, on_bad_row="skip", log=lambda level, line: said.append(line))
    assert len(dataset) == 3 and dataset.info.bad_rows == 2
    assert [line.split(": ")[0].rsplit(":")[-1] for line in said] == ["3", "5"]
    assert [lesion.csv_line for index in range(3) for lesion in dataset.lesions(index)] == [2, 4, 6]


def test_any_cut_of_a_csv_is_an_error_or_a_shorter_set(tmp_path):
    """Nothing but the library's own errors, wherever a file ends."""
    whole = (b"\xef\xbb\xbf" + text([row(), row(slice_=6, Patient_age='"a"\r\nb')]).encode())
    for end in range(len(whole)):
        (tmp_path / "DL_info.csv").write_bytes(whole[:end])
        for skip in ("error", "skip"):
            try:
                assert len(uldor.Dataset(tmp_path, on_bad_row=skip)) <= 2
            except uldor.FormatError as error:
                assert "DL_info.csv" in str(error)


def test_flipped_bytes_of_a_csv(tmp_path):
    whole = text([row(), row(slice_=6)]).encode()
    random = numpy.random.default_rng(0)
    for _ in range(400):
        changed = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            changed[place] = random.integers(0, 256)
        (tmp_path / "DL_info.csv").write_bytes(changed)
        try:
            uldor.Dataset(tmp_path, on_bad_row="skip")
        except uldor.FormatError:
            pass


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(uldor.FileError, match="DL_info.csv: cannot open: No such file"):
        uldor.Dataset(tmp_path)
    (tmp_path / "DL_info.csv").mkdir()
    with pytest.raises(uldor.FileError, match="DL_info.csv: not a regular file"):
        uldor.Dataset(tmp_path)


# Pixels


def test_pixels_are_those_of_the_files(folder, pixels):
    dataset = uldor.Dataset(folder)
    read = dataset.read_image(0, reach=2)
    assert read.key_slice == 2 and len(read.image) == 5
    for offset, slice_ in enumerate(read.image):
        stored = numpy.asarray(Image.open(png_path(folder, SERIES, 3 + offset)))
        numpy.testing.assert_array_equal(slice_, stored)
        numpy.testing.assert_array_equal(slice_.astype(int) - 32768, pixels[2 + offset])
    assert read.arguments == dict(spacing=(0.8, 0.8), slice_interval=2.0, slope=1.0, intercept=-32768.0, key_slice=2)
    numpy.testing.assert_array_equal(read.hu, pixels[4])


def test_neighbours_that_are_not_stored(folder):
    png_path(folder, SERIES, 6).unlink()
    read = uldor.Dataset(folder).read_image(0, reach=6)
    assert [number for number, slice_ in enumerate(read.image) if slice_ is not None] == [2, 3, 4, 5, 6, 8, 9, 10]


def test_what_is_read_can_be_detected_on(folder, session, pixels):
    read = uldor.Dataset(folder).read_image(0, reach=1)
    expected = session.detect(pixels, spacing=0.8, slice_interval=2, key_slice=4)
    with session.detect(read.image, **read.arguments) as seen:
        assert [d.box for d in seen] == [d.box for d in expected] and len(seen) > 0


def test_interlaced(folder, pixels):
    stored = (pixels[4].astype(int) + 32768).astype(numpy.uint16)
    path = png_path(folder, SERIES, 5)
    path.write_bytes(png(stored, interlaced=True))
    numpy.testing.assert_array_equal(numpy.asarray(Image.open(path)), stored)
    numpy.testing.assert_array_equal(uldor.Dataset(folder).read_image(0).image[0], stored)


STORED = numpy.arange(96 * 128, dtype=numpy.uint16).reshape(96, 128)
SOUND = png(STORED)
BAD_PNG = {
    "empty": (b"", uldor.FormatError, "damaged PNG: not a PNG file"),
    "text": (b"hello", uldor.FormatError, "damaged PNG: not a PNG file"),
    "header cut": (SOUND[:20], uldor.FormatError, "damaged PNG: its header is damaged or cut off"),
    "cut": (SOUND[:-400], uldor.FormatError, "damaged PNG: "),
    "no end": (SOUND[:-12], uldor.FormatError, "damaged PNG: the file ends too early"),
    "checksum": (SOUND[:60] + bytes([SOUND[60] ^ 1]) + SOUND[61:], uldor.FormatError, "damaged PNG: IDAT"),
    "8 bit": (png(STORED & 255, bits=8), uldor.ImageError, "a 8-bit grey PNG, not 16-bit grey"),
    "colour": (png(STORED, colour=2), uldor.ImageError, "a 16-bit colour PNG, not 16-bit grey"),
    "palette": (png(STORED, bits=8, colour=3), uldor.ImageError, "a 8-bit palette PNG, not 16-bit grey"),
    "transparency": (png(STORED, colour=4), uldor.ImageError, "a 16-bit grey with transparency PNG, not 16-bit grey"),
    "smaller": (png(STORED[:, :100]), uldor.ImageError, "100 x 96 pixels, not 128 x 96"),
    "huge": (png(STORED, size=(2**31 - 1, 2**31 - 1)), uldor.ImageError, "2147483647 x 2147483647 pixels, not 128 x 96"),
    "beyond": (png(STORED, size=(2**32 - 1, 1)), uldor.ImageError, "1 x 2147483647 pixels, not 128 x 96"),
    "few rows": (png(STORED[:50], size=(96, 128)), uldor.FormatError, "damaged PNG: "),
    "no deflate": (png(STORED, data=b"x" * 100), uldor.FormatError, "damaged PNG: "),
    "short promise": (png(STORED, data=b"")[:60], uldor.FormatError, "damaged PNG: "),
    "huge text": (png(STORED, chunks=b"\x7f\xff\xff\xffzTXt" + b"x" * 50), uldor.FormatError, "damaged PNG: "),
}


@pytest.mark.parametrize("case", BAD_PNG)
def test_files_that_are_no_such_png(folder, case):
    content, kind, message = BAD_PNG[case]
    path = png_path(folder, SERIES, 5)
    path.write_bytes(content)
    dataset = uldor.Dataset(folder)
    with pytest.raises(kind) as error:
        dataset.read_image(0)
    said = str(error.value)
    assert said.startswith(f"{path}: ") and message in said and said.endswith(f"({folder / 'DL_info.csv'}:2)")
    lines = []
    assert dataset.check(1, lines.append) == 1
    assert lines[0] == said and lines[-1] == "1 images with 1 lesions: 1 problems, 0 missing neighbours, 0 missing masks"


def test_any_cut_of_a_png_is_an_error(folder):
    path = png_path(folder, SERIES, 5)
    content = png(STORED, chunks=chunk(b"tEXt", b"a\0b") + chunk(b"abCd", b"unknown"))
    dataset = uldor.Dataset(folder)
    path.write_bytes(content)
    numpy.testing.assert_array_equal(dataset.read_image(0).image[0], STORED)
    for end in list(range(0, 200)) + list(range(200, len(content), 97)):
        path.write_bytes(content[:end])
        with pytest.raises(uldor.FormatError):
            dataset.read_image(0)


def test_flipped_bytes_of_a_png(folder):
    path = png_path(folder, SERIES, 5)
    dataset = uldor.Dataset(folder)
    random = numpy.random.default_rng(1)
    for _ in range(300):
        changed = bytearray(SOUND)
        for place in random.integers(0, 80 if random.integers(2) else len(SOUND), 2):
            changed[place] = random.integers(0, 256)
        path.write_bytes(changed)
        try:
            dataset.read_image(0)
        except (uldor.FormatError, uldor.ImageError) as error:
            assert str(path) in str(error)


def test_missing_key_slice(folder):
    path = png_path(folder, SERIES, 5)
    path.unlink()
    dataset = uldor.Dataset(folder)
    with pytest.raises(uldor.FileError) as error:
        dataset.read_image(0)
    assert str(error.value) == f"{path} ({folder / 'DL_info.csv'}:2): there is no such file"
    path.mkdir()
    with pytest.raises(uldor.ImageError, match="not a regular file"):
        dataset.read_image(0)


def test_bad_images_can_be_left_out(tmp_path, pixels):
    write_csv(tmp_path, [row(slice_=number) for number in range(1, 6)])
    for number in (1, 3, 5):
        write_slice(tmp_path, SERIES, number, pixels[number])
    png_path(tmp_path, SERIES, 3).write_bytes(png(STORED & 255, bits=8))
    said = []
    dataset = uldor.Dataset(tmp_path, on_bad_image="skip", log=lambda level, line: said.append(line))
    assert [image.name[-3:] for _, image in dataset.images()] == ["001", "005"]
    assert dataset.info.bad_images == 3 and dataset.info.lesions == 2
    place = f"({tmp_path / 'DL_info.csv'}:3)"
    assert said[0] == f"{png_path(tmp_path, SERIES, 2)}: there is no such file {place}; the image is left out"
    assert said[1].startswith(f"{png_path(tmp_path, SERIES, 3)}: a 8-bit grey PNG") and len(said) == 3
    assert dataset.find("000001_01_01/005") == 1
    lines = []
    assert dataset.check(1, lines.append) == 3 and lines[0] == "3 images were left out on opening"


def test_a_check_can_be_ended(folder):
    with pytest.raises(uldor.Cancelled):
        uldor.Dataset(folder).check(1, lambda line: True)
    with pytest.raises(ZeroDivisionError):
        uldor.Dataset(folder).check(1, lambda line: 1 / 0)


def test_no_training_row_is_a_problem(tmp_path, pixels):
    write_csv(tmp_path, [row(split=3)])
    write_slice(tmp_path, SERIES, 5, pixels[0])
    lines = []
    assert uldor.Dataset(tmp_path).check(1, lines.append) == 1
    assert lines == ["no image is of the training split",
                     "1 images with 1 lesions: 1 problems, 2 missing neighbours, 0 missing masks"]


# Windows, further boxes, negatives, masks


def test_windows(folder, pixels):
    windows = folder / "crops.csv"
    windows.write_text("series,x1,y1,x2,y2\n000001_01_01,11,6,100,80\n")
    dataset = uldor.Dataset(folder, windows=windows)
    image, (lesion,) = dataset.image(0), dataset.lesions(0)
    assert image.size == (75, 90) and image.window == (10, 5)
    assert lesion.box == (5, 15, 36, 38)
    numpy.testing.assert_array_equal(lesion.recist, [[10.5, 25.5], [30.5, 25.5], [20.5, 20.5], [20.5, 32.5]])
    numpy.testing.assert_array_equal(dataset.read_image(0).hu, pixels[4][5:80, 10:100])
    numpy.testing.assert_array_equal(dataset.mask(0, 0), uldor.Dataset(folder).mask(0, 0)[5:80, 10:100])


@pytest.mark.parametrize("x1,kept", [(30, True), (31, True), (32, False), (60, False)])
def test_lesions_that_a_window_cuts(folder, x1, kept):
    """The box is 15..46: half of it is left of 30.5."""
    windows = folder / "crops.csv"
    windows.write_text(f"series,x1,y1,x2,y2\n000001_01_01,{x1},1,128,96\n")
    info = uldor.Dataset(folder, windows=windows).info
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
def test_bad_windows(folder, lines, message):
    windows = folder / "crops.csv"
    windows.write_text(lines)
    with pytest.raises(uldor.FormatError) as error:
        uldor.Dataset(folder, windows=windows)
    assert message in str(error.value)


def test_further_boxes(folder):
    boxes = folder / "boxes.csv"
    boxes.write_text('File_name,Bounding_boxes\n000001_01_01_005.png,"17, 22, 46, 43"\n000001_01_01_005.png,"60, 60, 80, 90"\n'
                     '000001_01_01_007.png,"1, 1, 20, 20"\n')
    dataset = uldor.Dataset(folder, boxes=boxes)
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
            uldor.Dataset(folder, boxes=boxes)
        assert f"{boxes}:2: " in str(error.value)
    png_path(folder, SERIES, 7).unlink()
    boxes.write_text('File_name,Bounding_boxes\n000001_01_01_007.png,"1, 1, 20, 20"\n')
    with pytest.raises(uldor.FileError, match=f"007.png .{boxes}:2.: there is no such file"):
        uldor.Dataset(folder, boxes=boxes).read_image(1)


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


def test_given_masks(folder):
    """Components as scipy labels them; the one whose bounds overlap the box most."""
    random = numpy.random.default_rng(3)
    mask = ndimage.gaussian_filter(random.normal(size=(96, 128)), 3) > 0.06
    write_mask(folder, SERIES, 5, mask)
    labels, count = ndimage.label(mask, numpy.ones((3, 3)))
    assert count > 8
    rows, chosen = [], []
    for index, (y, x) in enumerate(ndimage.find_objects(labels)):
        if (y.stop - y.start) < 3 or (x.stop - x.start) < 3:
            continue
        rows.append(row(Measurement_coordinates="", box=(x.start + 2, y.start + 1, x.stop + 1, y.stop)))
        chosen.append(labels == index + 1)
    write_csv(folder, rows)
    dataset = uldor.Dataset(folder, masks_directory=folder / "Masks_png", masks="given")
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


def test_which_mask(folder):
    mask = numpy.zeros((96, 128), bool)
    mask[25:40, 18:44] = True
    lesion = [row(), row(slice_=6), row(slice_=7, Measurement_coordinates="", box=(10, 10, 30, 30))]
    write_csv(folder, lesion)
    write_mask(folder, SERIES, 5, mask)
    pseudo = uldor.PseudoMask([20.5, 30.5, 40.5, 30.5, 30.5, 25.5, 30.5, 37.5]).bitmap(128, 96)
    nothing = numpy.zeros_like(mask)
    for rule, expected in (("pseudo", (pseudo, pseudo, nothing)), ("given", (mask, nothing, nothing)),
                           ("given_or_pseudo", (mask, pseudo, nothing)), ("none", (nothing, nothing, nothing))):
        dataset = uldor.Dataset(folder, masks_directory=folder / "Masks_png", masks=rule)
        for index in range(3):
            numpy.testing.assert_array_equal(dataset.mask(index, 0), expected[index])
    with pytest.raises(uldor.InvalidArgument, match="mask_directory"):
        uldor.Dataset(folder, masks="given")


def test_a_mask_of_another_kind(folder):
    path = write_mask(folder, SERIES, 5, numpy.zeros((96, 100)))
    dataset = uldor.Dataset(folder, masks_directory=folder / "Masks_png", masks="given")
    with pytest.raises(uldor.ImageError, match="100 x 96 pixels, not 128 x 96"):
        dataset.mask(0, 0)
    path.write_bytes(SOUND)
    lines = []
    assert dataset.check(1, lines.append) == 1
    assert lines[0] == f"{path}: a 16-bit grey PNG, not 8-bit grey"


# A host's own source


def source(pixels, **fields):
    lesions = [uldor.SourceLesion(recist=[20.5, 30.5, 40.5, 30.5, 30.5, 25.5, 30.5, 37.5], type=3),
               uldor.SourceLesion(box=(60, 50, 80, 75), mask=numpy.eye(96, 128, k=10))]
    values = dict(size=(96, 128), read=lambda: pixels, lesions=lesions, patient=7, split="test", spacing=(0.7, 0.9),
                  slice_interval=1.5)
    values.update(fields)
    return uldor.SourceImage(**values)


def test_sources(pixels):
    dataset = uldor.Dataset.from_source([source(pixels, name="a b"), source(pixels[4], lesions=(), slice_interval=None)])
    assert dataset.image(0) == ("a b", 7, 0, "test", 2, (96, 128), (0, 0), (0.7, 0.9), 1.5)
    assert dataset.image(1).name == "1" and dataset.info.negatives == 1
    first, second = dataset.lesions(0)
    assert first.box == (15, 20, 46, 43) and first.type == 3 and first.has_mask
    assert second.box == (60, 50, 80, 75) and second.recist is None and second.has_mask
    numpy.testing.assert_array_equal(dataset.mask(0, 1), numpy.eye(96, 128, k=10) != 0)
    numpy.testing.assert_array_equal(
        dataset.mask(0, 0), uldor.PseudoMask([20.5, 30.5, 40.5, 30.5, 30.5, 25.5, 30.5, 37.5]).bitmap(128, 96))
    read = dataset.read_image(0, reach=2)
    assert read.key_slice == 4 and read.spacing == (0.7, 0.9)
    numpy.testing.assert_array_equal(numpy.stack(read.image), pixels)
    assert dataset.find("a b") == 0 and dataset.find("1") == 1
    lines = []
    dataset.check(1, lines.append)
    assert lines == ["no image is of the training split",
                     "2 images with 2 lesions: 1 problems, 0 missing neighbours, 0 missing masks"]


def test_what_a_source_raises_comes_out(pixels):
    def fail():
        raise KeyError("archive is away")

    dataset = uldor.Dataset.from_source([source(pixels, read=fail)])
    with pytest.raises(KeyError, match="archive is away"):
        dataset.read_image(0)

    class Broken:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            if index:
                raise RuntimeError("no such patient")
            return source(pixels)

    with pytest.raises(RuntimeError, match="no such patient"):
        uldor.Dataset.from_source(Broken())


@pytest.mark.parametrize("fields,message", [
    (dict(size=(0, 5)), "source image 0: 5 x 0 pixels, not within 1...16384"),
    (dict(spacing=-1), "source image 0: spacing_x_mm is -1.0, neither 0"),
    (dict(spacing=(1, 0)), "source image 0: only one of spacing_x_mm and spacing_y_mm is set"),
    (dict(lesions=[uldor.SourceLesion()]), "source image 0, lesion 0: neither has_box nor has_recist is set"),
    (dict(lesions=[uldor.SourceLesion(box=(5, 5, 5, 9))]), "source image 0, lesion 0: its box 5.0, 5.0, 5.0, 9.0 has no area"),
    (dict(lesions=[uldor.SourceLesion(box=(float("nan"), 5, 5, 9))]), "source image 0, lesion 0: its box nan"),
    (dict(lesions=[uldor.SourceLesion(box=(200, 5, 205, 9))]), "source image 0, lesion 0: its box lies outside of the image"),
    (dict(lesions=[uldor.SourceLesion(recist=[float("nan")] * 8)]), "source image 0, lesion 0: recist: end point 1 lies outside"),
    (dict(lesions=[uldor.SourceLesion(recist=[1, 1, 2, 2, 3, 3, 4, 4])]), "lesion 0: recist: recist: all four end"),
    (dict(lesions=[uldor.SourceLesion(box=(1, 1, 5, 5), type=0)]), "source image 0, lesion 0: type is 0, not -1 or 1...8"),
    (dict(lesions=[uldor.SourceLesion(box=(1, 1, 5, 5), class_index=3)]), "source image 0, lesion 0: class_index is 3"),
])
def test_sources_that_cannot_be_used(pixels, fields, message):
    with pytest.raises(uldor.FormatError) as error:
        uldor.Dataset.from_source([source(pixels, **fields)])
    assert message in str(error.value)
    if "lesions" in fields:
        dataset = uldor.Dataset.from_source([source(pixels, **fields)], on_bad_lesion="skip")
        assert dataset.info.lesions == 0 and dataset.info.bad_rows == 1


def test_names_of_a_source_are_unique(pixels):
    with pytest.raises(uldor.FormatError, match="source image 1: its name a is another image's, too"):
        uldor.Dataset.from_source([source(pixels, name="a"), source(pixels, name="a")])


def test_pixels_that_are_not_as_described(pixels):
    dataset = uldor.Dataset.from_source([source(pixels[:, :50], name="x")])
    with pytest.raises(uldor.ImageError) as error:
        dataset.read_image(0)
    assert str(error.value) == "source image 0 (x): 128 x 50 pixels, not 128 x 96 as described"


def test_what_is_lent_is_given_back(pixels):
    dataset = uldor.Dataset.from_source([source(pixels)])
    dataset.read_image(0)
    dataset.mask(0, 1)
    dataset.check()
    assert dataset._callbacks._lent == {}


def test_handles(folder):
    dataset = uldor.Dataset(folder)
    for index in (-1, 1, 2**40):
        for call in (dataset.image, dataset.read_image, dataset.lesions):
            with pytest.raises(uldor.InvalidArgument):
                call(index)
    with pytest.raises(uldor.InvalidArgument):
        dataset.mask(0, 1)
    with pytest.raises(uldor.InvalidArgument, match="reach is 1025"):
        dataset.read_image(0, reach=1025)
    dataset.close()
    with pytest.raises(uldor.InvalidArgument):
        len(dataset)


# The real sets


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
    assert dataset.check(2, lines.append) == 1 and lines[0] == "no image is of the training split"
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
