# SPDX-License-Identifier: Apache-2.0
"""Every step from pixels to the network's input against OpenCV and scipy (reference_input.py)."""
from __future__ import annotations

import csv

import cv2
import numpy
import pytest

import reference_input
import uldor
from conftest import phantom
from reference_input import Settings
from safetensors_bytes import changed, tensors

STEPS = list(uldor.INPUT_STEPS)


def compare(session, image, *, key=None, interval=2.0, spacing=(0.8, 0.8), slope=1.0, intercept=0.0, settings=None):
    """Every step within 1e-3 of its range; size, crop and scale exact. The library's and the reference's last step."""
    settings = settings or Settings()
    key = len(image) // 2 if key is None else key
    expected = reference_input.steps(list(image), key, interval=interval, spacing=spacing, slope=slope, intercept=intercept,
                                     settings=settings)
    for step in STEPS:
        seen, info = session.input(image, step, spacing=spacing, slice_interval=interval, slope=slope, intercept=intercept,
                                   key_slice=key)
        wanted = expected.arrays[step]
        assert seen.shape == wanted.shape == (info.channels, info.height, info.width), step
        scale = wanted.max() - wanted.min() if step == "hu" else settings.range[1] - settings.range[0]
        if step in ("normalised", "padded"):
            scale = scale / numpy.min(settings.std)
        assert numpy.abs(seen - wanted).max() <= 1e-3 * max(scale, 1e-9), step
    assert (info.crop_left, info.crop_top, info.crop_width, info.crop_height) == tuple(expected.crop)
    assert (info.scale_x, info.scale_y) == pytest.approx(tuple(expected.scale), rel=1e-12)
    assert (info.input_height, info.input_width) == expected.arrays["scaled"].shape[1:]
    return seen, expected


def test_the_placement_is_told_at_every_step(session, volume):
    """Only channels, height and width are of the step asked for."""
    placements = {session.input(volume, step, spacing=0.7, slice_interval=2)[1][3:] for step in STEPS}
    assert len(placements) == 1


@pytest.mark.parametrize("interval", [0.5, 0.75, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 3.27, 4, 5, 7.5, 10])
def test_slice_intervals(session, interval):
    compare(session, phantom(11, 60, 70), interval=interval)


@pytest.mark.parametrize("size", [(40, 40), (41, 63), (97, 131), (33, 200), (200, 33), (8, 8), (7, 9)])
@pytest.mark.parametrize("spacing", [(0.8, 0.8), (0.5, 0.5), (1.3, 1.3), (0.4, 0.4), (1.6, 1.6), (0.7, 0.9), (1.1, 0.45), (0.314453, 0.314453)])
def test_sizes_and_spacings(session, size, spacing):
    compare(session, phantom(3, *size), spacing=spacing)


def test_the_long_side_is_capped(session, model):
    for size, spacing in (((150, 180), (4.1, 4.1)), ((150, 180), (3, 4.5)), ((180, 150), (2.9, 3.0)), ((300, 310), (2.1, 1.9))):
        seen, expected = compare(session, phantom(3, *size), spacing=spacing)
        assert max(expected.arrays["scaled"].shape) == model.info.max_size


def test_the_cap_holds_without_resampling(model):
    settings = Settings(resampling=False)
    with model.session(resampling=False) as session:
        compare(session, phantom(3, 90, 80), settings=settings)
        _, expected = compare(session, phantom(1, 700, 620), settings=settings)
        assert max(expected.arrays["scaled"].shape) <= 512


@pytest.mark.parametrize("key", range(7))
@pytest.mark.parametrize("interval", [0.5, 0.75, 1, 1.5, 2, 3, 5])
def test_neighbours_beyond_the_ends(session, key, interval):
    compare(session, phantom(7, 40, 50), key=key, interval=interval)


@pytest.mark.parametrize("missing", [(0,), (2,), (4,), (2, 4), (0, 2), (1, 2, 4, 5), (0, 1, 2, 4, 5, 6), (1, 5)])
@pytest.mark.parametrize("interval", [0.7, 1, 1.5, 2, 5])
def test_neighbours_that_are_not_there(session, missing, interval):
    image = [None if number in missing else slice_ for number, slice_ in enumerate(phantom(7, 40, 50))]
    compare(session, image, key=3, interval=interval)


