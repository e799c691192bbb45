# SPDX-License-Identifier: Apache-2.0
"""Pseudo masks against the formula of their definition, and on every public DeepLesion row."""
from __future__ import annotations

import csv
import ctypes
import math
from collections import Counter

import numpy
import pytest
import shapely

import uldor
from uldor import _abi


def crossing(recist):
    """(centre, on both segments) of the diameters, by Cramer's rule; the mean of the mid-points where they do not cross."""
    p1, p2, q1, q2 = numpy.asarray(recist, float).reshape(4, 2)
    d, e, w = p2 - p1, q2 - q1, q1 - p1
    determinant = d[0] * e[1] - d[1] * e[0]
    if determinant:
        s, t = (w[0] * e[1] - w[1] * e[0]) / determinant, (w[0] * d[1] - w[1] * d[0]) / determinant
        if 0 <= s <= 1 and 0 <= t <= 1:
            return p1 + s * d, True
    return (p1 + p2 + q1 + q2) / 4, False


def quarters(recist):
    """(C, P - C, Q - C) for each pair of end points of different diameters."""
    points = numpy.asarray(recist, float).reshape(4, 2)
    centre, _ = crossing(recist)
    return [(centre, p - centre, q - centre) for p in points[:2] for q in points[2:]]


def inside(recist, x, y):
    """The definition at points x, y: C + u (P-C) + v (Q-C) with u, v >= 0 and u^2 + v^2 <= 1, for any quarter. Also where
    rounding decides: closer than 1e-9 to an edge."""
    found, near = numpy.zeros(x.shape, bool), numpy.zeros(x.shape, bool)
    for centre, p, q in quarters(recist):
        determinant = p[0] * q[1] - p[1] * q[0]
        if abs(determinant) < 1e-12 * max(1, p @ p + q @ q):
            continue
        dx, dy = x - centre[0], y - centre[1]
        u, v = (dx * q[1] - dy * q[0]) / determinant, (dy * p[0] - dx * p[1]) / determinant
        least = numpy.minimum(numpy.minimum(u, v), 1 - u * u - v * v)
        found |= least >= 0
        near |= numpy.abs(least) < 1e-9
    return found, near


def area_of_union(recist, steps=400):
    """Area of the union of the quarters, each as a fine polygon."""
    angles = numpy.linspace(0, numpy.pi / 2, steps)
    pieces = []
    for centre, p, q in quarters(recist):
        arc = centre + numpy.cos(angles)[:, None] * p + numpy.sin(angles)[:, None] * q
        pieces.append(shapely.Polygon([centre, *arc]).buffer(0))
    return shapely.unary_union(pieces).area


def product(recist):
    """pi / 4 * long * short * sin(angle)."""
    p1, p2, q1, q2 = numpy.asarray(recist, float).reshape(4, 2)
    d, e = p2 - p1, q2 - q1
    return math.pi / 4 * abs(d[0] * e[1] - d[1] * e[0])


def check_bitmap(mask, recist, width, height):
    """The bitmap equals the definition at every pixel's centre."""
    bitmap = mask.bitmap(width, height)
    y, x = numpy.mgrid[0:height, 0:width] + 0.5
    expected, near = inside(recist, x, y)
    assert bitmap.shape == (height, width) and bitmap.dtype == bool
    assert not ((bitmap != expected) & ~near).any()
    return bitmap


