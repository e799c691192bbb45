# SPDX-License-Identifier: Apache-2.0
"""A host's own source of images."""
from __future__ import annotations

import numpy
import pytest

import uldor


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
    assert lines == ["2 images with 2 lesions: 0 problems, 0 missing neighbours, 0 missing masks"]


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


def test_handles(deeplesion):
    dataset = uldor.Dataset(deeplesion)
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
