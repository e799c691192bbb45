# SPDX-License-Identifier: Apache-2.0
"""Sessions: settings, threads, progress, cancelling, fork, lifetimes."""
from __future__ import annotations

import ctypes
import gc
import os
import pickle
import re
import signal
import threading
import time
import weakref
from pathlib import Path

import numpy
import pytest

import uldor
from uldor import _abi


def tensor(height, width, seed=0):
    """A network input with structure, 3 x height x width."""
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    waves = [numpy.sin(x / random.uniform(2, 20) + random.uniform(0, 6)) * numpy.cos(y / random.uniform(2, 20)) for _ in range(3)]
    return (50 * numpy.stack(waves) + random.normal(0, 8, (3, height, width))).astype(numpy.float32)


def everything(result):
    """All that a result says, as bytes to compare."""
    parts = [result.boxes.tobytes(), result.scores.tobytes(), result.labels.tobytes()]
    for found in result:
        parts += [found.mask_probabilities.tobytes(), found.mask.tobytes(), repr(found.long_diameter).encode(),
                  repr(found.short_diameter).encode(), *(contour.tobytes() for contour in found.contours)]
    return parts


# ------------------------------------------------------------------------------------------------- settings

def test_info(model):
    with model.session(threads=3) as session:
        assert session.info.threads in (1, 3)
        assert session.info.instructions in ("avx512", "avx2", "portable")
        before = session.info.memory_bytes
        session.forward(tensor(64, 64))
        assert session.info.memory_bytes >= before >= 0
        assert session.info.memory_bytes > 0
    with model.session(instructions="portable") as session:
        assert session.info.instructions == "portable"
    with model.session() as session:
        assert 1 <= session.info.threads <= max(1, len(os.sched_getaffinity(0)))


def test_both_ways_to_make_a_session(model):
    with model.session(threads=1) as one, uldor.Session(model, threads=1) as other:
        assert everything(one.forward(tensor(64, 64))) == everything(other.forward(tensor(64, 64)))
        assert "uldor.Session" in repr(one)


@pytest.mark.parametrize("option, value", [
    ("threads", -1), ("threads", 1025), ("score_threshold", 1.5), ("score_threshold", -0.5), ("score_threshold", float("nan")),
    ("nms_threshold", 1.1), ("nms_threshold", -1), ("nms_threshold", float("nan")), ("detections", 0), ("detections", 1001),
    ("detections", -1), ("proposals", 0), ("proposals", 4097), ("class_rule", "worst"), ("instructions", "sse"),
    ("threads", 2**40), ("memory_limit", 0), ("memory_limit", -5), ("memory_limit", 2**63),
])
def test_wrong_settings_are_named(model, option, value):
    with pytest.raises(ValueError, match=option):
        model.session(**{option: value})


@pytest.mark.parametrize("field, value", [("instructions", 4), ("instructions", -1), ("class_rule", 3), ("class_rule", -1),
                                          ("detections", -1), ("proposals", -3), ("memory_limit", -1), ("struct_size", 0)])
def test_wrong_options_of_the_struct(model, field, value):
    options = _abi.session_options()
    assert _abi.lib.uldor_session_options_init(ctypes.byref(options), ctypes.sizeof(options)) == 0
    setattr(options, field, value)
    out = ctypes.c_void_p(5)
    assert _abi.lib.uldor_session_create(model._pointer, ctypes.byref(options), ctypes.byref(out)) == -1
    assert out.value == 5 and field in _abi.lib.uldor_last_error().decode()


def digest_with(model, instructions, **options):
    """Of a forward pass with these instructions; skips where this CPU lacks them."""
    try:
        with model.session(instructions=instructions, threads=2, **options) as session:
            assert session.info.instructions == instructions
            return everything(session.forward(tensor(96, 131)))
    except uldor.Unsupported as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("exact", [False, True])
