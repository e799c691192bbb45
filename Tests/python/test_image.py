# SPDX-License-Identifier: Apache-2.0
"""Images as numpy has them: types, strides, views, sequences of slices; and every description that is wrong."""
from __future__ import annotations

import ctypes

import numpy
import pytest

import uldor
from uldor import _abi
from uldor._image import ImageDescription

SPACING = {"spacing": 0.8, "slice_interval": 2.0}


@pytest.fixture(scope="module")
def expected(plain, volume):
    return plain.input(volume, "hu", **SPACING)[0]


def views():
    def padded(a):
        buffer = numpy.zeros(tuple(side + 5 for side in a.shape), a.dtype)
        buffer[2:-3, 1:-4, 3:-2] = a
        return buffer[2:-3, 1:-4, 3:-2]

    def strided(a):
        buffer = numpy.zeros((a.shape[0] * 2, a.shape[1] * 3, a.shape[2] * 4), a.dtype)
        buffer[::2, ::3, ::4] = a
        return buffer[::2, ::3, ::4]

    def odd(a):
        raw = numpy.zeros(a.nbytes + 1, numpy.uint8)
        view = raw[1:].view(numpy.uint8)
        view[:] = numpy.frombuffer(a.tobytes(), numpy.uint8)
        return numpy.ndarray(a.shape, a.dtype, buffer=raw, offset=1)

    def read_only(a):
        copy = a.copy()
        copy.setflags(write=False)
        return copy

    return {
        "packed": lambda a: a.copy(), "fortran": numpy.asfortranarray, "padded": padded, "strided": strided, "odd": odd,
        "read_only": read_only,
        "reversed_z": lambda a: a[::-1].copy()[::-1], "reversed_y": lambda a: a[:, ::-1].copy()[:, ::-1],
        "reversed_x": lambda a: a[:, :, ::-1].copy()[:, :, ::-1],
        "reversed_all": lambda a: a[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        "reversed_strided": lambda a: strided(a[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
        "transposed": lambda a: numpy.ascontiguousarray(a.transpose(2, 0, 1)).transpose(1, 2, 0),
        "field": lambda a: _field(a),
    }


def _field(a):
    """One field of an array of records: a pixel stride of 7 bytes."""
    records = numpy.zeros(a.shape, numpy.dtype([("before", "u1"), ("pixel", a.dtype), ("after", "u4")]))
    records["pixel"] = a
    return records["pixel"]


@pytest.mark.parametrize("name", views())
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_every_view_reads_the_same(plain, volume, expected, name, dtype):
    view = views()[name](volume.astype(dtype))
    assert numpy.array_equal(view, volume)
    assert numpy.array_equal(plain.input(view, "hu", **SPACING)[0], expected)


def test_unsigned_with_an_intercept(plain, volume, expected):
    stored = (volume.astype(numpy.int32) + 32768).astype(numpy.uint16)
    assert numpy.array_equal(plain.input(stored, "hu", intercept=-32768, **SPACING)[0], expected)


def test_slope(plain, volume, expected):
    stored = volume.astype(numpy.float32) * 4
    assert numpy.array_equal(plain.input(stored, "hu", slope=0.25, **SPACING)[0], expected)
    assert numpy.array_equal(plain.input(-stored, "hu", slope=-0.25, **SPACING)[0], expected)


@pytest.mark.parametrize("form", ["list", "tuple", "reversed rows", "some missing"])
def test_slices_read_the_same(plain, volume, expected, form):
    slices = [slice_.copy() for slice_ in volume]
    if form == "tuple":
        slices = tuple(slices)
    if form == "reversed rows":
        slices = [slice_[::-1, ::-1].copy()[::-1, ::-1] for slice_ in slices]
    if form == "some missing":
        slices[0] = slices[1] = slices[-1] = None
    assert numpy.array_equal(plain.input(slices, "hu", **SPACING)[0], expected)


def test_only_slices_within_reach_are_read(plain, volume, expected):
    """A NaN beyond the reach does not matter; within, it is an error."""
    image = volume.astype(numpy.float32)
    image[[0, 1, 5, 6]] = numpy.nan
    assert numpy.array_equal(plain.input(image, "hu", **SPACING)[0], expected)
    with pytest.raises(uldor.ImageError, match="(?i)nan|finite"):
        plain.input(image, "hu", key_slice=4, **SPACING)


def test_a_repeated_slice_is_read_where_it_lies(plain, volume):
    stack = numpy.broadcast_to(volume[3], (5, *volume[3].shape))
    seen, _ = plain.input(stack, "hu", **SPACING)
    assert numpy.array_equal(seen, numpy.broadcast_to(volume[3].astype(numpy.float32), seen.shape))


def test_repeated_rows_are_refused_with_a_hint(plain):
    with pytest.raises(ValueError, match="copy"):
        plain.input(numpy.broadcast_to(numpy.zeros(9, numpy.int16), (9, 9)))
    with pytest.raises(ValueError, match="copy"):
        plain.input(numpy.broadcast_to(numpy.zeros((9, 1), numpy.int16), (9, 9)))


def test_nothing_is_copied(volume):
    view = volume[::-1, 3:, ::-2]
    described = ImageDescription(view).raw
    first = view.__array_interface__["data"][0]
    assert described.data + described.offset_bytes == first
    assert volume.ctypes.data <= described.data
    assert described.data + described.data_bytes <= volume.ctypes.data + volume.nbytes
    assert (described.stride_z_bytes, described.stride_y_bytes, described.stride_x_bytes) == view.strides


def test_the_key_slice_is_the_middle_one_by_default(plain, volume):
    for depth in (1, 2, 3, 4, 7):
        image = volume[:depth]
        default = plain.input(image, "hu", **SPACING)[0]
        assert numpy.array_equal(default, plain.input(image, "hu", key_slice=depth // 2, **SPACING)[0])


def test_small_and_thin_images(plain):
    for height, width in ((1, 1), (1, 9), (9, 1), (2, 300)):
        image = numpy.arange(height * width, dtype=numpy.int16).reshape(height, width)
        seen, info = plain.input(image, "hu")
        assert (info.height, info.width) == (height, width)
        assert numpy.array_equal(seen[0], image)
        plain.detect(image)


# -------------------------------------------------------------------------------------------- wrong images

@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "float64", "float16", "bool", "complex64", ">i2", ">f4", "O"])
def test_other_types_are_refused_with_a_hint(plain, dtype):
    with pytest.raises(TypeError, match="astype"):
        plain.detect(numpy.zeros((8, 8), dtype))


@pytest.mark.parametrize("shape", [(), (8,), (1, 1, 8, 8)])
def test_other_ranks_are_refused(plain, shape):
    with pytest.raises(ValueError, match="height x width"):
        plain.detect(numpy.zeros(shape, numpy.int16))


@pytest.mark.parametrize("shape", [(0, 8), (8, 0), (0, 8, 8), (2, 0, 8), (2, 8, 0)])
def test_empty_images_are_refused(plain, shape):
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match="width|height|depth"):
        plain.detect(numpy.zeros(shape, numpy.int16), **SPACING)


def test_too_large(plain):
    tall = numpy.broadcast_to(numpy.zeros(1, numpy.int16), (1, 1)).copy()
    wide = numpy.lib.stride_tricks.as_strided(numpy.zeros(16385, numpy.int16), (1, 16385), (2, 2))
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match="width"):
        plain.detect(wide)
    plain.detect(tall)
    with pytest.raises(uldor.UldorError, match="height"):
        plain.detect(numpy.zeros((16385, 1), numpy.int16))
    with pytest.raises(uldor.UldorError, match="depth"):
        plain.detect(numpy.zeros((65537, 1, 1), numpy.int16), **SPACING)


@pytest.mark.parametrize("key", [-1, 7, 2**31 - 1, -(2**31)])
def test_a_key_slice_that_is_not_there(plain, volume, key):
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match="key_slice|key slice"):
        plain.detect(volume, key_slice=key, **SPACING)


