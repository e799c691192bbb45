# SPDX-License-Identifier: Apache-2.0
"""One run of several processes."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pytest

import training_data
import uldor
from training_data import SHORT, SMALL, flat, tensors


class Together:
    """Processes as threads: sums in the order of ranks, as MPI's Allreduce would."""

    def __init__(self, size):
        self.size, self.values = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=60)

    def reduction(self, rank):
        def add_up(values):
            self.values[rank] = values.copy()
            self.barrier.wait()
            total = sum(self.values[1:], self.values[0].copy())
            self.barrier.wait()
            values[:] = total

        return uldor.Reduction(rank, self.size, add_up)


def together(size, work):
    meeting, errors = Together(size), [None] * size

    def run(rank):
        try:
            work(rank, meeting.reduction(rank))
        except BaseException as error:
            errors[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return errors


@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_processes_are_one_with_the_doubled_batch(discs, tmp_path, accumulation):
    """The update of a step, 1e-5 relative."""
    start = tmp_path / "start.safetensors"
    options = dict(SHORT, accumulation=accumulation, threads=1)
    with uldor.Trainer(discs, **options) as run:
        run.save(start)
    updates = []

    def work(rank, reduction):
        batch = 2 if reduction is not None else 4
        with uldor.Trainer(discs, **{**options, "batch": batch}, reduction=reduction) as run:
            run.run(1)
            run.save(tmp_path / f"{batch}.{rank}")

    assert together(2, work) == [None, None]
    work(0, None)
    first = flat(tensors(start))
    updates = [flat(tensors(tmp_path / name)) - first for name in ("4.0", "2.0", "2.1")]
    assert (updates[1] == updates[2]).all()
    norm = numpy.linalg.norm(updates[0])
    assert norm > 1e-3 and numpy.linalg.norm(updates[1] - updates[0]) <= 1e-5 * norm


@pytest.mark.parametrize("accumulation", [1, 2])
def test_how_often_a_step_sums(accumulation):
    """Normalisers of each batch, the gradients: uldor_reduction says so."""
    kinds, marks = [], []

    def work(rank, reduction):
        def counted(values):
            if rank == 0:
                kinds.append(values.dtype.name)
            reduction.sum(values)

        def progress(event):
            if rank == 0 and event.kind == "step":
                marks.append(len(kinds))

        with training_data.source(train=12) as many, uldor.Trainer(
                many, **{**SHORT, "batch": 1, "accumulation": accumulation}, progress=progress,
                reduction=uldor.Reduction(rank, 2, counted)) as run:
            run.run(2)

    assert together(2, work) == [None, None]
    assert sorted(kinds[marks[0]:marks[1]]) == ["float32"] + ["float64"] * accumulation


def test_processes_stop_together(discs, tmp_path):
    def work(rank, reduction):
        def progress(event):
            if rank == 1 and event.kind == "step" and event.total_steps == 2:
                raise KeyError("here")

        with uldor.Trainer(discs, **SHORT, reduction=reduction, progress=progress) as run:
            try:
                run.run()
            finally:
                run.save(tmp_path / f"{rank}")

    errors = together(2, work)
    assert isinstance(errors[1], KeyError)
    assert isinstance(errors[0], uldor.Cancelled) and "another process stopped" in str(errors[0])
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_process_is_cancelled_at_any_sum(accumulation, tmp_path):
    """Before, within and after a backward pass: nobody waits, both stand at the same step with the same weights, and go on."""
    for moment in range(2, 11):
        calls = []
        states = {}

        def work(rank, reduction):
            def summed(values):
                reduction.sum(values)
                if rank == 1:
                    calls.append(values.dtype.name)
                    if len(calls) == moment:
                        run.cancel()

            with training_data.source(train=12) as many, uldor.Trainer(
                    many, **{**SHORT, "batch": 1, "accumulation": accumulation, "epochs": 1},
                    reduction=uldor.Reduction(rank, 2, summed)) as run:
                try:
                    run.run()
                finally:
                    states[rank] = run.state.total_steps
                    run.save(tmp_path / f"{rank}")
                    if moment % 4 == 0:  # the run that was stopped goes on
                        stopped.wait()
                        run.run()
                        run.save(tmp_path / f"{rank}")

        stopped = threading.Barrier(2, timeout=60)
        errors = together(2, work)
        assert isinstance(errors[1], uldor.Cancelled), (moment, errors)
        assert isinstance(errors[0], uldor.Cancelled) and "another process stopped" in str(errors[0]), (moment, errors)
        assert states[0] == states[1]
        assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes(), moment
    assert "float32" in calls and "float64" in calls


def test_processes_mine_together(discs, tmp_path):
    """Each looks at its share; the sets are those of one process, to the byte, and so are the steps, 1e-5 relative."""
    start = tmp_path / "start.safetensors"
    with uldor.Trainer(discs, **SHORT) as run:
        run.run(1)
        run.save(start)
    # Everything but the best detection is a candidate.
    mining = uldor.Mining(first_epoch=0, good_iou=0, score_threshold=0, min_score=0, most=2)
    options = {name: value for name, value in SHORT.items() if name != "architecture"}

    def work(rank, reduction):
        name = f"{1 if reduction is None else 2}.{rank}"
        batch = 4 if reduction is None else 2
        with uldor.Trainer(discs, **{**options, "batch": batch}, init=start, threads=1, mining=mining, reduction=reduction,
                           mined_output=tmp_path / f"{name}.jsonl" if rank == 0 else None) as run:
            run.run(1)
            run.save(tmp_path / name)

    assert together(2, work) == [None, None]
    work(0, None)
    alone, both = (tmp_path / "1.0.jsonl").read_text(), (tmp_path / "2.0.jsonl").read_text()
    assert alone == both and alone.count('"chosen"') >= 4
    first, second = flat(tensors(tmp_path / "2.0")), flat(tensors(tmp_path / "2.1"))
    one = flat(tensors(tmp_path / "1.0"))
    with uldor.Trainer(discs, **options, init=start, classes=3) as still:
        still.save(tmp_path / "grown")
    before = flat(tensors(tmp_path / "grown"))
    assert (first == second).all()
    norm = numpy.linalg.norm(one - before)
    assert norm > 1e-4 and numpy.linalg.norm(first - one) <= 1e-5 * norm


def test_a_process_stops_while_it_mines(discs):
    mining = uldor.Mining(first_epoch=0, score_threshold=0)

    def work(rank, reduction):
        def progress(event):
            if rank == 1 and event.kind == "mining":
                raise KeyError("here")

        with uldor.Trainer(discs, **SHORT, mining=mining, reduction=reduction, progress=progress) as run:
            run.run()

    errors = together(2, work)
    assert isinstance(errors[1], KeyError)
    assert isinstance(errors[0], uldor.Cancelled) and "another process stopped" in str(errors[0])


def test_reduction_fails(discs):
    def broken(values):
        raise OSError("the network is down")

    with uldor.Trainer(discs, **SHORT, reduction=uldor.Reduction(0, 2, broken)) as run, pytest.raises(OSError, match="network"):
        run.run()


def test_mpi(root, tmp_path):
    """train_mpi.py under mpirun -n 2, and alone with the doubled batch."""
    beside = Path(sys.executable).with_name("mpirun")
    mpirun = os.environ.get("ULDOR_MPIRUN") or (str(beside) if beside.exists() else shutil.which("mpirun"))
    python = os.environ.get("ULDOR_MPI_PYTHON") or sys.executable
    if mpirun is None:
        pytest.skip("no mpirun")
    if subprocess.run([python, "-c", "import mpi4py.MPI, numpy"], capture_output=True).returncode != 0:
        pytest.skip(f"{python} has no mpi4py")
    folder = training_data.write(tmp_path / "data", train=4, validation=1)
    environment = {**os.environ, "PYTHONPATH": str(root / "examples/python/src"), "OMPI_ALLOW_RUN_AS_ROOT": "1",
                   "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    for name, launcher, batch in (("two", [mpirun, "-n", "2", "--oversubscribe"], 2), ("one", [], 4)):
        subprocess.run(
            [*launcher, python, str(root / "examples/python/train_mpi.py"), "--data", str(folder), "--arch", SMALL, "--epochs", "1",
             "--threads", "1", "--batch", str(batch), "--out", str(tmp_path / name), "--dataset", '{"keep_noisy": true}', "--trainer",
             '{"clip_norm": 1e9, "proposals": 300}'], check=True, env=environment, timeout=300)
    one, two = flat(tensors(tmp_path / "one")), flat(tensors(tmp_path / "two"))
    refused = subprocess.run([python, str(root / "examples/python/train_mpi.py"), "--data", str(folder), "--out", str(tmp_path / "none"),
                              "--trainer", "[1]"], env=environment, timeout=300, capture_output=True, text=True)
    assert refused.returncode == 2 and "--trainer" in refused.stderr and not (tmp_path / "none").exists()
    with uldor.Dataset(folder) as discs, uldor.Trainer(discs, architecture=SMALL, batch=4) as run:
        run.run(1)  # calibrates, as the others did
        with uldor.Trainer(discs, architecture=SMALL, batch=4, lr=0.0, weight_decay=0.0) as still:
            still.run(1)
            still.save(tmp_path / "start")
    start = flat(tensors(tmp_path / "start"))
    norm = numpy.linalg.norm(one - start)
    assert norm > 1e-4 and numpy.linalg.norm(two - one) <= 1e-5 * norm