def test_wide_instructions_give_the_same_bits(model, exact):
    assert digest_with(model, "avx2", exact=exact) == digest_with(model, "avx512", exact=exact)


@pytest.mark.parametrize("instructions", ["portable", "avx2", "avx512"])
def test_exact(model, instructions):
    """Without Winograd the last digits differ, and what is found does not."""
    exact, fast = (digest_with(model, instructions, exact=exact) for exact in (True, False))
    assert exact != fast
    with model.session(instructions=instructions, exact=True) as one, model.session(instructions=instructions) as other:
        a, b = one.forward(tensor(96, 131)), other.forward(tensor(96, 131))
    assert len(a) == len(b) and numpy.array_equal(a.labels, b.labels)
    assert numpy.allclose(a.scores, b.scores, atol=1e-4) and numpy.allclose(a.boxes, b.boxes, atol=0.01)


def test_instructions_that_the_cpu_lacks(model):
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    flags = set(flags.group(1).split()) if flags else set()
    has = {"avx2": {"avx2", "fma"} <= flags, "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags}
    best = "avx512" if has["avx512"] else "avx2" if has["avx2"] else "portable"
    with model.session() as session:
        assert session.info.instructions == best
    for instructions, there in has.items():
        if there:
            with model.session(instructions=instructions) as session:
                assert session.info.instructions == instructions
        else:
            with pytest.raises(uldor.Unsupported, match="instructions"):
                model.session(instructions=instructions)


def masks_bytes(result):
    """What the masks of a result may take in the session (uldor.h, uldor_session_estimate_memory)."""
    outlines = [len(contour) for found in result for contour in found.contours]
    return 10 * result.height * result.width + 32 * sum(outlines) + 48 * max(outlines, default=0) + 65536


def test_estimate_memory(model):
    with model.session(threads=2) as session:
        expected = session.estimate_memory(160, 224)
        assert session.info.memory_bytes == 0
        found = session.forward(tensor(160, 224))
        assert session.info.memory_bytes <= expected + masks_bytes(found)
        assert session.estimate_memory(160, 224) >= session.info.memory_bytes
        assert session.estimate_memory(32, 32) >= session.info.memory_bytes
        assert session.estimate_memory(4096, 4096) > session.estimate_memory(4095, 32) > 0
        for height, width in [(0, 32), (32, 0), (-1, 32), (4097, 32), (32, 4097)]:
            with pytest.raises(uldor.InvalidArgument, match="height|width"):
                session.estimate_memory(height, width)
    with pytest.raises(uldor.InvalidArgument, match="closed"):
        session.estimate_memory(32, 32)


def test_memory_limit(model):
    with model.session(threads=1) as session:
        enough = session.estimate_memory(64, 64)
        needed = session.estimate_memory(256, 256)
    with model.session(threads=1, memory_limit=enough) as session:
        for _ in range(2):
            with pytest.raises(uldor.NoMemory, match=f"{needed} .*memory_limit is {enough}"):
                session.forward(tensor(256, 256))
            session.forward(tensor(64, 64))
    with model.session(threads=1, memory_limit=needed) as session:
        session.forward(tensor(256, 256))


def test_memory_limit_of_an_image_that_shrinks(weights, model):
    """Preparing a large image takes more than looking at its small input: the limit holds for each, and for both together."""
    config = {**model.config, "input": {"max_size": 32}}
    image = numpy.random.default_rng(1).integers(-1000, 1000, (700, 900)).astype(numpy.int16)
    with uldor.Model(weights, config=config) as small:
        options = dict(threads=1, body_crop=False)
        with small.session(**options) as session:
            session.input(image, spacing=0.8)
            preparation = session.info.memory_bytes
            assert preparation > session.estimate_memory(32, 32) - preparation >= 0
            session.detect(image, spacing=0.8)
        # The prepared planes are copied and then the memory that they were prepared in goes.
        for limit in (preparation, preparation + 100, preparation + 4 * 3 * 32 * 32):
            with small.session(memory_limit=limit, **options) as session:
                for _ in range(2):
                    found = session.detect(image, spacing=0.8)
                    assert session.info.memory_bytes <= limit + masks_bytes(found)
        with small.session(memory_limit=preparation - 1, **options) as session:
            with pytest.raises(uldor.NoMemory, match=f"{preparation} .*memory_limit is {preparation - 1}"):
                session.detect(image, spacing=0.8)
            session.detect(image[:100, :100], spacing=0.8)


def test_score_threshold_and_detections(model):
    image = tensor(96, 128)
    with model.session() as session:
        whole = session.forward(image)
    assert len(whole) > 20
    cut = float((whole.scores[9] + whole.scores[10]) / 2)
    with model.session(score_threshold=cut) as session:
        assert numpy.array_equal(session.forward(image).boxes, whole.boxes[:10])
    with model.session(detections=4) as session:
        assert numpy.array_equal(session.forward(image).boxes, whole.boxes[:4])
    with model.session(score_threshold=1.0) as session:
        assert len(session.forward(image)) == 0
    with model.session(score_threshold=0.0, nms_threshold=1.0, detections=1000) as session:
        assert len(session.forward(image)) > len(whole)


def test_scores_fall(result):
    scores = result.scores
    assert (numpy.diff(scores) <= 0).all() and scores.max() <= 1 and scores.min() >= 0.05


def test_class_rules(model3):
    image = tensor(96, 128)
    everything = dict(nms_threshold=1.0, score_threshold=0.0, detections=1000, proposals=200, keep_false_positives=True)
    with model3.session(class_rule="per_class", **everything) as session:
        per_class = session.forward(image)
    with model3.session(class_rule="best_class", **everything) as session:
        best = session.forward(image)
    assert set(per_class.labels) == {1, 2}
    assert len(best) * 2 == len(per_class)
    for found in best:
        probabilities = (found.lesion_probability, found.false_positive_probability)
        assert found.score == max(probabilities) == probabilities[found.label - 1]
        assert found.class_name == ("lesion", "false_positive")[found.label - 1]
    for found in per_class:
        assert found.score == (found.lesion_probability, found.false_positive_probability)[found.label - 1]


@pytest.mark.parametrize("rule", ["per_class", "best_class"])
@pytest.mark.parametrize("detections", [10, 100])
def test_false_positives_are_dropped(model3, rule, detections):
    """What is left is what a session that keeps them finds of lesions."""
    image, options = tensor(96, 128), dict(class_rule=rule, detections=detections, score_threshold=0.1)
    with model3.session(**options) as session, model3.session(**options, keep_false_positives=True) as keeper:
        lesions, both = session.forward(image), keeper.forward(image)
    assert set(both.labels) == {1, 2} and set(lesions.labels) == {1}
    kept = [found for found in both if found.label == 1]
    assert [(d.box, d.score) for d in lesions] == [(d.box, d.score) for d in kept]
    for found, same in zip(lesions, kept):
        numpy.testing.assert_array_equal(found.mask, same.mask)


def test_all_masks_are_those_of_the_detections(result):
    assert result.masks.shape == (len(result), result.height, result.width) and result.masks.dtype == numpy.bool_
    assert len(result) > 1 and result.masks.any()
    for found, mask in zip(result, result.masks):
        numpy.testing.assert_array_equal(found.mask, mask)


def test_masks_in_memory_of_the_callers(result):
    for kind in (numpy.bool_, numpy.uint8):
        out = numpy.full((len(result) + 2, result.height, result.width), 1, kind)
        found = result.get_masks(out)
        assert numpy.shares_memory(found, out) and found.dtype == numpy.bool_
        numpy.testing.assert_array_equal(found, result.masks)
        assert out[len(result):].all()
    fitting = numpy.empty((len(result), result.height, result.width), numpy.uint8)
    sealed = fitting.copy()
    sealed.flags.writeable = False
    for bad in (fitting[:-1], fitting[:, :-1], fitting[0], fitting[:, ::-1], fitting.astype(numpy.int8), sealed):
        with pytest.raises(ValueError, match="out"):
            result.get_masks(bad)


def test_masks_of_nothing(model):
    with model.session(score_threshold=1) as session, session.forward(tensor(96, 128)) as found:
        assert found.masks.shape == (0, 96, 128)


def test_probabilities_of_two_classes(result):
    for found in result:
        assert found.label == 1 and found.class_name == "lesion"
        assert found.lesion_probability == found.score and found.false_positive_probability == 0


# --------------------------------------------------------------------------------------------------- tensors

@pytest.mark.parametrize("shape", [(3, 0, 5), (3, 5, 0), (0, 5, 5), (2, 32, 32), (4, 32, 32), (3, 4097, 1), (3, 1, 4097)])
def test_wrong_shapes(session, shape):
    with pytest.raises(uldor.InvalidArgument, match="channels|height|width"):
        session.forward(numpy.zeros(shape, numpy.float32))


def test_wrong_tensors(session):
    with pytest.raises(TypeError, match="astype"):
        session.forward(numpy.zeros((3, 32, 32)))
    with pytest.raises(ValueError, match="channels x height x width"):
        session.forward(numpy.zeros((32, 32), numpy.float32))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite(session, bad):
    image = tensor(40, 50)
    image[1, 20, 30] = bad
    with pytest.raises((uldor.ImageError, uldor.InvalidArgument), match="(?i)nan|inf"):
        session.forward(image)
    assert len(session.forward(tensor(40, 50))) >= 0


def test_huge_values_are_answered(session):
    for scale in (1e10, 3e38):
        try:
            found = session.forward(tensor(40, 50) / 200 * scale)
            assert numpy.isfinite(found.boxes).all() and numpy.isfinite(found.scores).all()
        except uldor.UldorError as error:
            assert error.status in (-1, -6)


def test_views_are_read_right(session):
    image = tensor(40, 50)
    expected = everything(session.forward(image))
    assert everything(session.forward(image[:, ::-1].copy()[:, ::-1])) == expected
    assert everything(session.forward(numpy.ascontiguousarray(image.transpose(1, 2, 0)).transpose(2, 0, 1))) == expected


@pytest.mark.parametrize("size", [(1, 1), (1, 33), (31, 32), (33, 31), (32, 64), (65, 97)])
def test_any_size(session, size):
    found = session.forward(tensor(*size))
    assert (found.height, found.width) == size and found.missing_neighbours == 0
    boxes = found.boxes
    assert (boxes >= 0).all() and (boxes[:, [0, 2]] <= size[1]).all() and (boxes[:, [1, 3]] <= size[0]).all()
    for detection in found:
        assert detection.area_mm2 is None


# --------------------------------------------------------------------------------------------------- threads

@pytest.mark.parametrize("size", [(97, 131), (33, 65), (61, 200)])
def test_the_same_bits_for_every_number_of_threads(model, size):
    image = tensor(*size)
    reference = None
    for threads in (1, 2, 3, 8):
        with model.session(threads=threads) as session:
            found = everything(session.forward(image))
            if reference is None:
                reference = found
                assert len(found) > 3
            assert found == reference, f"{threads} threads"


@pytest.mark.parametrize("instructions", ["best", "portable"])
def test_the_same_bits_of_maps_in_groups(root, instructions):
    """The demo weights' layers have up to 128 channels, so maps lie in several groups of 16."""
    reference = None
    with uldor.Model(root / "share/uldor-demo.safetensors") as demo:
        for threads in (1, 2, 3, 8):
            with demo.session(threads=threads, instructions=instructions, score_threshold=0.0, detections=20) as session:
                found = everything(session.forward(tensor(161, 200)))
            assert len(found) > 3
            reference = reference or found
            assert found == reference, f"{threads} threads"


@pytest.mark.parametrize("count", [1, 3, 40])
def test_as_many_proposals_as_asked_for(model, count):
    """A proposal becomes one detection of two classes at most."""
    everything_kept = dict(nms_threshold=1.0, score_threshold=0.0, detections=1000)
    with model.session(proposals=count, **everything_kept) as few, model.session(proposals=200, **everything_kept) as many:
        some, all_of_them = few.forward(tensor(96, 128)), many.forward(tensor(96, 128))
    assert len(some) == count < len(all_of_them)
    boxes = {tuple(box) for box in all_of_them.boxes}
    assert all(tuple(box) in boxes for box in some.boxes)


def test_plans_of_alternating_sizes(model):
    """Memory is planned once for a size that comes again, anew for another, and after an estimate or a detection in between."""
    sizes = [(64, 96), (64, 96), (128, 128), (64, 96), (128, 128), (128, 128)]
    with model.session() as session:
        for count, size in enumerate(sizes):
            with model.session() as fresh:
                expected = everything(fresh.forward(tensor(*size)))
            if count % 2:
                session.estimate_memory(256, 256)
                session.detect(numpy.zeros((80, 70), numpy.int16), spacing=0.8)
            assert everything(session.forward(tensor(*size))) == expected


def test_the_same_bits_again_and_after_other_sizes(model):
    with model.session(threads=2) as session:
        first = everything(session.forward(tensor(97, 131)))
        session.forward(tensor(160, 64))
        session.forward(tensor(32, 32))
        assert everything(session.forward(tensor(97, 131))) == first


def test_sessions_work_side_by_side(model):
    images = [tensor(64 + 16 * number, 96, number) for number in range(4)]
    with model.session(threads=1) as session:
        expected = [everything(session.forward(image)) for image in images]
    failures = []

    def work(number):
        try:
            with model.session(threads=2) as own:
                for _ in range(4):
                    assert everything(own.forward(images[number])) == expected[number]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures and not any(thread.is_alive() for thread in threads)


def test_a_result_is_read_by_many_threads(result):
    expected = everything(result)
    failures = []

    def read():
        try:
            assert everything(result) == expected
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures


def test_host_settings_are_left_alone(model):
    """Signal handlers, the floating-point environment's rounding and the environment variables stay as they were."""
    def rounding():
        return ctypes.CDLL(None).fegetround() if hasattr(ctypes.CDLL(None), "fegetround") else 0

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSEGV)}
    environment, round_before = dict(os.environ), rounding()
    with model.session() as session:
        session.forward(tensor(64, 64))
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert dict(os.environ) == environment and rounding() == round_before