def test_a_key_slice_that_no_integer_holds(plain, volume):
    with pytest.raises(ValueError, match="key_slice"):
        plain.detect(volume, key_slice=2**32, **SPACING)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_pixels_that_are_not_finite(session, bad):
    image = numpy.zeros((40, 50), numpy.float32)
    image[17, 23] = bad
    with pytest.raises(uldor.ImageError) as caught:
        session.detect(image, spacing=1)
    assert caught.value.status == -6
    assert "17" in str(caught.value) and "23" in str(caught.value)


@pytest.mark.parametrize("name", ["slope", "intercept"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rescale_that_is_not_finite(session, name, value):
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match=name):
        session.detect(numpy.zeros((40, 50), numpy.int16), spacing=1, **{name: value})


@pytest.mark.parametrize("spacing", [-1.0, float("nan"), float("inf"), (0.8, 0), (0, 0.8), (0.8, -1), (0.8, float("nan"))])
def test_wrong_spacing(session, spacing):
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match="spacing"):
        session.detect(numpy.zeros((40, 50), numpy.int16), spacing=spacing)


def test_no_spacing_is_an_error_unless_pixels_are_taken_as_they_are(session, plain):
    image = numpy.zeros((40, 50), numpy.int16)
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match="spacing"):
        session.detect(image)
    plain.detect(image)


