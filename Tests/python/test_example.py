# SPDX-License-Identifier: Apache-2.0
"""What training sees: pixels as OpenCV and scipy make them, and boxes, masks and diameters that lie where the pixels do."""
from __future__ import annotations

import numpy
import pytest
from scipy import ndimage

import uldor
from conftest import phantom
from dataset_files import row, write_csv, write_mask, write_slice
from reference_augmentation import Variation, draw, make

SERIES = "000001_01_01"
FIELD = uldor.Augmentation()
FLIPS = uldor.Augmentation(flip_x=0.5, flip_y=0.5)
NONE = uldor.Augmentation(scale=(1, 1), position=0, slice_part=0)


def lesion_recist(cx, cy, long, short, angle):
    """Diameters that cross at their middle, in continuous coordinates."""
    c, s = numpy.cos(angle), numpy.sin(angle)
    return [cx - long / 2 * c, cy - long / 2 * s, cx + long / 2 * c, cy + long / 2 * s,
            cx + short / 2 * s, cy - short / 2 * c, cx - short / 2 * s, cy + short / 2 * c]


def coverage(cx, cy, long, short, angle, height, width, times=8):
    """Part of each pixel that the ellipse covers."""
    y, x = (numpy.mgrid[0:height * times, 0:width * times] + 0.5) / times
    c, s = numpy.cos(angle), numpy.sin(angle)
    u, v = (x - cx) * c + (y - cy) * s, -(x - cx) * s + (y - cy) * c
    inside = (u / (long / 2)) ** 2 + (v / (short / 2)) ** 2 <= 1
    return inside.reshape(height, times, width, times).mean((1, 3))


