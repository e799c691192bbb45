# SPDX-License-Identifier: Apache-2.0
"""Masks, run lengths, contours and diameters of detections, against pycocotools, OpenCV, shapely and brute force."""
from __future__ import annotations

import ctypes

import cv2
import numpy
import pytest
import shapely
from scipy import ndimage
from scipy.spatial.distance import cdist

import uldor
from uldor import _abi

SPACING = (0.7, 0.9)


def centres_inside(contours, shape):
    """Pixels whose centre lies within the contours, by even-odd counting; independent of the library's filling."""
    rows, columns = shape
    inside = numpy.zeros(shape, bool)
    xs = numpy.arange(columns) + 0.5
    for contour in contours:
        start, end = contour, numpy.roll(contour, -1, axis=0)
        for row in range(rows):
            y = row + 0.5
            crossing = (start[:, 1] <= y) != (end[:, 1] <= y)
            if not crossing.any():
                continue
            a, b = start[crossing], end[crossing]
            at = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
            inside[row] ^= (numpy.sort(at)[:, None] < xs).sum(axis=0) % 2 == 1
    return inside


def signed_area(contour):
    x, y = contour.T
    return 0.5 * float(numpy.sum(x * numpy.roll(y, -1) - numpy.roll(x, -1) * y))


@pytest.fixture(scope="module")
def masked(result):
    """Detections with a mask."""
    found = [detection for detection in result if detection.area_px]
    assert len(found) > 5
    return found


def test_a_result_is_a_sequence(result):
    assert len(result) == len(list(result)) == len(result[:]) == len(result.boxes)
    assert result[0].box == result[-len(result)].box and result[-1].box == result[len(result) - 1].box
    assert [found.box for found in result[2:8:3]] == [result[2].box, result[5].box]
    for wrong in (len(result), -len(result) - 1):
        with pytest.raises(IndexError):
            result[wrong]
    assert "detections" in repr(result) and "lesion" in repr(result[0])


def test_boxes_lie_in_the_image(result, volume):
    assert (result.height, result.width) == volume.shape[1:]
    boxes = result.boxes
    assert (boxes >= 0).all() and (boxes[:, 2] <= result.width).all() and (boxes[:, 3] <= result.height).all()


def test_boxes_have_an_extent(result):
    """Also those in the part of a pixel that the input is longer than the image, where its size was rounded up."""
    boxes = result.boxes
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_area_counts_the_bitmap(result):
    for found in result:
        assert found.mask.shape == (result.height, result.width) and found.mask.dtype == bool
        assert found.area_px == found.mask.sum()
        assert found.area_mm2 == pytest.approx(found.area_px * SPACING[0] * SPACING[1], rel=1e-12)


def test_masks_are_read_only_and_kept(result):
    found = result[0]
    assert found.mask is found.mask
    for array in (found.mask, found.mask_probabilities, *found.contours):
        with pytest.raises(ValueError):
            array[:] = 0


def test_the_mask_lies_at_the_box(masked):
    for found in masked:
        rows, columns = numpy.nonzero(found.mask)
        x1, y1, x2, y2 = found.box
        # The probabilities reach half a mask cell beyond the box, and pasting cuts the box to whole pixels.
        reach = 2 + max(x2 - x1, y2 - y1) / 28
        assert columns.min() + 0.5 > x1 - reach and columns.max() + 0.5 < x2 + reach
        assert rows.min() + 0.5 > y1 - reach and rows.max() + 0.5 < y2 + reach


def test_mask_probabilities(result, model):
    for found in result:
        side = model.info.mask_size
        assert found.mask_probabilities.shape == (side, side)
        assert (found.mask_probabilities >= 0).all() and (found.mask_probabilities <= 1).all()


# ------------------------------------------------------------------------------------------------ run lengths

def test_run_lengths_are_cocos(result):
    mask_api = pytest.importorskip("pycocotools.mask")
    for found in result:
        compressed = mask_api.frPyObjects(found.rle, *found.rle["size"])
        assert numpy.array_equal(mask_api.decode(compressed).astype(bool), found.mask)
        assert mask_api.encode(numpy.asfortranarray(found.mask.view(numpy.uint8)))["counts"] == compressed["counts"]
        assert mask_api.area(compressed) == found.area_px