def test_replaced_neighbours_are_counted(plain, volume):
    def missing(image, interval=2.0, key=None):
        return plain.detect(image, slice_interval=interval, key_slice=key).missing_neighbours

    assert missing(volume) == 0
    assert missing(volume, key=0) == missing(volume, key=6) == 1
    assert missing(volume[:1]) == 2
    assert missing([None, volume[0], volume[1]]) == 1
    assert missing(volume, interval=0.5) == 2
    assert missing(volume[:3], interval=5) == 0
    assert plain.detect(volume[0]).missing_neighbours == 2


def test_one_slice_without_an_interval(session, volume):
    seen, _ = session.input(volume[3], "hu", spacing=0.8)
    assert all(numpy.array_equal(channel, volume[3]) for channel in seen)


@pytest.mark.parametrize("dtype, slope, intercept", [("uint16", 1, -32768), ("uint16", 0.5, -1024), ("float32", 1, 0),
                                                     ("float32", 2.5, 3), ("int16", 2, -100), ("int16", -1, 0)])
def test_types_slopes_and_intercepts(session, dtype, slope, intercept):
    hu = phantom(5, 50, 60).astype(numpy.float64)
    stored = (hu - intercept) / slope
    stored = stored.astype(dtype) if dtype == "float32" else numpy.round(stored).astype(dtype)
    compare(session, stored, slope=slope, intercept=intercept, interval=3)


def test_negative_strides(session):
    image = phantom(5, 50, 61)
    compare(session, image[::-1, ::-1, ::-1])
    compare(session, image[:, 5:45:2, 60:3:-2])
    compare(session, numpy.asfortranarray(image).astype(numpy.float32))


@pytest.mark.parametrize("name", ["air", "full", "pixel", "specks", "edge", "corner", "hole", "two", "frame", "line"])
def test_bodies(session, name):
    image = numpy.full((3, 60, 80), -1000, numpy.int16)
    if name == "full":
        image[:] = 50
    elif name == "pixel":
        image[1, 30, 40] = 100
    elif name == "specks":
        image[1][numpy.random.default_rng(1).random((60, 80)) < 0.3] = 100
    elif name == "edge":
        image[1, 20:40, :9] = 100
    elif name == "corner":
        image[1, 50:, 70:] = 100
    elif name == "hole":
        image[1, 10:50, 10:70] = 100
        image[1, 20:40, 20:60] = -1000
    elif name == "two":
        image[1, 5:14, 5:14] = image[1, 40:49, 60:71] = 100
    elif name == "frame":
        image[1, :8] = image[1, -8:] = 100
    elif name == "line":
        image[1, 30:36] = 100  # 6 pixels high: the opening removes it
    compare(session, image)


def test_the_threshold_is_exclusive(session):
    image = numpy.full((1, 40, 40), -768, numpy.int16)
    image[0, 10:30, 12:33] = -767
    _, info = session.input(image, "cropped", spacing=0.8, slice_interval=2)
    assert (info.crop_left, info.crop_top, info.crop_width, info.crop_height) == (12, 10, 21, 20)


def test_only_the_key_slice_decides_about_the_crop(session):
    image = numpy.full((3, 40, 40), -1000, numpy.int16)
    image[0] = image[2] = 200
    image[1, 10:30, 12:33] = 0
    compare(session, image)


def test_without_a_crop(model):
    with model.session(body_crop=False) as session:
        compare(session, phantom(3, 50, 70), settings=Settings(body_crop=False), spacing=(0.7, 0.7))


