# SPDX-License-Identifier: Apache-2.0
"""Session.run_stage(): names, shapes, chains, and inputs that are wrong."""
from __future__ import annotations

import ctypes

import numpy
import pytest

import uldor
from test_session import tensor
from uldor import _abi

HEIGHT, WIDTH = 97, 131
SIZE = [HEIGHT, WIDTH, 128, 160]


def chain(session, image):
    """All tensors of a forward pass, stage by stage, each on the library's own output of the one before."""
    padded = numpy.zeros((1, 3, 128, 160), numpy.float32)
    padded[0, :, :HEIGHT, :WIDTH] = image
    named = {"input": padded, "size": numpy.array(SIZE, numpy.float32)}
    p = [f"p{level}" for level in range(2, 7)]
    rpn = [f"{kind}.{level}" for kind in ("objectness", "deltas") for level in range(5)]
    plan = [("c2", ["input"]), ("c3", ["c2"]), ("c4", ["c3"]), ("c5", ["c4"]), ("fpn", ["c2", "c3", "c4", "c5"]), ("rpn", p),
            ("proposals", rpn + ["size"]), ("box_features", p[:4] + ["proposals", "size"]), ("box_head", ["box_features"]),
            ("detections", ["box_logits", "box_deltas", "proposals", "size"]), ("mask_features", p[:4] + ["boxes", "size"]),
            ("mask_head", ["mask_features"])]
    for stage, inputs in plan:
        named.update(session.run_stage(stage, {name: named[name] for name in inputs}))
    rows = numpy.arange(len(named["labels"]))
    logits = named["mask_logits"][rows, named["labels"].astype(int)]
    named["masks"] = (1 / (1 + numpy.exp(-logits.astype(numpy.float64)))).astype(numpy.float32)
    named.update(session.run_stage("paste", {name: named[name] for name in ("masks", "boxes", "size")}))
    return named


@pytest.fixture(scope="module")
def named(session):
    return chain(session, tensor(HEIGHT, WIDTH))


def test_shapes(named, model):
    info = model.info
    assert named["c2"].shape == (1, info.stem_channels, 32, 40)
    for level, (height, width) in zip(range(2, 7), ((32, 40), (16, 20), (8, 10), (4, 5), (2, 3))):
        assert named[f"p{level}"].shape == (1, info.fpn_channels, height, width)
        assert named[f"objectness.{level - 2}"].shape == (1, 3, height, width)
        assert named[f"deltas.{level - 2}"].shape == (1, 12, height, width)
    regions, found = len(named["proposals"]), len(named["boxes"])
    assert 0 < found <= 100 < regions <= 1000
    assert named["proposals"].shape == (regions, 4) and named["proposal_scores"].shape == (regions,)
    assert named["box_features"].shape == (regions, info.fpn_channels, 7, 7)
    assert named["box_logits"].shape == (regions, 2) and named["box_deltas"].shape == (regions, 8)
    assert named["boxes"].shape == (found, 4) and named["scores"].shape == named["labels"].shape == (found,)
    assert named["mask_features"].shape == (found, info.fpn_channels, 14, 14)
    assert named["mask_logits"].shape == (found, 2, 28, 28)
    assert named["pasted"].shape == (found, HEIGHT, WIDTH)
    assert all(array.dtype == numpy.float32 for array in named.values())


def test_the_chain_is_the_forward_pass(named, session):
    whole = session.forward(tensor(HEIGHT, WIDTH))
    assert numpy.allclose(whole.boxes, named["boxes"], atol=1e-4)
    assert numpy.allclose(whole.scores, named["scores"], atol=1e-6)
    assert numpy.array_equal(whole.labels, named["labels"])
    for number, found in enumerate(whole):
        assert numpy.allclose(found.mask_probabilities, named["masks"][number], atol=1e-5)
        pasted = named["pasted"][number]
        assert not ((found.mask != (pasted > 0.5)) & (numpy.abs(pasted - 0.5) > 1e-4)).any()


def test_portable_instructions_agree(named, model):
    with model.session(instructions="portable", threads=2) as session:
        for stage, inputs, outputs in (("c2", ["input"], ["c2"]), ("fpn", ["c2", "c3", "c4", "c5"], ["p2", "p5", "p6"]),
                                       ("mask_head", ["mask_features"], ["mask_logits"]), ("box_head", ["box_features"], ["box_logits"])):
            computed = session.run_stage(stage, {name: named[name] for name in inputs})
            for name in outputs:
                assert numpy.abs(computed[name] - named[name]).max() <= 1e-4 * named[name].std()