def test_run_lengths_add_up(result):
    for found in result:
        counts = found.rle["counts"]
        assert sum(counts) == result.width * result.height
        assert all(counts[1:]), "only the first run may be empty"


# --------------------------------------------------------------------------------------------------- contours

def test_contours_enclose_the_set_pixels(masked, result):
    for found in masked:
        assert numpy.array_equal(centres_inside(found.contours, found.mask.shape), found.mask)


def test_contours_agree_with_opencv(masked):
    """cv2.pointPolygonTest at every pixel's centre near the mask."""
    for found in masked[:5]:
        rows, columns = numpy.nonzero(ndimage.binary_dilation(found.mask, iterations=2))
        for row, column in zip(rows, columns):
            signs = sum(
                cv2.pointPolygonTest(contour.astype(numpy.float32)[:, None], (column + 0.5, row + 0.5), False) > 0
                for contour in found.contours)
            assert (signs % 2 == 1) == found.mask[row, column]


def test_contours_are_simple_and_oriented(masked):
    for found in masked:
        areas = [signed_area(contour) for contour in found.contours]
        sizes = numpy.abs(areas)
        assert (numpy.diff(sizes) <= 1e-9).all(), "largest first"
        polygons = [shapely.Polygon(contour) for contour in found.contours]
        for contour, area, polygon in zip(found.contours, areas, polygons):
            assert len(contour) >= 3 and numpy.isfinite(contour).all()
            assert polygon.is_valid, shapely.is_valid_reason(polygon)
            depth = sum(other.contains(polygon) for other in polygons if other is not polygon)
            assert (area > 0) == (depth % 2 == 0), "outer contours are positive, holes negative"
        assert len(contour) == len({tuple(point) for point in contour}), "closed without a repeated point"


def test_contours_count_the_pieces(masked):
    for found in masked:
        outer = sum(signed_area(contour) > 0 for contour in found.contours)
        pieces = [ndimage.label(found.mask, structure)[1] for structure in (None, numpy.ones((3, 3)))]
        assert pieces[1] <= outer <= pieces[0]


def test_contours_stay_within_the_image(masked, result):
    for found in masked:
        for contour in found.contours:
            assert (contour >= 0).all() and (contour <= (result.width, result.height)).all()


# -------------------------------------------------------------------------------------------------- diameters

def longest_chord(contour, long_, direction, spacing):
    """The longest chord of a polygon along `direction` (pixels) that meets the segment `long_`: exact, because the chord's
    length is piecewise linear between lines through vertices. Tries the lines through all vertices, nudged to both
    sides; mm."""
    segment = shapely.LineString(long_)
    polygon = shapely.Polygon(contour)
    far = direction * 4 * numpy.hypot(*(contour.max(axis=0) - contour.min(axis=0)) + 1) / numpy.hypot(*direction)
    normal = numpy.array([-direction[1], direction[0]]) / numpy.hypot(*direction)
    best = 0.0
    for point in contour:
        for nudge in (-1e-7, 1e-7):
            base = point + normal * nudge
            crossing = polygon.intersection(shapely.LineString([base - far, base + far]))
            for piece in getattr(crossing, "geoms", [crossing]):
                xy = numpy.array(piece.coords)
                if len(xy) >= 2 and piece.distance(segment) < 1e-6:
                    best = max(best, float(numpy.hypot(*((xy[-1] - xy[0]) * spacing))))
    return best


def test_the_long_diameter_is_the_greatest_distance(masked):
    spacing = numpy.array(SPACING)
    for found in masked:
        contour = max(found.contours, key=signed_area)
        expected = cdist(contour * spacing, contour * spacing).max()
        long_ = found.long_diameter
        assert long_.mm == pytest.approx(expected, abs=1e-6)
        ends = numpy.array([long_.start, long_.end])
        assert numpy.hypot(*((ends[1] - ends[0]) * spacing)) == pytest.approx(long_.mm, abs=1e-9)
        assert numpy.hypot(*(ends[1] - ends[0])) == pytest.approx(long_.px, abs=1e-9)
        assert cdist(ends, contour).min(axis=1).max() < 1e-9, "its ends are points of the contour"


