# SPDX-License-Identifier: Apache-2.0
"""What a run leaves on the disk: when it is killed, when there is no room, when files are not what they should be."""
from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

import training_data
import uldor
from training_data import SHORT, flat, tensors, trainer

CHILD = """
import sys
sys.path[:0] = [{tests!r}, {package!r}]
import training_data, uldor
from pathlib import Path
with training_data.source() as discs:
    with training_data.trainer(discs, Path(sys.argv[1]), checkpoint_steps=1, threads=1) as run:
        print("started", flush=True)
        run.run()
        print("done", flush=True)
"""


def child(root, folder, before="", **options):
    """A run in a process of its own, with a log; `before` is run there first."""
    code = before + CHILD.format(tests=str(root / "Tests/python"), package=str(root / "examples/python/src")).replace(
        "threads=1)", 'threads=1, log_file=Path(sys.argv[1]) / "log.jsonl")')
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, **options)


def test_killed_at_random_moments(discs, whole, root, tmp_path):
    """kill -9, 20 times and until some met a run half-way: what is on the disk is always whole, and the run ends with the same bits."""
    moments = random.Random(20)
    done = kills = halves = 0
    folder = tmp_path / "0"
    folder.mkdir()
    while kills < 20 or (halves < 5 and kills < 200):
        process = child(root, folder)
        assert process.stdout.readline() == "started\n"
        time.sleep(moments.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0]
        was_done = "done" in rest
        assert was_done or process.returncode == -signal.SIGKILL
        kills += not was_done
        halves += not was_done and (folder / "run.checkpoint").exists()
        for file in folder.iterdir():
            if file.suffix not in (".partial", ".jsonl"):
                flat(tensors(file))  # every byte that the header tells of is there
        if was_done or (kills >= 20 and halves >= 5):
            process = child(root, folder)
            assert process.communicate()[0].endswith("done\n") and process.returncode == 0
            assert tensors_equal(folder, whole)
            rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
            assert [row["total_steps"] for row in rows] == [1, 2, 3, 3, 4, 5, 6, 6]
            done += 1
            folder = tmp_path / str(done)
            folder.mkdir()
    assert halves >= 5 and not list(tmp_path.glob("*/*.partial"))


def tensors_equal(folder, other):
    for name in ("out.safetensors", "run.checkpoint"):
        mine, theirs = tensors(folder / name), tensors(other / name)
        if mine.keys() != theirs.keys() or any((mine[n] != theirs[n]).any() for n in mine):
            return False
    return True


def test_no_room(discs, root, tmp_path):
    """A disk that is full (here: the limit on file sizes, whose signal would kill the process) is an error, and what was
    there stays."""
    code = CHILD.format(tests=str(root / "Tests/python"), package=str(root / "examples/python/src")).replace(
        "        run.run()\n", """        run.run(2)
        run.write_checkpoint()
        before = Path(sys.argv[1], "run.checkpoint").read_bytes()
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, resource.RLIM_INFINITY))
        for call in (run.write_checkpoint, lambda: run.save(Path(sys.argv[1], "other")), run.run):
            try:
                call()
                assert call is not run.run and not "no error"
            except uldor.FileError as error:
                assert "cannot write: File too large" in str(error), error
        assert Path(sys.argv[1], "run.checkpoint").read_bytes() == before
        assert sorted(p.name for p in Path(sys.argv[1]).iterdir()) == ["run.checkpoint"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        run.run()
""")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")


@pytest.fixture
def sizes(root, tmp_path):
    """Of the files that a run leaves."""
    process = child(root, tmp_path)
    assert process.communicate()[0].endswith("done\n")
    return {file.name: file.stat().st_size for file in tmp_path.iterdir()}


@pytest.mark.parametrize("name, part", [("out.safetensors", 0.5), ("run.checkpoint", 0.8)])
def test_too_large_from_the_start(root, tmp_path, sizes, name, part):
    """Told before the first step, and nothing is left."""
    folder, most = tmp_path / "new", int(part * sizes[name])
    folder.mkdir()
    limit = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
"""
    process = child(root, folder, before=limit, stderr=subprocess.PIPE)
    out, errors = process.communicate()
    assert process.returncode == 1 and f"{folder / name}: cannot write: File too large" in errors, errors
    assert "started" not in out and not list(folder.iterdir())


@pytest.mark.parametrize("checkpoints, fits", [(1.5, False), (2.5, True)])
def test_full_from_the_start(root, tmp_path, sizes, checkpoints, fits):
    """A small disk: there must be room for the weights and, as the new one is written beside the old one, two checkpoints."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = int(sizes["out.safetensors"] + sizes["log.jsonl"] + checkpoints * sizes["run.checkpoint"])
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "uldor", str(disk)], capture_output=True).returncode != 0:
        pytest.skip("cannot mount a file system")
    try:
        process = child(root, disk, stderr=subprocess.PIPE)
        out, errors = process.communicate()
        if fits:
            assert out.endswith("done\n") and {file.name for file in disk.iterdir()} == sizes.keys()
        else:
            assert f"{disk / 'run.checkpoint'}: cannot write: No space left on device" in errors, errors
            assert "started" not in out and not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("field", ["output", "checkpoint", "log_file"])