def test_stages_without_regions(session, named):
    none = numpy.empty((0, 4), numpy.float32)
    levels = {f"p{level}": named[f"p{level}"] for level in range(2, 6)}
    size = named["size"]
    channels = session.model.info.fpn_channels
    assert session.run_stage("box_features", {**levels, "proposals": none, "size": size})["box_features"].shape == (0, channels, 7, 7)
    empty = session.run_stage("box_head", {"box_features": numpy.empty((0, channels, 7, 7), numpy.float32)})
    assert empty["box_logits"].shape == (0, 2) and empty["box_deltas"].shape == (0, 8)
    found = session.run_stage("detections", {**empty, "proposals": none, "size": size})
    assert found["boxes"].shape == (0, 4) and found["scores"].shape == (0,)
    assert session.run_stage("mask_features", {**levels, "boxes": none, "size": size})["mask_features"].shape == (0, channels, 14, 14)
    assert session.run_stage("mask_head", {"mask_features": numpy.empty((0, channels, 14, 14), numpy.float32)})["mask_logits"].shape == (0, 2, 28, 28)
    pasted = session.run_stage("paste", {"masks": numpy.empty((0, 28, 28), numpy.float32), "boxes": none, "size": size})
    assert pasted["pasted"].shape == (0, HEIGHT, WIDTH)


def test_every_stage_names_a_missing_input(session, named):
    needs = {"c2": ["input"], "c3": ["c2"], "c4": ["c3"], "c5": ["c4"], "fpn": ["c2", "c3", "c4", "c5"],
             "rpn": ["p2", "p3", "p4", "p5", "p6"], "proposals": ["objectness.0", "deltas.4", "size"],
             "box_features": ["p2", "p5", "proposals", "size"], "box_head": ["box_features"],
             "detections": ["box_logits", "box_deltas", "proposals", "size"], "mask_features": ["p3", "boxes", "size"],
             "mask_head": ["mask_features"], "paste": ["masks", "boxes", "size"]}
    assert set(needs) == set(uldor.STAGES)
    for stage, names in needs.items():
        for missing in names:
            with pytest.raises(uldor.InvalidArgument, match=missing.replace(".", r"\.")):
                session.run_stage(stage, {name: array for name, array in named.items() if name != missing})


WRONG = [
    ("c2", "input", lambda a: a[0]), ("c2", "input", lambda a: a[:, :2]), ("c2", "input", lambda a: a[:, :, :-1]),
    ("c2", "input", lambda a: numpy.concatenate([a, a])), ("c3", "c2", lambda a: a[:, :-1]), ("c5", "c4", lambda a: a[0]),
    ("fpn", "c3", lambda a: a[:, :-1]), ("rpn", "p4", lambda a: a[:, :-1]), ("rpn", "p2", lambda a: a[0]),
    ("proposals", "objectness.1", lambda a: a[:, :2]), ("proposals", "deltas.1", lambda a: a[:, :, :-1]),
    ("proposals", "size", lambda a: a[:3]), ("proposals", "size", lambda a: -a), ("proposals", "size", lambda a: a * 1e9),
    ("proposals", "size", lambda a: a * numpy.nan), ("proposals", "size", lambda a: a * 0),
    ("box_features", "proposals", lambda a: a[:, :3]), ("box_features", "proposals", lambda a: a.ravel()),
    ("box_features", "p3", lambda a: a[:, :-1]), ("box_head", "box_features", lambda a: a[:, :, :6]),
    ("detections", "box_logits", lambda a: a[:-1]), ("detections", "box_deltas", lambda a: a[:, :-1]),
    ("detections", "proposals", lambda a: a[:-1]), ("mask_features", "boxes", lambda a: a[:, :3]),
    ("mask_head", "mask_features", lambda a: a[:, :, :-1]), ("paste", "masks", lambda a: a[:-1]), ("paste", "masks", lambda a: a[:, :-1]),
    ("paste", "boxes", lambda a: a[:, :2]), ("paste", "size", lambda a: a * 1e5),
]


@pytest.mark.parametrize("stage, name, change", WRONG)
def test_wrong_shapes_are_refused(session, named, stage, name, change):
    with pytest.raises((uldor.InvalidArgument, uldor.NoMemory)):
        session.run_stage(stage, {**named, name: change(named[name])})


