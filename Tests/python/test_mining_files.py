# SPDX-License-Identifier: Apache-2.0
"""Mining that is interrupted, and what it finds at PATH.part; images that cannot be read."""
from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time

import mining_data
import numpy
import pytest
from mining_data import lines, mined

import uldor

COUNT = 24
OPTIONS = dict(min_score=0.3, spare_quantile=0.9, seed=3)
CHILD = """
import sys
sys.path[:0] = [{tests!r}, {package!r}]
import mining_data, uldor
from pathlib import Path
with uldor.Model(sys.argv[1]) as model, mining_data.source(model, {count}, 77) as data:
    print("started", flush=True)
    uldor.mine(model, data, Path(sys.argv[2]), threads=2, **{options!r})
    print("done", flush=True)
"""


@pytest.fixture(scope="module")
def weights2(weights, tmp_path_factory):
    return mining_data.weights(tmp_path_factory.mktemp("weights") / "two", weights)


@pytest.fixture(scope="module")
def network(weights2):
    with uldor.Model(weights2) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def few(network):
    with mining_data.source(network, COUNT, 77) as made:
        yield made


@pytest.fixture(scope="module")
def whole(network, few, tmp_path_factory):
    """The bytes that every run must end with."""
    return mined(tmp_path_factory.mktemp("whole") / "a", network, few, **OPTIONS)


@pytest.fixture
def part(network, few, tmp_path):
    """PATH.part of a run that was cancelled after eight images."""
    calls = iter(range(8))
    with pytest.raises(uldor.Cancelled):
        uldor.mine(network, few, tmp_path / "a", threads=1, streams=1, progress=lambda done, image: next(calls, None) is None, **OPTIONS)
    assert not (tmp_path / "a").exists()
    return tmp_path / "a.part"


@pytest.mark.parametrize("options", [dict(threads=1, streams=1), dict(threads=2, streams=4)])
def test_cancelled_anywhere(network, few, whole, tmp_path, options):
    """Again and again, after one image or a few: the same bytes."""
    moments, cancelled, path = random.Random(1), 0, tmp_path / "a"
    while not path.exists():
        left = moments.randrange(1, 6)

        def progress(done, image):
            nonlocal left
            left -= 1
            return left < 0

        try:
            info = uldor.mine(network, few, path, progress=progress, **options, **OPTIONS)
        except uldor.Cancelled:
            cancelled += 1
            assert not path.exists()
    assert path.read_bytes() == whole and cancelled > 3 and not (tmp_path / "a.part").exists()
    assert 0 < info.resumed < info.images == lines(path)[0]["images"]


def test_progress(network, few, whole, tmp_path):
    seen = []
    uldor.mine(network, few, tmp_path / "a", threads=1, progress=lambda done, image: seen.append((done, image)), **OPTIONS)
    done = [fraction for fraction, _ in seen]
    assert done == sorted(done) and 0 <= done[0] and done[-1] <= 1 and done[-1] > 0.9
    assert {image for _, image in seen} <= {line["image"] for line in lines(tmp_path / "a")[1:-1]}
    assert (tmp_path / "a").read_bytes() == whole


def test_progress_raises(network, few, whole, tmp_path):
    class Enough(Exception):
        pass

    def progress(done, image):
        if done > 0.5:
            raise Enough(image)

    with pytest.raises(Enough):
        uldor.mine(network, few, tmp_path / "a", threads=1, progress=progress, **OPTIONS)
    assert mined(tmp_path / "a", network, few, **OPTIONS) == whole