def test_denied_place(discs, tmp_path, field):
    """Told before the first step."""
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "nowhere" / "x", tmp_path / "file" / "x", tmp_path, "/proc/uldor"):
        with pytest.raises(uldor.UldorError, match=re.escape(str(place)) + ".*"):
            uldor.Trainer(discs, **{**SHORT, field: place, "resume": "never"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_directory(discs, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(uldor.FileError, match="Permission denied"):
        trainer(discs, tmp_path)


def test_odd_checkpoints(discs, whole, tmp_path):
    good = (whole / "run.checkpoint").read_bytes()
    cases = {
        "half": (good[: len(good) // 2], uldor.FormatError, "are not within the file|belong to no tensor"),
        "empty": (b"", uldor.FormatError, "too few"),
        "weights": ((whole / "out.safetensors").read_bytes(), uldor.FormatError, "not a checkpoint"),
    }
    for name, (content, error, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(error, match=message):
            uldor.Trainer(discs, checkpoint=path, **SHORT)
        assert path.read_bytes() == content
    with pytest.raises(uldor.FileError, match="cannot open"):
        uldor.Trainer(discs, checkpoint=tmp_path / "none", resume="always", **SHORT)


def test_changed_checkpoint_state(discs, whole, tmp_path):
    """A state whose numbers lie, changed byte by byte, is refused or read; it never crashes the run."""
    good = bytearray((whole / "run.checkpoint").read_bytes())
    first, last = good.index(b"uldor_training"), good.index(b"identity")
    shutil.copy(whole / "run.checkpoint", tmp_path / "run.checkpoint")
    draw = random.Random(1)
    for _ in range(150):
        changed = bytearray(good)
        changed[draw.randrange(first, last)] = draw.choice(b"0123456789-.e:,{}[]\"\\x")
        (tmp_path / "run.checkpoint").write_bytes(changed)
        try:
            with trainer(discs, tmp_path) as run:
                run.run(1)
        except (uldor.FormatError, uldor.InvalidArgument):
            pass


def test_other_options_and_data(discs, whole):
    with pytest.raises(uldor.InvalidArgument, match=r"run.checkpoint is the checkpoint of another run: lr is 0.005 there, 0.006 here"):
        trainer(discs, whole, lr=0.006)
    with training_data.source(train=5, validation=3) as other, pytest.raises(uldor.InvalidArgument, match="images to train on is 6"):
        trainer(other, whole)
    with trainer(discs, whole, lr=0.006, resume="never") as run:
        assert not run.state.resumed


def test_bad_images(tmp_path):
    folder = training_data.write(tmp_path / "data")
    bad = folder / "Images_png" / "000002_01_01" / "005.png"
    bad.write_bytes(bad.read_bytes()[:3000])
    with uldor.Dataset(folder) as discs:
        with uldor.Trainer(discs, **SHORT) as run, pytest.raises(uldor.UldorError, match="000002_01_01.*005.png"):
            run.run()
        told = []
        with uldor.Trainer(discs, on_bad_image="skip", log=lambda level, text: told.append(text), **SHORT) as run:
            assert run.run().skipped_images == 2
        assert sum("left out" in text and "005.png" in text for text in told) >= 2


@pytest.mark.parametrize("on_bad_image", ["error", "skip"])
def test_what_a_source_raises_is_the_cause(tmp_path, on_bad_image):
    """It is read on the library's threads. What was skipped is not the cause of what else goes wrong."""
    def fail():
        raise KeyError("the archive is away")

    image, *circle = training_data.disc(1)
    lesion = uldor.SourceLesion(recist=training_data.diameters(*circle))
    images = [uldor.SourceImage(size=image.shape, read=read, lesions=[lesion], spacing=0.8, slice_interval=2)
              for read in (lambda: image, fail, lambda: image)]
    with uldor.Dataset.from_source(images) as data, uldor.Trainer(
            data, **{**SHORT, "calibration_images": 0}, validation_split=None, on_bad_image=on_bad_image) as run:
        if on_bad_image == "error":
            with pytest.raises(uldor.FileError, match="source.read returned 1") as error:
                run.run()
            assert isinstance(error.value.__cause__, KeyError)
        else:
            assert run.run().skipped_images == 2
            with pytest.raises(uldor.FileError) as error:
                run.save(tmp_path / "nowhere" / "w.safetensors")
            assert error.value.__cause__ is None
