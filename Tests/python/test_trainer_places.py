# SPDX-License-Identifier: Apache-2.0
"""A run's files, one beside the other: the best weights and their checkpoint, the log, what is read and must not be written over."""
from __future__ import annotations

import io
import shutil

import pytest

import training_data
import uldor
from training_data import SHORT, same, trainer

#: No step changes anything: the first epoch stays the best.
STILL = dict(lr=0, weight_decay=0, validation_images=1)


def go(discs, folder, **options):
    with trainer(discs, folder, **options) as run:
        run.run()
        return run.state


@pytest.mark.parametrize("damage", ["gone", "older", "moved"])
def test_best_weights_are_made_again(discs, whole, tmp_path, damage):
    """Where the checkpoint's own weights are the best: killed between both files, taken away, or asked for elsewhere."""
    first = tmp_path / "first"
    first.mkdir()
    go(discs, first, epochs=1)
    older = (first / "out.safetensors").read_bytes()
    assert go(discs, first).best_epoch == 1 and same(first, whole)
    folder = tmp_path if damage == "moved" else first
    if damage == "moved":
        shutil.copy(first / "run.checkpoint", folder)
    elif damage == "older":
        (first / "out.safetensors").write_bytes(older)
    else:
        (first / "out.safetensors").unlink()
    with trainer(discs, folder) as run:  # looking alone changes nothing
        assert run.state.best_epoch == 1
    assert not same(folder, whole) if damage == "older" else not (folder / "out.safetensors").exists()
    assert go(discs, folder).resumed and same(folder, whole)


def test_another_file_in_place_of_the_best_weights_stays(discs, tmp_path):
    """Nobody else's work is replaced when a run that is over is asked for again."""
    go(discs, tmp_path, epochs=1)
    out = tmp_path / "out.safetensors"
    for text in (b"precious", b""):
        out.write_bytes(text)
        with pytest.raises(uldor.InvalidArgument, match="does not hold the best weights so far, those of epoch 1"):
            go(discs, tmp_path, epochs=1)
        assert out.read_bytes() == text


def test_best_weights_are_not_missed_where_the_next_epoch_has_better(discs, tmp_path):
    """Without validation."""
    go(discs, tmp_path, epochs=1, validation_split=None)
    with trainer(discs, tmp_path, epochs=2, validation_split=None) as run:
        run.run(1)
        run.write_checkpoint()
    (tmp_path / "out.safetensors").rename(tmp_path / "moved")
    assert go(discs, tmp_path, epochs=2, validation_split=None).best_epoch == 1
    assert (tmp_path / "out.safetensors").exists()


def test_half_may_be_asked_for_later(discs, tmp_path):
    go(discs, tmp_path, epochs=1)
    whole = (tmp_path / "out.safetensors").stat().st_size
    (tmp_path / "out.safetensors").unlink()
    for _ in range(2):
        go(discs, tmp_path, epochs=1, half=True)
        assert (tmp_path / "out.safetensors").stat().st_size < 0.6 * whole


@pytest.mark.parametrize("damage", [None, b"junk", b""])
def test_best_weights_that_are_lost_are_missed(discs, tmp_path, damage):
    """Where only their file had them."""
    out, kept, log = tmp_path / "out.safetensors", tmp_path / "kept", tmp_path / "log.csv"
    assert go(discs, tmp_path, epochs=2, log_file=log, **STILL).best_epoch == 0
    out.rename(kept)
    with open(log, "a") as file:
        file.write("of a longer run\n")
    lines = log.read_bytes()
    if damage is not None:
        out.write_bytes(damage)
    with pytest.raises(uldor.InvalidArgument, match="out.safetensors does not hold the best weights so far, those of epoch 1"):
        go(discs, tmp_path, epochs=3, log_file=log, **STILL)
    assert (out.read_bytes() if out.exists() else None) == damage
    assert log.read_bytes() == lines
    kept.rename(out)
    state = go(discs, tmp_path, epochs=3, log_file=log, **STILL)
    assert state.resumed and state.best_epoch == 0


