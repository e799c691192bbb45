# SPDX-License-Identifier: Apache-2.0
"""The run: the same bits whatever the threads, cancelling, resuming, its log."""
from __future__ import annotations

import json
import math
import random
import threading

import pytest

import training_data
import uldor
from training_data import SHORT, same, tensors, trainer


def test_learns(discs, tmp_path):
    losses = []
    with trainer(discs, tmp_path, epochs=8, progress=lambda e: losses.append(e) if e.kind == "epoch" else None) as run:
        state = run.run()
    assert state.status == "finished" and state.total_steps == 24 and state.epoch == 8
    assert losses[-1].loss < 0.6 * losses[0].loss and losses[-1].validation_loss < losses[0].validation_loss
    assert state.best_loss == min(e.validation_loss for e in losses) and losses[state.best_epoch].is_best
    assert all(e.images_per_second > 0 for e in losses) and losses[-1].seconds_left < 1
    # What is left at this pace: 6 images to train on an epoch.
    for number, event in enumerate(losses[:-1], 1):
        assert 0 < event.seconds_left < 10 * (8 - number) * 6 / event.images_per_second + 10
    with uldor.Model(tmp_path / "out.safetensors") as model:
        assert model.info.classes == 2


def test_stops_when_the_validation_loss_falls_no_longer(discs, tmp_path):
    with trainer(discs, tmp_path, lr=0.0, weight_decay=0.0, epochs=50, patience=2) as run:
        state = run.run()
    assert (state.status, state.epoch, state.best_epoch) == ("stopped", 3, 0)
    with trainer(discs, tmp_path, lr=0.0, weight_decay=0.0, epochs=50, patience=2) as run:
        assert run.state.status == "stopped" and run.run().total_steps == state.total_steps


@pytest.mark.parametrize("options", [
    dict(threads=1), dict(threads=3, loader_threads=4), dict(instructions="avx2", threads=2)])
def test_same_bits(discs, whole, tmp_path, options):
    """For any number of threads, of either kind; AVX2 and AVX-512 alike."""
    try:
        run = trainer(discs, tmp_path, **options)
    except uldor.Unsupported:
        pytest.skip("no AVX2 here")
    with run:
        run.run()
    assert same(tmp_path, whole)


def test_resume_after_every_step(discs, whole, tmp_path):
    rounds = 0
    while True:
        with trainer(discs, tmp_path) as run:
            assert run.state.resumed == (rounds > 0)
            if run.state.status != "running":
                break
            assert run.state.total_steps == rounds
            run.run(1)
            run.write_checkpoint()
            rounds += 1
    assert rounds == 6 and same(tmp_path, whole)


def test_adamw(discs, whole, tmp_path):
    """Learns, and ends with the same bits for other threads and a break after every step."""
    options = dict(optimiser="adamw", lr=1e-3, lr_schedule="cosine", weight_decay=0.01, epochs=3)
    losses, rates = [], []

    def watch(event):
        (losses if event.kind == "epoch" else rates).append(event)

    once, parts = tmp_path / "once", tmp_path / "parts"
    once.mkdir(), parts.mkdir()
    with trainer(discs, once, threads=1, progress=lambda e: watch(e) if e.kind in ("step", "epoch") else None, **options) as run:
        assert run.run().status == "finished"
    assert losses[-1].loss < 0.8 * losses[0].loss
    assert [e.lr for e in rates] == pytest.approx([5e-4 * (1 + math.cos(math.pi * step / 9)) for step in range(9)], rel=1e-12)
    for _ in range(9):
        with trainer(discs, parts, threads=3, **options) as run:
            run.run(1)
            run.write_checkpoint()
    assert same(once, parts)
    kept, plain = tensors(once / "run.checkpoint"), tensors(whole / "run.checkpoint")
    assert kept["training.second_momentum"].shape == kept["training.momentum"].shape
    assert (kept["training.second_momentum"] >= 0).all() and kept["training.second_momentum"].any()
    assert "training.second_momentum" not in plain
    with pytest.raises(uldor.InvalidArgument, match="epochs is 3 there, 4 here"):
        trainer(discs, once, **{**options, "epochs": 4})