ALONG, ACROSS = [10, 30, 50, 30], [30, 20, 30, 40]
CASES = {
    "perpendicular": ALONG + ACROSS,
    "off centre": [10, 30, 50, 30, 18, 12.5, 18, 36],
    "oblique": [10, 20, 50, 45, 22, 40, 33, 24],
    "67 degrees off": [10, 30, 50, 30, 20, 26, 44, 36],
    "short longer than long": ACROSS + ALONG,
    "ends swapped": [50, 30, 10, 30, 30, 40, 30, 20],
    "touching at an end": [10, 30, 50, 30, 30, 30, 30, 50],
    "sharing an end": [10, 30, 50, 30, 10, 30, 12, 50],
    "through the image's origin": [0, 0, 40, 40, 10, 30, 30, 10],
    "line through the origin": [10, 10, 50, 50, 20, 40, 40, 20],
    "both through the origin": [-20, -20, 20, 20, -15, 15, 15, -15],
    "outside the image": [-30, 20, 45, 25, 8, -20, 5, 60],
    "wholly outside": [-30, -20, -5, -25, -18, -40, -16, -8],
    "tiny": [10.2, 10.2, 10.9, 10.3, 10.5, 10.0, 10.55, 10.6],
    "thin": [5, 5, 60, 6, 30, 5.2, 30.1, 5.8],
    "large": [-800, 20, 900, 30, 40, -700, 60, 800],
}
APART = {
    "not crossing": [10, 30, 30, 30, 40, 20, 40, 44],
    "beyond one end": [10, 30, 50, 30, 30, 33, 30, 50],
    "parallel": [10, 30, 50, 30, 15, 36, 40, 36],
    "parallel and apart": [10, 30, 30, 30, 40, 36, 60, 36],
    "nearly parallel": [10, 30, 50, 30, 15, 36, 40, 36.0000001],
}


@pytest.mark.parametrize("name", CASES)
def test_crossing_diameters(name):
    recist = CASES[name]
    mask = uldor.PseudoMask(recist)
    centre, crosses = crossing(recist)
    assert mask.crosses == crosses is True
    assert mask.centre == pytest.approx(tuple(centre), abs=1e-9)
    assert mask.area == pytest.approx(product(recist), rel=1e-9)
    assert mask.area == pytest.approx(area_of_union(recist), rel=1e-4)
    polygon = shapely.Polygon(mask.polygon)
    assert polygon.is_valid and polygon.area == pytest.approx(mask.area, rel=1e-3)
    assert mask.box == pytest.approx(polygon.bounds, abs=0.02 * max(1, polygon.length / 20))
    check_bitmap(mask, recist, 70, 60)


@pytest.mark.parametrize("name", APART)
def test_diameters_that_do_not_cross(name):
    recist = APART[name]
    mask = uldor.PseudoMask(recist)
    centre, _ = crossing(recist)
    assert not mask.crosses
    assert mask.centre == pytest.approx(tuple(centre), abs=1e-9)
    bitmap = check_bitmap(mask, recist, 70, 60)
    assert mask.area == pytest.approx(area_of_union(recist), rel=5e-3)
    assert bitmap.sum() == pytest.approx(mask.area, rel=0.1, abs=12)
    polygon = shapely.Polygon(mask.polygon).buffer(0)
    assert polygon.area == pytest.approx(mask.area, rel=1e-2)


@pytest.mark.parametrize("recist", [CASES["oblique"], CASES["off centre"], APART["not crossing"]])
def test_the_order_of_end_points_does_not_matter(recist):
    p1, p2, q1, q2 = numpy.reshape(recist, (4, 2))
    expected = uldor.PseudoMask(recist).bitmap(70, 60)
    for order in ((p2, p1, q1, q2), (p1, p2, q2, q1), (q1, q2, p1, p2), (q2, q1, p2, p1)):
        mask = uldor.PseudoMask(numpy.concatenate(order))
        assert (mask.bitmap(70, 60) != expected).sum() <= 1
        assert mask.area == pytest.approx(uldor.PseudoMask(recist).area, rel=1e-9)


def test_the_polygon_runs_through_the_end_points():
    for recist in CASES.values():
        polygon = uldor.PseudoMask(recist).polygon
        for point in numpy.reshape(recist, (4, 2)):
            assert numpy.hypot(*(polygon - point).T).min() < 1e-9