def test_other_initial_weights_are_another_run(discs, tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        with trainer(discs, folder, seed=number) as run:
            run.save(folder / "init")
    first, second, third = (folder / "init" for folder in folders)
    go(discs, tmp_path, epochs=1, init=first)
    for other in (second, None):
        with pytest.raises(uldor.InvalidArgument, match="checkpoint of another run: init is [0-9a-f]{16} there, .* here"):
            trainer(discs, tmp_path, init=other)
    shutil.copy(first, third)  # the same elsewhere
    assert go(discs, tmp_path, init=third).resumed
    third.unlink()  # nothing to compare with, and nothing that the run needs
    assert go(discs, tmp_path, init=third, epochs=3).resumed


def test_initial_weights_may_be_replaced_by_what_is_learnt(discs, whole, tmp_path):
    shutil.copy(whole / "out.safetensors", tmp_path)
    begun = (tmp_path / "out.safetensors").read_bytes()
    go(discs, tmp_path, epochs=1, init=tmp_path / "out.safetensors")
    assert (tmp_path / "out.safetensors").read_bytes() != begun
    (tmp_path / "link").symlink_to("out.safetensors")
    assert go(discs, tmp_path, init=tmp_path / "link").resumed


@pytest.mark.parametrize("field", ["output", "checkpoint", "log_file"])
def test_inputs_are_not_written_over(tmp_path, field):
    folder = training_data.write(tmp_path / "data")
    init = tmp_path / "init.safetensors"
    (tmp_path / "link").symlink_to(folder / "DL_info.csv")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("File_name,Bounding_boxes\n")
    with uldor.Dataset(folder, boxes=boxes) as data:
        with uldor.Trainer(data, **SHORT) as run:
            run.save(init)
        inputs = [folder / "DL_info.csv", boxes, tmp_path / "link", folder / "Images_png" / "000001_01_01" / "005.png"]
        for path in inputs + [init] * (field != "output"):
            before = path.read_bytes()
            with pytest.raises(uldor.InvalidArgument, match=f"{path.name}: this is an input|is options.init_path|have the same path"):
                uldor.Trainer(data, init=init, resume="never", **{**SHORT, field: path})
            assert path.read_bytes() == before
        # Beside them there is nothing to lose.
        with uldor.Trainer(data, **{**SHORT, field: folder / "new"}):
            pass


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_what_is_no_log_is_not_overwritten(discs, tmp_path, name):
    log = tmp_path / name
    for text in ("notes", "\n", '{"event": "no' if name == "log.csv" else "event,epoch"):
        log.write_text(text)
        with pytest.raises(uldor.InvalidArgument, match=f"{name}: not a log of training"):
            trainer(discs, tmp_path, log_file=log)
        assert log.read_text() == text
    log.write_text("")
    go(discs, tmp_path, log_file=log)
    lines = log.read_text().splitlines()
    assert len(lines) == 8 + (name == "log.csv")
    # Another run begins it anew.
    go(discs, tmp_path, log_file=log, resume="never", epochs=1)
    assert len(log.read_text().splitlines()) == 4 + (name == "log.csv")


@pytest.mark.parametrize("lost", [1, 40, 100_000])
def test_log_that_lost_its_end(discs, tmp_path, lost):
    """Whole lines stay, and it is said."""
    log, told = tmp_path / "log.csv", []
    go(discs, tmp_path, log_file=log, epochs=1)
    whole = log.read_bytes()
    kept = whole[: max(len(whole) - lost, 0)]
    kept = kept[: kept.rfind(b"\n") + 1]
    with open(log, "r+b") as file:
        file.truncate(max(len(whole) - lost, 0))
    go(discs, tmp_path, log_file=log, log=lambda level, text: told.append(text))
    lines = log.read_bytes().splitlines(keepends=True)
    assert b"".join(lines).startswith(kept) and lines[0].startswith(b"event,epoch,step")
    assert [line.split(b",")[1] for line in lines[-4:]] == [b"1"] * 4
    assert any(f"log.csv: {len(whole) - len(kept)} of {len(whole)} bytes are lost" in text for text in told)


def test_tqdm(discs):
    """As the documents have it: the bar ends where the run does."""
    tqdm = pytest.importorskip("tqdm")
    with uldor.Trainer(discs, **SHORT) as run:
        with tqdm.tqdm(run, total=len(run), file=io.StringIO()) as bar:
            kinds = [event.kind for event in bar]
            assert bar.n == bar.total == 8 and kinds == (["step"] * 3 + ["epoch"]) * 2
