# SPDX-License-Identifier: Apache-2.0
"""Pixels of a data set: PNGs, sound and damaged, neighbours, the check of all files."""
from __future__ import annotations

import numpy
import pytest
from PIL import Image

import uldor
from dataset_files import SERIES, SOUND, STORED, chunk, png, png_path, row, write_csv, write_slice


def test_pixels_are_those_of_the_files(deeplesion, pixels):
    dataset = uldor.Dataset(deeplesion)
    read = dataset.read_image(0, reach=2)
    assert read.key_slice == 2 and len(read.image) == 5
    for offset, slice_ in enumerate(read.image):
        stored = numpy.asarray(Image.open(png_path(deeplesion, SERIES, 3 + offset)))
        numpy.testing.assert_array_equal(slice_, stored)
        numpy.testing.assert_array_equal(slice_.astype(int) - 32768, pixels[2 + offset])
    assert read.arguments == dict(spacing=(0.8, 0.8), slice_interval=2.0, slope=1.0, intercept=-32768.0, key_slice=2)
    numpy.testing.assert_array_equal(read.hu, pixels[4])


def test_neighbours_that_are_not_stored(deeplesion):
    png_path(deeplesion, SERIES, 6).unlink()
    read = uldor.Dataset(deeplesion).read_image(0, reach=6)
    assert [number for number, slice_ in enumerate(read.image) if slice_ is not None] == [2, 3, 4, 5, 6, 8, 9, 10]


def test_what_is_read_can_be_detected_on(deeplesion, session, pixels):
    read = uldor.Dataset(deeplesion).read_image(0, reach=1)
    expected = session.detect(pixels, spacing=0.8, slice_interval=2, key_slice=4)
    with session.detect(read.image, **read.arguments) as seen:
        assert [d.box for d in seen] == [d.box for d in expected] and len(seen) > 0


def test_interlaced(deeplesion, pixels):
    stored = (pixels[4].astype(int) + 32768).astype(numpy.uint16)
    path = png_path(deeplesion, SERIES, 5)
    path.write_bytes(png(stored, interlaced=True))
    numpy.testing.assert_array_equal(numpy.asarray(Image.open(path)), stored)
    numpy.testing.assert_array_equal(uldor.Dataset(deeplesion).read_image(0).image[0], stored)


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
def test_files_that_are_no_such_png(deeplesion, case):
    content, kind, message = BAD_PNG[case]
    path = png_path(deeplesion, SERIES, 5)
    path.write_bytes(content)
    dataset = uldor.Dataset(deeplesion)
    with pytest.raises(kind) as error:
        dataset.read_image(0)
    said = str(error.value)
    assert said.startswith(f"{path}: ") and message in said and said.endswith(f"({deeplesion / 'DL_info.csv'}:2)")
    lines = []
    assert dataset.check(1, lines.append) == 1
    assert lines[0] == said and lines[-1] == "1 images with 1 lesions: 1 problems, 0 missing neighbours, 0 missing masks"


def test_any_cut_of_a_png_is_an_error(deeplesion):
    path = png_path(deeplesion, SERIES, 5)
    content = png(STORED, chunks=chunk(b"tEXt", b"a\0b") + chunk(b"abCd", b"unknown"))
    dataset = uldor.Dataset(deeplesion)
    path.write_bytes(content)
    numpy.testing.assert_array_equal(dataset.read_image(0).image[0], STORED)
    for end in list(range(0, 200)) + list(range(200, len(content), 97)):
        path.write_bytes(content[:end])
        with pytest.raises(uldor.FormatError):
            dataset.read_image(0)


def test_flipped_bytes_of_a_png(deeplesion):
    path = png_path(deeplesion, SERIES, 5)
    dataset = uldor.Dataset(deeplesion)
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


def test_missing_key_slice(deeplesion):
    path = png_path(deeplesion, SERIES, 5)
    path.unlink()
    dataset = uldor.Dataset(deeplesion)
    with pytest.raises(uldor.FileError) as error:
        dataset.read_image(0)
    assert str(error.value) == f"{path} ({deeplesion / 'DL_info.csv'}:2): there is no such file"
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


def test_a_check_can_be_ended(deeplesion):
    with pytest.raises(uldor.Cancelled):
        uldor.Dataset(deeplesion).check(1, lambda line: True)
    with pytest.raises(ZeroDivisionError):
        uldor.Dataset(deeplesion).check(1, lambda line: 1 / 0)