# -------------------------------------------------------------------------------------- progress and cancelling

def test_progress(model, volume):
    seen = []
    with model.session(threads=2, progress=lambda fraction, stage: seen.append((fraction, stage, threading.get_ident()))) as session:
        session.detect(volume, spacing=0.8, slice_interval=2)
    fractions = [fraction for fraction, _, _ in seen]
    assert len(seen) > 3 and fractions == sorted(fractions)
    assert 0 <= fractions[0] and fractions[-1] <= 1
    assert {thread for _, _, thread in seen} == {threading.get_ident()}
    stages = [stage for _, stage, _ in seen]
    assert list(dict.fromkeys(stages))[:7] == [
        "backbone", "pyramid", "proposals head", "proposals", "box features", "box head", "detections"]
    assert stages[-2:] == ["outlines", "done"]


def test_a_true_value_cancels(model):
    for answer in (True, 1, "stop"):
        with model.session(progress=lambda fraction, stage: answer) as session:
            with pytest.raises(uldor.Cancelled) as caught:
                session.forward(tensor(64, 64))
            assert caught.value.status == -8


def test_each_report_can_cancel(model):
    calls = []
    limit = [None]

    def progress(fraction, stage):
        calls.append(stage)
        return limit[0] is not None and len(calls) > limit[0]

    with model.session(threads=2, progress=progress) as session:
        expected = everything(session.forward(tensor(64, 96)))
        for number in range(len(calls)):
            calls.clear()
            limit[0] = number
            with pytest.raises(uldor.Cancelled):
                session.forward(tensor(64, 96))
            assert len(calls) == number + 1, "the call ends at once"
        limit[0] = None
        assert everything(session.forward(tensor(64, 96))) == expected


