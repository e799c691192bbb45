# SPDX-License-Identifier: Apache-2.0
"""What the reader of DeepLesion's layout makes of sound rows."""
from __future__ import annotations

import numpy
import pytest

import uldor
from dataset_files import COLUMNS, row, text, write_csv


def test_a_row_becomes_an_image(deeplesion):
    dataset = uldor.Dataset(deeplesion)
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
def test_spellings_of_a_csv(deeplesion, change):
    before = uldor.Dataset(deeplesion)
    (deeplesion / "DL_info.csv").write_text(change(text([row()])), newline="", encoding="utf-8")
    after = uldor.Dataset(deeplesion)
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


def test_names(deeplesion):
    dataset = uldor.Dataset(deeplesion)
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