def test_iteration(discs, whole, tmp_path):
    with trainer(discs, tmp_path) as run:
        assert len(run) == 8
        kinds = [event.kind for event in run]
        assert len(run) == 0 and list(run) == []
    assert kinds == ["step"] * 3 + ["epoch"] + ["step"] * 3 + ["epoch"]
    assert same(tmp_path, whole)


def test_cancelled_anywhere(discs, whole, tmp_path):
    """Cancelled from another thread again and again, the run ends with the same bits: half a step leaves nothing behind."""
    moments, cancelled = random.Random(4), 0
    with trainer(discs, tmp_path) as run:
        while run.state.status == "running":
            timer = threading.Timer(moments.uniform(0, 0.05), run.cancel)
            timer.start()
            try:
                run.run()
            except uldor.Cancelled:
                cancelled += 1
            timer.join()
    assert cancelled > 0 and same(tmp_path, whole)


def test_callback_raises(discs, whole, tmp_path):
    class Enough(Exception):
        pass

    seen = []

    def progress(event):
        seen.append(event)
        if len(seen) in (3, 9, 14):
            raise Enough(event.kind)

    with trainer(discs, tmp_path, progress=progress) as run:
        for _ in range(3):
            with pytest.raises(Enough):
                run.run()
        assert run.run().status == "finished"
    assert same(tmp_path, whole)


def test_busy(discs):
    held = []

    def progress(event):
        with pytest.raises(uldor.Busy):
            held[0].run()
        with pytest.raises(uldor.Busy):
            held[0].close()
        return True

    with uldor.Trainer(discs, progress=progress, **SHORT) as run:
        held.append(run)
        with pytest.raises(uldor.Cancelled):
            run.run()
        held.clear()


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_log(discs, tmp_path, name):
    log = tmp_path / name
    while True:
        with trainer(discs, tmp_path, log_file=log) as run:
            if run.state.status != "running":
                break
            run.run(4)  # what follows the last checkpoint is done again, and stands there once
    lines = log.read_text().splitlines()
    if name == "log.csv":
        columns, *rows = (line.split(",") for line in lines)
        rows = [dict(zip(columns, row)) for row in rows]
    else:
        rows = [json.loads(line) for line in lines]
    assert [row["event"] for row in rows] == ["step"] * 3 + ["epoch"] + ["step"] * 3 + ["epoch"]
    assert [int(row["total_steps"]) for row in rows] == [1, 2, 3, 3, 4, 5, 6, 6]
    terms = ("objectness", "rpn_box", "classifier", "box", "mask")
    assert all(math.isclose(float(row["loss"]), sum(float(row[term]) for term in terms), rel_tol=1e-12) for row in rows)


def test_mask_branch_left_alone(discs, tmp_path):
    with trainer(discs, tmp_path, no_mask_loss=1, weight_decay=0.01) as run:
        run.save(tmp_path / "before.safetensors")
        run.run()
        run.save(tmp_path / "after.safetensors")
    before, after = tensors(tmp_path / "before.safetensors"), tensors(tmp_path / "after.safetensors")
    for name in before:
        moved = (before[name] != after[name]).any()
        assert not moved if "mask" in name else moved or "bn" in name or "downsample.1" in name, name


def test_a_lesion_with_a_box_only_has_no_part_in_the_mask_loss():
    """Beside one with a mask in the same batch: the loss is that of a batch in which the other image has no lesion."""
    def mask_loss(other):
        images = []
        for seed, kind in ((1, "mask"), (4, other)):
            image, x, y, radius = training_data.disc(seed)
            box = (x - radius, y - radius, x + radius, y + radius)
            lesion = {"mask": uldor.SourceLesion(recist=training_data.diameters(x, y, radius)), "box": uldor.SourceLesion(box=box)}
            images.append(uldor.SourceImage(size=image.shape, read=lambda image=image: image, spacing=0.8, slice_interval=2,
                                            lesions=[lesion[kind]] if kind else []))
        told = []
        with uldor.Dataset.from_source(images) as data, uldor.Trainer(
                data, **SHORT, validation_split=None, progress=lambda e: told.append(e) if e.kind == "step" else None) as run:
            run.run(1)
        return told[0].mask

    none, box, mask = (mask_loss(other) for other in (None, "box", "mask"))
    assert none > 0 and box == none and mask != none