class Strange(BaseException):
    pass


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, Strange])
def test_what_the_callback_raises_comes_out(model, kind):
    armed = [True]

    def progress(fraction, stage):
        if armed[0] and fraction > 0.2:
            raise kind("from the callback")

    with model.session(progress=progress) as session:
        for call in (lambda: session.forward(tensor(64, 64)),
                     lambda: session.detect(numpy.zeros((64, 64), numpy.int16), spacing=0.8)):
            with pytest.raises(kind, match="from the callback"):
                call()
        armed[0] = False
        assert session.forward(tensor(64, 64)).height == 64


def test_cancel_from_another_thread(model):
    """At a size that takes a while, and whatever the moment: the answer comes soon, and the session works on."""
    image = tensor(1024, 1024)
    with model.session(threads=2) as session:
        begin = time.perf_counter()
        session.forward(image)
        whole = time.perf_counter() - begin
        late = []
        for share in (0.0, 0.1, 0.3, 0.6):
            cancelled_at = []

            def cancel():
                time.sleep(share * whole)
                cancelled_at.append(time.perf_counter())
                session.cancel()

            thread = threading.Thread(target=cancel)
            started = threading.Event()
            thread.start()
            started.set()
            try:
                session.forward(image)
            except uldor.Cancelled:
                late.append(time.perf_counter() - cancelled_at[0])
            thread.join()
        assert late, "no call was cancelled"
        assert min(late) < 0.2
        assert session.forward(tensor(64, 64)).height == 64