def test_spacing_of_three_numbers(session):
    with pytest.raises(ValueError, match="spacing"):
        session.detect(numpy.zeros((40, 50), numpy.int16), spacing=(1, 1, 1))


def test_extreme_spacing_is_answered(session):
    image = numpy.zeros((40, 50), numpy.int16)
    for spacing in (1e-300, 1e-6, 1e6, 1e300, (1e-3, 1e3), (1e300, 1e-300)):
        try:
            session.detect(image, spacing=spacing)
        except uldor.UldorError as error:
            assert error.status in (-1, -6) and "spacing" in str(error)


@pytest.mark.parametrize("interval", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_wrong_slice_interval(session, volume, interval):
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match="interval"):
        session.detect(volume, spacing=1, slice_interval=interval)


def test_tiny_slice_intervals_are_answered(session, volume):
    for interval in (1e-300, 1e-9, 1e-3, 1e9, 1e300):
        try:
            session.detect(volume, spacing=1, slice_interval=interval)
        except uldor.UldorError as error:
            assert error.status in (-1, -6) and "interval" in str(error)


def test_wrong_sequences(plain, volume):
    with pytest.raises(ValueError, match="without a slice"):
        plain.detect([None, None], **SPACING)
    with pytest.raises(ValueError, match="without a slice"):
        plain.detect([], **SPACING)
    with pytest.raises(ValueError, match="numpy.stack"):
        plain.detect([volume[0], volume[1][::-1]], **SPACING)
    with pytest.raises(ValueError, match="numpy.stack"):
        plain.detect([volume[0], volume[1][:-1]], **SPACING)
    with pytest.raises(ValueError, match="numpy.stack"):
        plain.detect([volume[0], volume[1].astype(numpy.float32)], **SPACING)
    with pytest.raises(TypeError):
        plain.detect([[1, 2], [3, 4]], **SPACING)
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match="key slice|key_slice|slices"):
        plain.detect([volume[0], None, volume[2]], **SPACING)


# ------------------------------------------------------------------ descriptions that numpy cannot have: the struct itself

@pytest.fixture
def described():
    """A sound description of 20 x 30 int16 pixels, 3 slices; its buffer."""
    buffer = numpy.zeros(3 * 20 * 30, numpy.int16)
    image = _abi.image()
    assert _abi.lib.uldor_image_init(ctypes.byref(image), ctypes.sizeof(image)) == 0
    image.width, image.height, image.depth, image.key_slice = 30, 20, 3, 1
    image.data, image.data_bytes = buffer.ctypes.data, buffer.nbytes
    image.slice_interval_mm = 2
    return image, buffer


def detect(plain, image):
    """Status and message."""
    out = ctypes.c_void_p(7)
    status = _abi.lib.uldor_session_detect(plain._pointer, ctypes.byref(image), ctypes.byref(out))
    message = _abi.lib.uldor_last_error().decode()
    if status == 0:
        _abi.lib.uldor_result_free(out)
    else:
        assert out.value == 7, "an out-parameter is set on success only"
    return status, message