CONFIGURATIONS = {
    "window": dict(window_hu=[-175, 275]),
    "range": dict(range=[0, 1], mean=0.5, std=0.25),
    "negative range": dict(range=[-1, 1], mean=0),
    "each channel": dict(mean=[10, 50, 90], std=[1, 2, 4]),
    "distance": dict(slice_distance_mm=3.5),
    "threshold": dict(body_threshold_hu=-200),
    "no opening": dict(body_opening=1),
    "opening of 3": dict(body_opening=3),
    "no crop": dict(body_crop=False),
    "spacing": dict(spacing_mm=0.55),
    "small": dict(max_size=64),
    "divisor of 64": dict(size_divisor=64),
    "divisor of 128": dict(size_divisor=128),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations(weights, model, name):
    fields = CONFIGURATIONS[name]
    with uldor.Model(weights, config={**model.config, "input": fields}) as other, other.session() as session:
        compare(session, phantom(7, 61, 83), spacing=(0.7, 0.9), interval=1.5, settings=Settings(**fields))


@pytest.mark.parametrize("slices", [1, 5, 9])
def test_other_numbers_of_slices(weights, slices):
    name = "backbone.body.conv1.weight"
    weight = numpy.repeat(tensors(weights)[name][:, :1], slices, axis=1)
    data = changed(weights, {name: weight}, {"input": {"slices": slices}})
    with uldor.Model.from_bytes(data) as model, model.session() as session:
        assert model.info.input_channels == slices
        for interval in (0.75, 2, 3, 5):
            compare(session, phantom(21, 40, 50), interval=interval, settings=Settings(slices=slices))
            compare(session, phantom(5, 40, 50), interval=interval, settings=Settings(slices=slices), key=1)
        session.detect(phantom(5, 40, 50), spacing=0.8, slice_interval=2)


def test_detect_is_forward_of_the_input(session, volume):
    """Boxes of detect() are those of the network's input, moved by crop and scale and clipped to the image; one that lies
    in the input's last, rounded-up row may have no extent left there."""
    arguments = dict(spacing=(0.7, 0.9), slice_interval=1.5)
    network, info = session.input(volume, "normalised", **arguments)
    inner, outer = session.forward(network), session.detect(volume, **arguments)
    scale = numpy.array([info.scale_x, info.scale_y] * 2)
    corner = numpy.array([info.crop_left, info.crop_top] * 2)
    moved = numpy.clip(inner.boxes / scale + corner, 0, [outer.width, outer.height] * 2)
    left = (moved[:, 2:] > moved[:, :2]).all(axis=1)
    assert left.sum() >= len(left) - 5
    assert numpy.array_equal(inner.scores[left], outer.scores)
    assert numpy.allclose(outer.boxes, moved[left], atol=1e-4)


def test_the_padded_step_is_the_normalised_one_with_zeros(session, volume):
    arguments = dict(spacing=(0.7, 0.9), slice_interval=1.5)
    inner, info = session.input(volume, "normalised", **arguments)
    outer, padded = session.input(volume, "padded", **arguments)
    assert padded.height % 32 == padded.width % 32 == 0
    assert numpy.array_equal(outer[:, :info.height, :info.width], inner)
    assert not outer[:, info.height:].any() and not outer[:, :, info.width:].any()


# ------------------------------------------------------------------------------------------------- real data

def read(folder, number):
    """A slice as it is stored, or None."""
    file = folder / f"{number:03d}.png"
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.is_file() else None


def rows(data, name):
    with open(data / name / "DL_info.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name, step", [("deeplesion_mini", 1), ("sts", 97), ("lung1", 1)])
def test_real_key_slices(session, data, name, step):
    """16-bit PNGs with the spacing and interval of DL_info.csv, neighbours where they are stored."""
    compared = 0
    for row in rows(data, name)[::step]:
        x, y, interval = (float(part) for part in row["Spacing_mm_px_"].split(","))
        series, _, number = row["File_name"][:-4].rpartition("_")
        folder, number = data / name / "Images_png" / series, int(number)
        reach = session.model.slice_reach(interval)
        slices = [read(folder, other) for other in range(number - reach, number + reach + 1)]
        if slices[reach] is None:
            continue
        assert slices[reach].dtype == numpy.uint16
        compare(session, slices, key=reach, interval=interval, spacing=(x, y), intercept=-32768)
        compared += 1
    assert compared >= 3