def test_the_short_diameter_is_the_longest_chord_across(masked):
    spacing = numpy.array(SPACING)
    for found in masked[:12]:
        contour = max(found.contours, key=signed_area)
        long_, short = found.long_diameter, found.short_diameter
        along = (numpy.array(long_.end) - long_.start) * spacing
        across = (numpy.array(short.end) - short.start) * spacing
        assert short.mm == pytest.approx(float(numpy.hypot(*across)), abs=1e-9)
        assert short.px == pytest.approx(float(numpy.hypot(*(numpy.array(short.end) - short.start))), abs=1e-9)
        if short.mm > 1e-6:
            assert abs(along @ across) <= 1e-6 * numpy.hypot(*along) * numpy.hypot(*across), "at a right angle"
            middle = (numpy.array(short.start) + short.end) / 2
            assert shapely.Polygon(contour).buffer(1e-6).contains(shapely.Point(middle)), "inside the mask"
        direction = numpy.array([-along[1], along[0]]) / spacing
        assert short.mm == pytest.approx(longest_chord(contour, [long_.start, long_.end], direction, spacing), abs=1e-4)
        assert short.mm <= long_.mm + 1e-9


def test_diameters_without_a_spacing(plain, volume):
    for found in plain.detect(volume[3]):
        assert found.area_mm2 is None
        if found.area_px:
            assert found.long_diameter.mm is None and found.short_diameter.mm is None
            contour = max(found.contours, key=signed_area)
            assert found.long_diameter.px == pytest.approx(cdist(contour, contour).max(), abs=1e-6)


def test_an_empty_mask(weights, volume):
    """With the mask's threshold at 1 nothing is set; a detection then has no contour and no diameter."""
    with uldor.Model(weights, config=_with(weights, mask={"threshold": 1.0})) as model, model.session() as session:
        result = session.detect(volume[3], spacing=0.8)
        assert len(result)
        for found in result:
            assert not found.mask.any() and found.contours == [] and found.area_px == 0
            assert found.long_diameter is None and found.short_diameter is None
            assert found.rle["counts"] == [result.width * result.height]


def test_a_full_mask(weights, volume):
    """With the threshold at 0 the mask is the pasted box: contours that meet the image's edge must close."""
    with uldor.Model(weights, config=_with(weights, mask={"threshold": 0.0})) as model:
        with model.session(resampling=False, body_crop=False) as session:
            for found in session.detect(volume[3])[:20]:
                assert found.area_px and numpy.array_equal(centres_inside(found.contours, found.mask.shape), found.mask)


def test_other_thresholds(weights, volume):
    for threshold in (0.1, 0.3, 0.9):
        with uldor.Model(weights, config=_with(weights, mask={"threshold": threshold})) as model, model.session() as session:
            for found in session.detect(volume[3], spacing=0.8)[:30]:
                assert numpy.array_equal(centres_inside(found.contours, found.mask.shape), found.mask)


def _with(weights, **changes):
    with uldor.Model(weights) as model:
        return {**model.config, **changes}


# ------------------------------------------------------------------------------------------- buffers and handles

def test_results_of_an_image_without_detections(model):
    with model.session(score_threshold=1.0) as session:
        result = session.detect(numpy.zeros((50, 60), numpy.int16), spacing=0.8)
    assert len(result) == 0 and list(result) == [] and result[:] == []
    assert result.boxes.shape == (0, 4) and result.scores.shape == (0,)
    with pytest.raises(IndexError):
        result[0]


def test_close(session, volume):
    result = session.detect(volume[3], spacing=0.8)
    found = result[0]
    result.close()
    result.close()
    for use in (lambda: found.mask, lambda: found.contours, lambda: found.rle, lambda: result[0],
                lambda: found.mask_probabilities):
        with pytest.raises(uldor.InvalidArgument, match="result is closed"):
            use()