def test_cancel_without_a_call_does_nothing(model):
    with model.session() as session:
        session.cancel()
        session.cancel()
        assert session.forward(tensor(64, 64)).height == 64


def test_a_second_call_is_busy(model):
    """From another thread and from the session's own callback; the call that runs is not disturbed."""
    inside, answers = threading.Event(), []

    def ask():
        inside.wait(20)
        for call in (lambda: session.forward(tensor(32, 32)), lambda: session.input(numpy.zeros((9, 9), numpy.int16)),
                     session.close):
            with pytest.raises(uldor.Busy) as caught:
                call()
            answers.append(caught.value.status)

    def progress(fraction, stage):
        if answers:
            return
        inside.set()
        thread.join(20)
        with pytest.raises(uldor.Busy):
            session.forward(tensor(32, 32))
        with pytest.raises(uldor.Busy, match="in use"):
            session.close()

    thread = threading.Thread(target=ask)
    with model.session(progress=progress) as session:
        thread.start()
        assert session.forward(tensor(64, 64)).height == 64
    assert answers == [-7, -7, -7]


def test_free_within_a_callback_is_busy_in_the_library(model):
    """The library itself refuses, not only the Python layer."""
    answers = []

    def progress(fraction, stage):
        if not answers:
            answers.append(_abi.lib.uldor_session_free(session._pointer))
            answers.append(_abi.lib.uldor_session_cancel(None))

    with model.session(progress=progress) as session:
        assert session.forward(tensor(64, 64)).height == 64
    assert answers == [-7, -1]


