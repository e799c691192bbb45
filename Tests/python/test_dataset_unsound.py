# SPDX-License-Identifier: Apache-2.0
"""What the reader of DeepLesion's layout says of rows and tables that are not sound."""
from __future__ import annotations

import numpy
import pytest

import uldor
from dataset_files import row, text, write_csv

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