def test_a_detection_keeps_its_result(session, volume):
    found = session.detect(volume[3], spacing=0.8)[0]
    assert found.mask.shape == volume[3].shape


def test_row_strides_and_capacities(result):
    lib, handle = _abi.lib, result._pointer
    height, width = result.height, result.width
    stride = width + 13
    needed = (height - 1) * stride + width
    buffer = numpy.full(needed + 1, 9, numpy.uint8)
    out = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
    assert lib.uldor_result_get_mask(handle, 0, out, needed - 1, stride) == -9
    assert (buffer == 9).all()
    assert lib.uldor_result_get_mask(handle, 0, out, needed, width - 1) == -1
    assert lib.uldor_result_get_mask(handle, 0, out, needed, 2**63) in (-1, -2, -9)
    assert (buffer == 9).all()
    assert lib.uldor_result_get_mask(handle, 0, out, needed, stride) == 0
    rows = numpy.lib.stride_tricks.as_strided(buffer, (height, stride), (stride, 1))[:-1]
    assert numpy.array_equal(rows[:, :width], result[0].mask[:-1].view(numpy.uint8))
    assert (rows[:, width:] == 9).all() and buffer[-1] == 9, "bytes between the rows stay"


def test_two_calls(result):
    lib, handle = _abi.lib, result._pointer
    count = ctypes.c_size_t()
    runs = result[0].rle["counts"]
    buffer = (ctypes.c_uint32 * len(runs))(*([7] * len(runs)))
    assert lib.uldor_result_get_mask_rle(handle, 0, buffer, len(runs) - 1, ctypes.byref(count)) == -9
    assert list(buffer) == [7] * len(runs)
    points = len(result[0].contours[0])
    xy = (ctypes.c_double * (2 * points))()
    assert lib.uldor_result_get_contour(handle, 0, 0, xy, points - 1, ctypes.byref(count)) == -9
    assert not any(xy)
    out = (ctypes.c_float * (28 * 28))()
    assert lib.uldor_result_get_mask_probabilities(handle, 0, out, 28 * 28 - 1) == -9
    assert not any(out)


@pytest.mark.parametrize("index", [-1, 100000, 2**31 - 1, -(2**31)])
def test_indices_out_of_range(result, index):
    lib, handle = _abi.lib, result._pointer
    detection = _abi.new(_abi.detection)
    number, count = ctypes.c_int32(), ctypes.c_size_t()
    assert lib.uldor_result_get(handle, index, ctypes.byref(detection)) == -1
    assert "index" in lib.uldor_last_error().decode()
    assert lib.uldor_result_get_mask_rle(handle, index, None, 0, ctypes.byref(count)) == -1
    assert lib.uldor_result_get_contour_count(handle, index, ctypes.byref(number)) == -1
    assert lib.uldor_result_get_contour(handle, index, 0, None, 0, ctypes.byref(count)) == -1
    assert lib.uldor_result_get_contour(handle, 0, index, None, 0, ctypes.byref(count)) == -1


def test_older_programs_get_the_fields_they_know(result):
    """A struct that ends earlier is filled up to there, and not beyond."""
    raw = _abi.detection()
    ctypes.memset(ctypes.byref(raw), 0x5a, ctypes.sizeof(raw))
    raw.struct_size = _abi.detection.area_px.offset
    assert _abi.lib.uldor_result_get(result._pointer, 0, ctypes.byref(raw)) == 0
    assert (raw.x1, raw.y1, raw.x2, raw.y2) == result[0].box
    assert bytes(raw)[_abi.detection.area_px.offset:] == b"\x5a" * (ctypes.sizeof(raw) - _abi.detection.area_px.offset)
    raw.struct_size = 0
    assert _abi.lib.uldor_result_get(result._pointer, 0, ctypes.byref(raw)) == -1
    assert "struct_size" in _abi.lib.uldor_last_error().decode()