def test_boxes_that_are_not_sound_are_answered(session, named):
    """NaN, infinite, inverted, huge and far-away boxes: an error or numbers, never a crash or a hang."""
    strange = numpy.array([[numpy.nan] * 4, [numpy.inf] * 4, [0, 0, numpy.inf, numpy.inf], [50, 50, 10, 10], [1e30, 1e30, 2e30, 2e30],
                           [-1e30, -1e30, 1e30, 1e30], [-500, -500, -400, -400], [3, 3, 3, 3], [0, 0, 1e9, 1e9]], numpy.float32)
    levels = {f"p{level}": named[f"p{level}"] for level in range(2, 6)}
    for row in strange:
        for stage, tensors in (("box_features", {**levels, "proposals": row[None]}), ("mask_features", {**levels, "boxes": row[None]}),
                               ("paste", {"masks": named["masks"][:1], "boxes": row[None]})):
            try:
                session.run_stage(stage, {**tensors, "size": named["size"]})
            except uldor.UldorError as error:
                assert error.status in (-1, -2), error
    for bad in (numpy.nan, numpy.inf, -numpy.inf, 1e38):
        deltas = named["box_deltas"].copy()
        deltas[::3] = bad
        logits = named["box_logits"].copy()
        logits[1::3] = bad
        try:
            found = session.run_stage("detections", {**named, "box_deltas": deltas, "box_logits": logits})
            assert numpy.isfinite(found["boxes"]).all()
        except uldor.UldorError as error:
            assert error.status == -1, error
        objectness = {name: numpy.full_like(named[name], bad) for name in named if name.startswith("objectness")}
        try:
            found = session.run_stage("proposals", {**named, **objectness})
            assert numpy.isfinite(found["proposals"]).all()
        except uldor.UldorError as error:
            assert error.status == -1, error


def test_unknown_stages(session, named):
    with pytest.raises(ValueError, match="c2, c3"):
        session.run_stage("backbone", {})
    for number in (-1, 13, 2**31 - 1):
        with pytest.raises(uldor.InvalidArgument, match="stage"):
            session.run_stage(number, named)


# -------------------------------------------------------------------------------------------- sets of tensors

@pytest.fixture
def tensors():
    handle = ctypes.c_void_p()
    assert _abi.lib.uldor_tensors_create(None, ctypes.byref(handle)) == 0
    yield handle
    assert _abi.lib.uldor_tensors_free(handle) == 0


def add(tensors, name, array, rank=None, dims=None):
    dims = array.shape if dims is None else dims
    return _abi.lib.uldor_tensors_add(tensors, name, array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
                                      array.ndim if rank is None else rank, (ctypes.c_int64 * max(len(dims), 4))(*dims))


def test_a_set_gives_back_what_it_got(tensors):
    arrays = {"a": numpy.arange(6, dtype=numpy.float32), "b" * 63: numpy.ones((2, 3, 4, 5), numpy.float32), "ç": numpy.zeros((0, 4), numpy.float32)}
    for name, array in arrays.items():
        assert add(tensors, name.encode(), array) == 0
    count = ctypes.c_int32()
    assert _abi.lib.uldor_tensors_get_count(tensors, ctypes.byref(count)) == 0 and count.value == 3
    raw = _abi.new(_abi.tensor)
    for index, (name, array) in enumerate(arrays.items()):
        assert _abi.lib.uldor_tensors_get(tensors, index, ctypes.byref(raw)) == 0
        assert raw.name.decode() == name and raw.rank == array.ndim
        assert tuple(raw.dims) == array.shape + (1,) * (4 - array.ndim)
        if array.size:
            assert numpy.array_equal(numpy.ctypeslib.as_array(raw.data, array.shape), array)
    for index in (-1, 3):
        assert _abi.lib.uldor_tensors_get(tensors, index, ctypes.byref(raw)) == -1


@pytest.mark.parametrize("name, rank, dims", [
    (b"", 1, (4,)), (b"x" * 64, 1, (4,)), (b"x", 0, (4,)), (b"x", 5, (1, 1, 1, 1)), (b"x", -1, (4,)), (b"x", 1, (-1,)),
    (b"x", 2, (2**62, 4)), (b"x", 4, (2**31, 2**31, 2**31, 2**31)), (b"x", 1, (2**63 - 1,)),
])
def test_wrong_tensors(tensors, name, rank, dims):
    assert add(tensors, name, numpy.zeros(4, numpy.float32), rank, dims) in (-1, -2)
    assert _abi.lib.uldor_last_error()


def test_null_arguments(tensors, session):
    lib = _abi.lib
    dims = (ctypes.c_int64 * 4)(4, 1, 1, 1)
    data = (ctypes.c_float * 4)()
    out = ctypes.c_void_p()
    assert lib.uldor_tensors_create(None, None) == -1
    assert lib.uldor_tensors_add(None, b"x", data, 1, dims) == -1
    assert lib.uldor_tensors_add(tensors, None, data, 1, dims) == -1
    assert lib.uldor_tensors_add(tensors, b"x", None, 1, dims) == -1
    assert lib.uldor_tensors_add(tensors, b"x", data, 1, None) == -1
    assert lib.uldor_session_run_stage(session._pointer, 0, None, ctypes.byref(out)) == -1
    assert lib.uldor_session_run_stage(session._pointer, 0, tensors, None) == -1
    assert lib.uldor_session_run_stage(None, 0, tensors, ctypes.byref(out)) == -1