def test_angle():
    for degrees in (1, 17, 45, 89, 90):
        a = math.radians(degrees)
        recist = [10, 30, 50, 30, 30 - 8 * math.cos(a), 30 - 8 * math.sin(a), 30 + 8 * math.cos(a), 30 + 8 * math.sin(a)]
        assert uldor.PseudoMask(recist).angle == pytest.approx(degrees, abs=1e-9)
        assert uldor.PseudoMask(recist[:4] + recist[6:] + recist[4:6]).angle == pytest.approx(degrees, abs=1e-9)
    assert uldor.PseudoMask(APART["parallel"]).angle == 0


def test_shapes_of_the_argument():
    recist = CASES["oblique"]
    expected = uldor.PseudoMask(recist).polygon
    for given in (tuple(recist), numpy.array(recist, numpy.float32), numpy.reshape(recist, (4, 2)), numpy.reshape(recist, (2, 2, 2))):
        assert numpy.allclose(uldor.PseudoMask(given).polygon, expected)
    for wrong in ([], recist[:7], recist + [1], "text"):
        with pytest.raises(ValueError):
            uldor.PseudoMask(wrong)


def test_bitmap_sizes():
    mask = uldor.PseudoMask(CASES["oblique"], size=(70, 60))
    assert numpy.array_equal(mask.bitmap(), mask.bitmap(70, 60))
    assert numpy.array_equal(mask.bitmap(31, 29), mask.bitmap(70, 60)[:29, :31])
    assert mask.bitmap(1, 1).shape == (1, 1)
    for size in ((0, 5), (5, 0), (-1, 5), (2**32, 1)):
        with pytest.raises(ValueError):
            mask.bitmap(*size)
    with pytest.raises(ValueError):
        uldor.PseudoMask(CASES["oblique"]).bitmap()
    with pytest.raises(ValueError):
        mask.bitmap(width=3)


@pytest.mark.parametrize("recist", [
    [10, 30, 10, 30, 30, 20, 30, 40], [10, 30, 50, 30, 30, 20, 30, 20], [1, 1, 1, 1, 1, 1, 1, 1],
    [0, 0, 10, 10, 20, 20, 30, 30], [0, 0, 30, 30, 10, 10, 20, 20], [5, 7, 5, 9, 5, 1, 5, 3], [0, 5, 10, 5, 4, 5, 8, 5],
    [0.1, 0.1, 0.4, 0.4, 0.2, 0.2, 0.7, 0.7],
])
def test_degenerate(recist):
    with pytest.raises(uldor.Degenerate) as caught:
        uldor.PseudoMask(recist)
    assert caught.value.status == -10 and str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e6 + 1, -1e7, 1e300])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_coordinates_out_of_range(bad, place):
    recist = list(CASES["oblique"])
    recist[place] = bad
    with pytest.raises(uldor.InvalidArgument, match="(?i)recist|coordinate"):
        uldor.PseudoMask(recist)


def test_the_largest_coordinates():
    recist = [-1e6, 0, 1e6, 10, 0, -1e6, 10, 1e6]
    mask = uldor.PseudoMask(recist)
    assert mask.area == pytest.approx(product(recist), rel=1e-9)
    assert mask.bitmap(20, 20).all()


def test_random_diameters():
    random = numpy.random.default_rng(5)
    counts = Counter()
    for _ in range(400):
        recist = random.uniform(-5, 45, 8)
        mask = uldor.PseudoMask(recist)
        counts[mask.crosses] += 1
        assert mask.crosses == crossing(recist)[1]
        check_bitmap(mask, recist, 40, 41)
    assert min(counts.values()) > 50


