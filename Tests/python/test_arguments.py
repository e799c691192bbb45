# SPDX-License-Identifier: Apache-2.0
"""What does not fit an argument is an error of the same kind wherever it is given."""
from __future__ import annotations

import pytest

import uldor
from training_data import SHORT


@pytest.mark.parametrize("call", [
    lambda weights, discs: uldor.Froc("papers"),
    lambda weights, discs: uldor.Froc(false_positives="none"),
    lambda weights, discs: uldor.run_gradients(weights, {}, instructions="sse"),
    lambda weights, discs: uldor.Model(weights).session(instructions="sse"),
    lambda weights, discs: uldor.Trainer(discs, instructions="sse", **SHORT),
    lambda weights, discs: uldor.Dataset("nowhere", on_bad_row="ignore"),
])
def test_unknown_names_come_with_the_known_ones(weights, discs, call):
    with pytest.raises(ValueError, match="'.*': one of .*, "):
        call(weights, discs)


@pytest.mark.parametrize("call", [
    lambda path: uldor.Model(path),
    lambda path: uldor.Dataset(path),
    lambda path: uldor.Dataset("nowhere", csv=path),
    lambda path: uldor.run_gradients(path, {}),
])
def test_paths_are_not_cut_at_a_nul_byte(weights, call):
    with pytest.raises(ValueError, match="NUL"):
        call(f"{weights}\0more")


def test_a_trainers_paths_are_not_cut_at_a_nul_byte(discs, tmp_path):
    path = f"{tmp_path}/weights\0more"
    for name in ("init", "output", "checkpoint", "log_file"):
        with pytest.raises(ValueError, match="NUL"):
            uldor.Trainer(discs, **{**SHORT, name: path})
    with pytest.raises(ValueError, match="NUL"):
        uldor.Trainer(discs, **{**SHORT, "config": "{}\0"})
    with uldor.Trainer(discs, **SHORT) as run:
        for call in (run.save, run.write_checkpoint):
            with pytest.raises(ValueError, match="NUL"):
                call(path)
    assert not list(tmp_path.iterdir())


def test_a_trainers_numbers_are_not_cut(discs):
    for name, value in (("epochs", 2**32 + 1), ("seed", -1), ("seed", 2**64), ("epoch_images", 2**63)):
        with pytest.raises(ValueError, match=f"{name} {value} is out of range"):
            uldor.Trainer(discs, **{**SHORT, name: value})
    with pytest.raises(TypeError):
        uldor.Trainer(discs, **{**SHORT, "batch": 2.5})