def test_killed_at_random_moments(root, weights2, whole, tmp_path):
    """kill -9, 12 times; then the same bytes."""
    code = CHILD.format(tests=str(root / "Tests/python"), package=str(root / "examples/python/src"), count=COUNT, options=OPTIONS)
    moments, kills, path = random.Random(2), 0, tmp_path / "a"

    def child():
        process = subprocess.Popen([sys.executable, "-c", code, str(weights2), str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "started\n"
        return process

    done = 0
    while kills < 12:
        process = child()
        time.sleep(moments.uniform(0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        if path.exists():
            assert path.read_bytes() == whole
            path.unlink()
            done += 1
    process = child()
    assert process.communicate()[0] == "done\n" and process.returncode == 0
    assert path.read_bytes() == whole and [file.name for file in tmp_path.iterdir()] == ["a"]
    assert done < 12


def test_every_ending_of_a_part(network, few, whole, part, tmp_path):
    """Cut off at any byte, as a kill or a full disk leaves it: the same bytes, or where not even the first line is whole an
    error that names the file or a run from the beginning."""
    content = part.read_bytes()
    first, draw = content.index(b"\n") + 1, random.Random(3)
    for length in [*range(0, first, 37), first - 1, first, first + 1, *sorted(draw.sample(range(first, len(content)), 12)), len(content) - 1]:
        (tmp_path / "b.part").write_bytes(content[:length])
        assert mined(tmp_path / "b", network, few, **OPTIONS) == whole, length


def test_damaged_part(network, few, part):
    """A line in the middle that is none: the error names file and line, and the file stays as it is."""
    good = part.read_bytes().splitlines(keepends=True)
    for number in (2, len(good) - 1):
        for bad in (b"{\n", b"\0\0\0\n", b"[]\n", good[number - 1][:-9] + b"\n", good[number - 1].replace(b'"s1"', b'"s9"', 1), b"\n"):
            if bad == good[number - 1]:
                continue
            content = b"".join([*good[:number - 1], bad, *good[number:]])
            part.write_bytes(content)
            with pytest.raises(uldor.FormatError, match=rf"{re.escape(str(part))}:{number}: "):
                uldor.mine(network, few, part.with_suffix(""), threads=1, **OPTIONS)
            assert part.read_bytes() == content


@pytest.mark.parametrize("options, named", [
    (dict(seed=4), "seed"), (dict(epoch=1), "epoch"), (dict(good_iou=0.4), "good_iou"), (dict(min_score=0.4), "min_score"),
    (dict(most=2), "most"), (dict(boxes_only=True), "boxes_only"), (dict(spare_quantile=0.8), "spare_quantile"),
    (dict(score_threshold=0.1), "score_threshold")])
def test_part_of_other_options(network, few, part, options, named):
    before = part.read_bytes()
    with pytest.raises(uldor.InvalidArgument, match=rf"{re.escape(str(part))}.*{named}"):
        uldor.mine(network, few, part.with_suffix(""), threads=1, **{**OPTIONS, **options})
    assert part.read_bytes() == before


def test_part_of_other_model_and_data(network, few, part, weights, tmp_path):
    path, before = part.with_suffix(""), part.read_bytes()
    other = mining_data.weights(tmp_path / "other", weights, mask_bias=-1.99)
    with uldor.Model(other) as changed, pytest.raises(uldor.InvalidArgument, match="model"):
        uldor.mine(changed, few, path, threads=1, **OPTIONS)
    images = mining_data.images(network, COUNT, 77)
    for number, change in enumerate([
            lambda i: i[:-1], lambda i: [i[0]._replace(lesions=[uldor.SourceLesion(box=(1, 2, 30, 40))]), *i[1:]],
            lambda i: [i[0]._replace(name="other"), *i[1:]], lambda i: [i[1], i[0], *i[2:]], lambda i: [i[0]._replace(split="test"), *i[1:]]]):
        with uldor.Dataset.from_source(change(images)) as data, pytest.raises(uldor.InvalidArgument, match="data"):
            uldor.mine(network, data, path, threads=1, **OPTIONS)
        assert part.read_bytes() == before, number
    with uldor.Dataset.from_source(images) as data:
        assert uldor.mine(network, data, path, threads=1, **OPTIONS).resumed == 8


def test_resume(network, few, whole, part):
    path, content = part.with_suffix(""), part.read_bytes()
    assert uldor.mine(network, few, path, resume="always", **OPTIONS).resumed == 8
    assert path.read_bytes() == whole
    with pytest.raises(uldor.FileError, match=re.escape(str(part))):
        uldor.mine(network, few, path, resume="always", **OPTIONS)
    part.write_bytes(content)
    assert uldor.mine(network, few, path, resume="never", **{**OPTIONS, "seed": 4}).resumed == 0
    assert path.read_bytes() != whole and not part.exists()


def failing(network, exception):
    def read():
        raise exception

    images = mining_data.images(network, COUNT, 77)
    images[4] = images[4]._replace(read=read)
    return uldor.Dataset.from_source(images)


def test_bad_images(network, tmp_path):
    """An error names the image and has what was raised as its cause; skipped, it is counted, and has no line."""
    told = []
    with failing(network, KeyError("the archive is away")) as data:
        with pytest.raises(uldor.UldorError, match="s77/0004"):
            uldor.mine(network, data, tmp_path / "a", threads=1)
        info = uldor.mine(network, data, tmp_path / "b", threads=1, on_bad_image="skip", log=lambda level, text: told.append(text))
        assert info.skipped_images == 1 and sum("s77/0004" in text for text in told) == 1
        assert "s77/0004" not in [line.get("image") for line in lines(tmp_path / "b")]
    nan = numpy.full((40, 40), numpy.nan, numpy.float32)
    images = mining_data.images(network, 3, 77)
    images[1] = images[1]._replace(read=lambda: nan, size=nan.shape, lesions=[uldor.SourceLesion(box=(1, 1, 9, 9))])
    with uldor.Dataset.from_source(images) as data, pytest.raises(uldor.ImageError, match="s77/0001"):
        uldor.mine(network, data, tmp_path / "c", threads=1)


def test_no_room(root, weights2, whole, tmp_path):
    """A limit on file sizes stands for a full disk: an error; with room again the run goes on to the same bytes."""
    code = CHILD.format(tests=str(root / "Tests/python"), package=str(root / "examples/python/src"), count=COUNT, options=OPTIONS)
    code = code.replace("    uldor.mine(", """    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    for bytes in (10, 3000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))
        try:
            uldor.mine(model, data, Path(sys.argv[2]), threads=2, **%r)
            assert not "no error"
        except uldor.FileError as error:
            assert "File too large" in str(error), error
        assert not Path(sys.argv[2]).exists()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    uldor.mine(""" % OPTIONS)
    done = subprocess.run([sys.executable, "-c", code, str(weights2), str(tmp_path / "a")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a").read_bytes() == whole


def test_models_are_shared(network, few, whole, tmp_path):
    """A session and other minings may use the model at once."""
    import threading

    found = {}

    def run(name):
        found[name] = mined(tmp_path / name, network, few, **OPTIONS)

    threads = [threading.Thread(target=run, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: whole for name in "abc"}