def test_a_sound_description(plain, described):
    assert detect(plain, described[0])[0] == 0


@pytest.mark.parametrize("field, value, words", [
    ("type", 0, "type"), ("type", 4, "type"), ("type", -1, "type"), ("width", 0, "width"), ("width", -1, "width"),
    ("width", 16385, "width"), ("height", 0, "height"), ("height", -5, "height"), ("depth", 0, "depth"), ("depth", -1, "depth"),
    ("key_slice", 3, "key_slice"), ("key_slice", -1, "key_slice"), ("data", None, "data|slices"), ("data_bytes", 0, "data_bytes|buffer"),
    ("data_bytes", 3 * 20 * 30 * 2 - 1, "data_bytes|buffer|outside"), ("offset_bytes", 2, "data_bytes|buffer|outside|offset"),
    ("offset_bytes", 2**63, "data_bytes|buffer|outside|offset|fit"), ("offset_bytes", 2**64 - 1, "data_bytes|buffer|outside|offset|fit"),
    ("stride_x_bytes", 4, "data_bytes|buffer|outside|stride"), ("stride_y_bytes", 61, "data_bytes|buffer|outside|stride"),
    ("stride_z_bytes", -1200, "data_bytes|buffer|outside|stride|before"),
    ("stride_y_bytes", 2**63 - 1, "data_bytes|buffer|outside|stride|fit"), ("stride_z_bytes", -(2**63), "data_bytes|buffer|outside|stride|fit"),
    ("stride_x_bytes", -(2**63), "data_bytes|buffer|outside|stride|fit"), ("data_bytes", 2**64 - 1, None),
    ("struct_size", 0, "struct_size"), ("struct_size", 8, ""), ("struct_size", 2**63, None),
])
def test_wrong_fields(plain, described, field, value, words):
    import re
    image, _ = described
    setattr(image, field, value)
    if field == "data_bytes" and value == 2**64 - 1:
        # More than there is cannot be seen from here; it must not overflow.
        assert detect(plain, image)[0] in (0, -1, -6)
        return
    if field == "struct_size" and value == 2**63:
        return  # a larger struct is a newer program's; that many bytes may not be touched
    status, message = detect(plain, image)
    assert status in (-1, -6), (status, message)
    assert re.search(words, message), message


def test_null_arguments(plain, described):
    lib = _abi.lib
    out = ctypes.c_void_p()
    assert lib.uldor_session_detect(None, ctypes.byref(described[0]), ctypes.byref(out)) == -1
    assert lib.uldor_session_detect(plain._pointer, None, ctypes.byref(out)) == -1
    assert lib.uldor_session_detect(plain._pointer, ctypes.byref(described[0]), None) == -1
    assert lib.uldor_session_get_input(plain._pointer, ctypes.byref(described[0]), 0, None, 0, None) == -1
    assert lib.uldor_image_init(None, ctypes.sizeof(_abi.image)) == -1
    assert lib.uldor_image_init(ctypes.byref(described[0]), 0) == -1


def test_get_input_checks_its_buffer(plain, described):
    lib = _abi.lib
    image, _ = described
    info = _abi.new(_abi.input_info)
    assert lib.uldor_session_get_input(plain._pointer, ctypes.byref(image), 0, None, 0, ctypes.byref(info)) == 0
    count = info.channels * info.height * info.width
    assert count == 3 * 20 * 30
    out = numpy.full(count + 1, -7, numpy.float32)
    pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    assert lib.uldor_session_get_input(plain._pointer, ctypes.byref(image), 0, pointer, count - 1, ctypes.byref(info)) == -9
    assert (out == -7).all()
    assert lib.uldor_session_get_input(plain._pointer, ctypes.byref(image), 0, pointer, count, None) == 0
    assert out[-1] == -7 and (out[:-1] == 0).all()
    for step in (-1, 6, 1000):
        assert lib.uldor_session_get_input(plain._pointer, ctypes.byref(image), step, pointer, count, None) == -1