class Scene:
    """Slices 1..11 of one series: a body, and a bright ellipse that is the same in all of them; slice n has n * 10 HU in its
    body, so that the key slice can be told."""

    height, width, key = 230, 260, 6

    def __init__(self, folder, *, spacing=(0.7, 0.7), interval=1.0, angle=0.6, given=False, masks="pseudo"):
        self.spacing, self.interval = spacing, interval
        self.ellipse = (128.3, 117.8, 46.0, 27.0, angle)
        y, x = numpy.mgrid[0:self.height, 0:self.width]
        body = ((y - 116) / 95.0) ** 2 + ((x - 133) / 110.0) ** 2 < 1
        self.covered = coverage(*self.ellipse, self.height, self.width)
        self.volume = []
        for number in range(1, 12):
            hu = numpy.where(body, 10.0 * number, -1000.0)
            self.volume.append(numpy.round(hu * (1 - self.covered) + 1500 * self.covered).astype(numpy.int16))
            write_slice(folder, SERIES, number, self.volume[-1])
        recist = numpy.array(lesion_recist(*self.ellipse))
        write_csv(folder, [row(SERIES, self.key, recist=[repr(float(value + 0.5)) for value in recist],
                               box=self.box_field(recist + 0.5), spacing=(*spacing, interval), size=(self.height, self.width))])
        write_mask(folder, SERIES, self.key, self.covered > 0.5)
        self.recist = recist
        self.dataset = uldor.Dataset(folder, masks=masks, masks_directory=folder / "Masks_png")
        (lesion,) = self.dataset.lesions(0)
        self.box, self.diameter = lesion.box, lesion.diameters_mm[1]

    @staticmethod
    def box_field(recist):
        x, y = recist[0::2], recist[1::2]
        return [repr(float(value)) for value in (x.min() - 5, y.min() - 5, x.max() + 5, y.max() + 5)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.mark.parametrize("augmentation", [
    None, NONE, FIELD, FLIPS, uldor.Augmentation(slice_part=1, position=20, scale=(0.5, 2))])
def test_pixels_are_opencvs(scene, model, augmentation):
    shifts = set()
    for epoch in range(1 if augmentation is None else 25):
        example = scene.dataset.example(model, 0, augmentation=augmentation, seed=11, epoch=epoch)
        variation = Variation() if augmentation is None else draw(augmentation, 11, epoch, 0, scene.diameter, scene.interval)
        expected = make(scene.volume, scene.key - 1, variation, interval=scene.interval, spacing=scene.spacing)
        assert tuple(example["size"]) == expected.size
        assert example["input"][0].shape == expected.pixels.shape
        assert numpy.abs(example["input"][0] - expected.pixels).max() <= 1e-3 * 255
        numpy.testing.assert_allclose(
            example["boxes"][0],
            [min(expected.x(scene.box[0::2])), min(expected.y(scene.box[1::2])), max(expected.x(scene.box[0::2])),
             max(expected.y(scene.box[1::2]))], rtol=0, atol=1e-3)
        shifts.add(variation.slices)
    if augmentation in (FIELD, FLIPS):
        # 27 px * 0.7 mm / 2 * 0.5 = 4.7 slices
        assert len(shifts) > 4 and max(map(abs, shifts)) <= 4


def moments(weights):
    """Centre of mass and extent (two standard deviations along x and y), continuous coordinates."""
    y, x = numpy.mgrid[0:weights.shape[0], 0:weights.shape[1]] + 0.5
    total = weights.sum()
    cx, cy = (weights * x).sum() / total, (weights * y).sum() / total
    return (cx, cy, 2 * numpy.sqrt((weights * (x - cx) ** 2).sum() / total),
            2 * numpy.sqrt((weights * (y - cy) ** 2).sum() / total))


@pytest.mark.parametrize("masks", ["pseudo", "given"])
@pytest.mark.parametrize("spacing,angle", [((0.7, 0.7), 0.6), ((0.5, 1.1), -0.4), ((1.3, 0.9), 1.4), ((0.8, 0.8), 0.0)])
def test_annotations_lie_where_the_pixels_do(tmp_path, model, masks, spacing, angle):
    """The lesion as the network's input shows it against its box and mask, to half a pixel."""
    scene = Scene(tmp_path, spacing=spacing, angle=angle, masks=masks)
    for epoch in range(30):
        example = scene.dataset.example(model, 0, augmentation=FLIPS if epoch else None, seed=5, epoch=epoch)
        input_, mask, box = example["input"][0, 1], example["masks"][0], example["boxes"][0]
        height, width = example["size"].astype(int)
        # Between the body's brightness and the lesion's.
        inside = numpy.median(input_[mask > 0])
        ring = ndimage.binary_dilation(mask > 0, iterations=6) & ~ndimage.binary_dilation(mask > 0, iterations=3)
        outside = numpy.median(input_[ring])
        shown = numpy.clip((input_ - outside) / (inside - outside), 0, 1)
        shown[~ndimage.binary_dilation(mask > 0, iterations=6)] = 0
        seen, drawn = moments(shown), moments(mask)
        assert numpy.abs(numpy.subtract(seen, drawn)[:2]).max() < 0.5
        # A given mask is no finer than the image: half a pixel was lost when it was made, half is when it is looked up.
        scales = (box[2] - box[0]) / (scene.box[2] - scene.box[0]), (box[3] - box[1]) / (scene.box[3] - scene.box[1])
        tolerance = max(1, *scales) if masks == "given" else 0.5
        assert numpy.abs(numpy.subtract(seen, drawn)[2:]).max() < tolerance
        # The box is 5 image pixels larger on each side than the diameters, whose middle is the lesion's.
        assert abs((box[0] + box[2]) / 2 - seen[0]) < 0.5 and abs((box[1] + box[3]) / 2 - seen[1]) < 0.5
        rows, columns = numpy.nonzero(shown > 0.5)
        assert box[0] < columns.min() and box[2] > columns.max() + 1 and box[1] < rows.min() and box[3] > rows.max() + 1
        union = ((shown > 0.5) | (mask > 0)).sum()
        assert ((shown > 0.5) & (mask > 0)).sum() / union > 0.9
        assert not mask[height:].any() and not mask[:, width:].any()


def quarters_contain(recist, x, y):
    """The definition of the pseudo mask (method, section 4) for diameters that cross."""
    p1, p2, q1, q2 = numpy.asarray(recist).reshape(4, 2)
    d, e, w = p2 - p1, q2 - q1, q1 - p1
    s = (w[0] * e[1] - w[1] * e[0]) / (d[0] * e[1] - d[1] * e[0])
    centre = p1 + s * d
    found = numpy.zeros(x.shape, bool)
    for p in (p1 - centre, p2 - centre):
        for q in (q1 - centre, q2 - centre):
            determinant = p[0] * q[1] - p[1] * q[0]
            u = ((x - centre[0]) * q[1] - (y - centre[1]) * q[0]) / determinant
            v = (p[0] * (y - centre[1]) - p[1] * (x - centre[0])) / determinant
            found |= (u >= 0) & (v >= 0) & (u * u + v * v <= 1)
    return found


def test_pseudo_masks_are_drawn_from_the_moved_diameters(tmp_path, model):
    """Pixel for pixel where the supersampled definition is clear, for skewed and lopsided diameters."""
    random = numpy.random.default_rng(2)
    rows, recists = [], []
    for number in range(12):
        centre = random.uniform(60, 150, 2)
        directions = random.uniform(0, numpy.pi)
        other = directions + random.uniform(0.5, 2.6)
        d, e = ([numpy.cos(a), numpy.sin(a)] * random.uniform(4, 35, 2)[:, None] * [[-1], [1]] for a in (directions, other))
        recist = numpy.concatenate([(centre + d).ravel(), (centre + e).ravel()])
        recists.append(recist)
        rows.append(row(SERIES, 5, recist=recist + 0.5, spacing=(0.7, 1.1, 2), size=(230, 260),
                        Measurement_coordinates=", ".join(repr(float(value + 0.5)) for value in recist), Bounding_boxes=""))
    write_csv(tmp_path, rows)
    volume = list(phantom(9, 230, 260))
    for number, hu in enumerate(volume):
        write_slice(tmp_path, SERIES, number + 1, hu)
    dataset = uldor.Dataset(tmp_path)
    smallest = min(lesion.diameters_mm[1] for lesion in dataset.lesions(0))
    smallest = min([smallest] + [lesion.diameters_mm[0] for lesion in dataset.lesions(0)])
    for epoch in range(6):
        example = dataset.example(model, 0, augmentation=FLIPS, seed=3, epoch=epoch)
        expected = make(volume, 4, draw(FLIPS, 3, epoch, 0, smallest, 2.0), interval=2.0, spacing=(0.7, 1.1))
        assert tuple(example["size"]) == expected.size
        height, width = expected.size
        times = 5
        y, x = (numpy.mgrid[0:height * times, 0:width * times] + 0.5) / times
        for place, number in enumerate(example["lesions"].astype(int)):
            moved = numpy.array(recists[number])
            moved[0::2], moved[1::2] = expected.x(moved[0::2]), expected.y(moved[1::2])
            fine = quarters_contain(moved, x, y).reshape(height, times, width, times).mean((1, 3))
            mask = example["masks"][place][:height, :width] > 0
            assert mask[fine == 1].all() and not mask[fine == 0].any()
            centres = quarters_contain(moved, *(axis + 0.5 for axis in numpy.mgrid[0:height, 0:width][::-1]))
            assert (mask != centres).sum() <= 1  # a centre on the very edge


def test_given_masks_are_looked_up_at_pixel_centres(tmp_path, model):
    scene = Scene(tmp_path, spacing=(1.3, 0.6), masks="given")
    given = scene.covered > 0.5
    for epoch in range(10):
        example = scene.dataset.example(model, 0, augmentation=FLIPS, seed=1, epoch=epoch)
        expected = make(scene.volume, scene.key - 1, draw(FLIPS, 1, epoch, 0, scene.diameter, scene.interval),
                        interval=scene.interval, spacing=scene.spacing)
        height, width = expected.size
        x, y = numpy.arange(width) + 0.5, numpy.arange(height) + 0.5
        x, y = (width - x if expected.flips[0] else x), (height - y if expected.flips[1] else y)
        columns = numpy.floor(x / expected.scale[0] + expected.crop[0]).astype(int)
        rows = numpy.floor(y / expected.scale[1] + expected.crop[1]).astype(int)
        wanted = given[numpy.clip(rows, 0, given.shape[0] - 1)][:, numpy.clip(columns, 0, given.shape[1] - 1)]
        numpy.testing.assert_array_equal(example["masks"][0][:height, :width] > 0, wanted)


def test_draws_belong_to_seed_epoch_and_image(scene, model):
    def seen(**key):
        return scene.dataset.example(model, 0, augmentation=FIELD, **key)["input"].tobytes()

    assert seen(seed=1, epoch=2) == seen(seed=1, epoch=2)
    assert len({seen(seed=seed, epoch=epoch) for seed in (1, 2) for epoch in (1, 2)}) == 4


def test_augmentation_spreads(scene, model):
    """Every draw of the field's augmentation, over 2000 epochs, by its documented range and shape."""
    drawn = [draw(FLIPS, 4, epoch, 0, scene.diameter, scene.interval) for epoch in range(2000)]
    scales = numpy.array([variation.scale for variation in drawn])
    assert 0.8 <= scales.min() < 0.81 and 1.19 < scales.max() < 1.2 and abs(scales.mean() - 1) < 0.01
    for name in ("left", "top"):
        counts = numpy.bincount([getattr(variation, name) + 8 for variation in drawn], minlength=17)
        assert len(counts) == 17 and counts.min() > 70 and counts.max() < 170
    counts = numpy.bincount([variation.slices + 4 for variation in drawn], minlength=9)
    numpy.testing.assert_allclose(counts / 2000, numpy.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25, atol=0.03)
    assert 900 < sum(variation.flip_x for variation in drawn) < 1100


def test_lesions_beyond_the_crop(tmp_path, model):
    """Air is cropped away: a box in it is dropped, one across the body's edge is clipped; numbers tell which is which."""
    scene = Scene(tmp_path)
    write_csv(tmp_path, [
        row(SERIES, 6, Measurement_coordinates="", box=box, spacing=(0.7, 0.7, 1), size=(230, 260))
        for box in ((1, 1, 12, 9), (3, 100, 60, 140), (100, 100, 140, 140))])
    dataset = uldor.Dataset(tmp_path)
    example = dataset.example(model, 0)
    assert list(example["lesions"]) == [1, 2] and list(example["has_mask"]) == [0, 0] and list(example["labels"]) == [1, 1]
    assert example["boxes"][0][0] == 0 and example["boxes"][0][2] > 20
    assert not example["masks"].any()
    assert scene.dataset is not dataset


def test_images_without_lesions(tmp_path, model):
    dataset = uldor.Dataset.from_source([uldor.SourceImage((60, 70), lambda: phantom(3, 60, 70), spacing=0.8, slice_interval=2)])
    example = dataset.example(model, 0, augmentation=FIELD)
    assert example["boxes"].shape == (0, 4) and example["masks"].shape[0] == 0
    assert example["input"].shape[1] == 3


def test_the_input_is_the_sessions(scene, model, session):
    """The example of an image that is not varied is what detection would see of it."""
    read = scene.dataset.read_image(0, reach=model.slice_reach(scene.interval))
    seen, _ = session.input(read.image, "padded", **read.arguments)
    numpy.testing.assert_array_equal(scene.dataset.example(model, 0)["input"][0], seen)


def test_the_window_comes_first(tmp_path, model, session):
    scene = Scene(tmp_path)
    (tmp_path / "crops.csv").write_text(f"series,x1,y1,x2,y2\n{SERIES},31,41,230,200\n")
    dataset = uldor.Dataset(tmp_path, windows=tmp_path / "crops.csv")
    volume = [hu[40:200, 30:230] for hu in scene.volume]
    for epoch in range(5):
        example = dataset.example(model, 0, augmentation=FLIPS, seed=8, epoch=epoch)
        expected = make(volume, scene.key - 1, draw(FLIPS, 8, epoch, 0, scene.diameter, scene.interval),
                        interval=scene.interval, spacing=scene.spacing)
        assert numpy.abs(example["input"][0] - expected.pixels).max() <= 1e-3 * 255
        box = numpy.array(scene.box) - [30, 40, 30, 40]
        numpy.testing.assert_allclose(sorted(example["boxes"][0][0::2]), sorted(expected.x(box[0::2])), atol=1e-3)


def test_slices_move_as_far_as_they_are_stored(tmp_path, model):
    scene = Scene(tmp_path)
    for number in (5, 9):
        (tmp_path / "Images_png" / SERIES / f"{number:03d}.png").unlink()
        scene.volume[number - 1] = None
    wide = uldor.Augmentation(slice_part=1, scale=(1, 1), position=0)
    keys = set()
    for epoch in range(40):
        example = scene.dataset.example(model, 0, augmentation=wide, seed=2, epoch=epoch)
        variation = draw(wide, 2, epoch, 0, scene.diameter, scene.interval)
        expected = make(scene.volume, scene.key - 1, variation, interval=scene.interval, spacing=scene.spacing)
        assert numpy.abs(example["input"][0] - expected.pixels).max() <= 1e-3 * 255
        keys.add(float(numpy.median(example["input"][0, 1, :60, :60])))
    assert len(keys) == 3  # 6, 7, 8: the slices that can be reached


@pytest.mark.parametrize("bad,message", [
    (dict(scale=(1.2, 0.8)), "scale_low, scale_high are 1.2, 0.8"), (dict(scale=(0, 1)), "scale_low"),
    (dict(scale=(float("nan"), 1)), "scale_low"), (dict(position=-1), "position_px is -1"),
    (dict(slice_part=2), "slice_part is 2.0"),
    (dict(flip_x=-0.1), "flip_x is -0.1"), (dict(flip_y=float("nan")), "flip_y is nan"),
])
def test_augmentations_that_make_no_sense(scene, model, bad, message):
    with pytest.raises(uldor.InvalidArgument, match=message):
        scene.dataset.example(model, 0, augmentation=uldor.Augmentation(**bad))


def test_an_image_without_spacing_is_named(model):
    dataset = uldor.Dataset.from_source([uldor.SourceImage((60, 70), lambda: phantom(3, 60, 70), slice_interval=2, name="n")])
    with pytest.raises(uldor.ImageError, match=r"source image 0 \(n\): image.spacing_x_mm is not known"):
        dataset.example(model, 0)


def test_real_slices(data, model):
    """Genuine slices under every augmentation, against OpenCV; the lesion's box keeps its part of the input."""
    from PIL import Image

    folder = data / "deeplesion_mini"
    dataset = uldor.Dataset(folder)
    for index, image in dataset.images():
        series, key = image.name.split("/")
        stored = {int(path.stem): path for path in (folder / "Images_png" / series).glob("*.png")}
        volume = [numpy.asarray(Image.open(stored[n])).astype(numpy.int32) - 32768 if n in stored else None
                  for n in range(max(stored) + 1)]
        smallest = min(min(lesion.diameters_mm) for lesion in dataset.lesions(index))
        for epoch in range(4):
            example = dataset.example(model, index, augmentation=FLIPS, seed=6, epoch=epoch)
            variation = draw(FLIPS, 6, epoch, index, smallest, image.slice_interval)
            expected = make(volume, int(key), variation, interval=image.slice_interval, spacing=image.spacing)
            assert numpy.abs(example["input"][0] - expected.pixels).max() <= 1e-3 * 255
            for place, lesion in enumerate(dataset.lesions(index)):
                box = numpy.array(lesion.box)
                numpy.testing.assert_allclose(sorted(example["boxes"][place][0::2]), sorted(expected.x(box[0::2])), atol=2e-3)
                numpy.testing.assert_allclose(sorted(example["boxes"][place][1::2]), sorted(expected.y(box[1::2])), atol=2e-3)