def test_buffers_are_checked():
    recist = (ctypes.c_double * 8)(*CASES["oblique"])
    lib, count = _abi.lib, ctypes.c_size_t()
    assert lib.uldor_pseudo_mask_get_polygon(recist, None, 0, ctypes.byref(count)) == 0
    points = count.value
    xy = (ctypes.c_double * (2 * points))()
    assert lib.uldor_pseudo_mask_get_polygon(recist, xy, points - 1, ctypes.byref(count)) == -9
    assert not any(xy)
    buffer = numpy.full(60 * 75 + 1, 9, numpy.uint8)
    out = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
    needed = 59 * 75 + 70
    assert lib.uldor_pseudo_mask_get_bitmap(recist, 70, 60, out, needed - 1, 75) == -9
    assert (buffer == 9).all()
    assert lib.uldor_pseudo_mask_get_bitmap(recist, 70, 60, out, needed, 69) == -1
    assert lib.uldor_pseudo_mask_get_bitmap(recist, 70, 60, out, needed, 75) == 0
    assert (buffer[needed:] == 9).all()
    assert numpy.array_equal(buffer[:60 * 75].reshape(60, 75)[:59, :70], uldor.PseudoMask(list(recist)).bitmap(70, 59))
    assert lib.uldor_pseudo_mask_get_info(None, ctypes.byref(_abi.new(_abi.pseudo_mask_info))) == -1
    assert lib.uldor_pseudo_mask_get_info(recist, None) == -1


def test_deeplesion_text():
    text = "257.759, 157.618, 260.018, 133.524, 251.735, 145.571, 265.288, 146.841"
    numbers = [float(part) for part in text.split(",")]
    expected = uldor.PseudoMask(numpy.array(numbers) - 0.5).polygon
    assert numpy.array_equal(uldor.PseudoMask.from_deeplesion(text).polygon, expected)
    assert numpy.array_equal(uldor.PseudoMask.from_deeplesion(numbers, size=(512, 512)).polygon, expected)
    with pytest.raises(ValueError):
        uldor.PseudoMask.from_deeplesion("1, 2, three")


def test_every_public_row(data, capsys):
    """None of the 3,502 rows fails; area, bitmap and box are right for each."""
    with open(data / "deeplesion_annotations" / "DL_info_public.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3502
    counts, by_angle, largest = Counter(), Counter(), 0.0
    for row in rows:
        numbers = [float(part) for part in row["Measurement_coordinates"].split(",")]
        recist = numpy.array(numbers) - 0.5
        width, height = (int(float(part)) for part in row["Image_size"].split(","))
        mask = uldor.PseudoMask.from_deeplesion(row["Measurement_coordinates"], size=(width, height))
        assert mask.crosses == crossing(recist)[1]
        bitmap = mask.bitmap()
        # The definition, evaluated around the mask only.
        x1, y1, x2, y2 = (int(side) for side in (*numpy.floor(mask.box[:2]), *numpy.ceil(mask.box[2:])))
        x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        y, x = numpy.mgrid[y1:y2, x1:x2] + 0.5
        expected, near = inside(recist, x, y)
        assert not ((bitmap[y1:y2, x1:x2] != expected) & ~near).any(), row["File_name"]
        area = int(bitmap.sum())
        assert area == int(bitmap[y1:y2, x1:x2].sum()), "nothing outside the box"
        polygon_area = shapely.Polygon(mask.polygon).area
        if mask.crosses:
            counts["crossing"] += 1
            assert polygon_area == pytest.approx(product(recist), rel=1e-3)
            assert mask.area == pytest.approx(product(recist), rel=1e-9)
        else:
            counts["not crossing"] += 1
        if mask.area > 100:
            counts["above 100 px"] += 1
            error = abs(area - mask.area) / mask.area
            largest = max(largest, error if mask.crosses else 0)
            assert error <= 0.05 or not mask.crosses, row["File_name"]
        # RECIST plus 5 px is the row's own box; the mask of crossing diameters stays within it, arcs apart.
        off = 90 - mask.angle
        by_angle["up to 5" if off <= 5 else "5 to 10" if off <= 10 else "10 to 30" if off <= 30 else "above 30"] += 1
    assert counts["not crossing"] == 9
    with capsys.disabled():
        print(f"\n{len(rows)} rows: {dict(counts)}; degrees off perpendicular {dict(by_angle)}; "
              f"bitmap at most {100 * largest:.2f} % off the area above 100 px")