def test_messages_are_each_threads_own(model):
    def fail(number, messages):
        try:
            model.session(threads=2000 + number)
        except uldor.InvalidArgument as error:
            messages.append(str(error))
        barrier.wait(20)
        messages.append(_abi.lib.uldor_last_error().decode())

    barrier = threading.Barrier(3)
    lists = [[], [], []]
    threads = [threading.Thread(target=fail, args=(number, lists[number])) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for messages in lists:
        assert len(messages) == 2 and messages[0] == messages[1] and "threads" in messages[0]


def test_the_sessions_last_error(session):
    with pytest.raises(uldor.InvalidArgument) as caught:
        session.forward(numpy.zeros((2, 32, 32), numpy.float32))
    assert _abi.lib.uldor_session_last_error(session._pointer).decode() == str(caught.value)


# ------------------------------------------------------------------------------------------------------ fork

def forked(work, seconds=30):
    """Exit status of `work` in a forked child that an alarm ends if it hangs."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            signal.alarm(seconds)
            work()
            code = 0
        except uldor.UldorError:
            code = 42
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_child_works_or_gets_an_error(weights, threads):
    image = tensor(97, 131)
    with uldor.Model(weights) as model, model.session(threads=threads) as session:
        expected = everything(session.forward(image))

        def old_session():
            assert everything(session.forward(image)) == expected

        def new_session():
            with model.session(threads=threads) as own:
                assert everything(own.forward(image)) == expected

        def new_model():
            with uldor.Model(weights) as own_model, own_model.session(threads=threads) as own:
                assert everything(own.forward(image)) == expected

        for work in (old_session, new_session, new_model):
            status = forked(work)
            assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, 42), (work.__name__, status)
        assert everything(session.forward(image)) == expected


# -------------------------------------------------------------------------------------------------- lifetime

def test_close(model):
    session = model.session()
    session.close()
    session.close()
    assert session.closed and "closed" in repr(session)
    for use in (lambda: session.forward(tensor(32, 32)), lambda: session.info, session.cancel, session.__enter__().cancel,
                lambda: session.detect(numpy.zeros((9, 9), numpy.int16)), lambda: session.run_stage("c3", {})):
        with pytest.raises(uldor.InvalidArgument, match="session is closed"):
            use()


def test_no_reference_cycle_keeps_a_session_alive(model):
    """Memory goes with the last reference, not when the garbage collector happens to run."""
    gc.disable()
    try:
        session = model.session(progress=lambda fraction, stage: None, log=lambda level, line: None)
        result = session.forward(tensor(64, 64))
        detection = result[0] if len(result) else None
        alive = weakref.ref(session)
        del session
        assert alive() is None
        alive = weakref.ref(result)
        del result
        if detection is not None:
            assert alive() is not None and detection.mask.shape == (64, 64)
            del detection
        assert alive() is None
    finally:
        gc.enable()


def test_handles_are_not_pickled(model, session):
    for handle in (model, session):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(handle)


def test_a_handle_of_the_wrong_kind(model, session):
    out = ctypes.c_void_p()
    image = _abi.image()
    _abi.lib.uldor_image_init(ctypes.byref(image), ctypes.sizeof(image))
    assert _abi.lib.uldor_session_create(session._pointer, None, ctypes.byref(out)) == -1
    assert _abi.lib.uldor_session_detect(model._pointer, ctypes.byref(image), ctypes.byref(out)) == -1
    assert _abi.lib.uldor_result_free(model._pointer) == -1
    assert _abi.lib.uldor_model_free(session._pointer) == -1
    assert _abi.lib.uldor_session_free(model._pointer) == -1
    assert _abi.lib.uldor_tensors_free(model._pointer) == -1
    for name in ("model", "session", "result", "tensors"):
        assert getattr(_abi.lib, f"uldor_{name}_free")(None) == 0


def test_log(model):
    lines = []
    with model.session(log=lambda level, line: lines.append((level, line))) as session:
        session.forward(tensor(64, 64))
    assert all(level in (1, 2) and line and "\n" not in line for level, line in lines)


def test_many_sizes_do_not_pile_up(model):
    with model.session(threads=1) as session:
        session.forward(tensor(160, 160))
        before = session.info.memory_bytes
        for width in range(33, 160, 16):
            session.forward(tensor(48, width))
        assert session.info.memory_bytes <= before * 1.5
