# SPDX-License-Identifier: Apache-2.0
"""Options of a training run: ranges, and what they say of themselves."""
from __future__ import annotations

import math

import pytest

import uldor
from training_data import SHORT


@pytest.mark.parametrize("name, values", [
    ("epochs", [0, 100001]), ("checkpoint_steps", [-1, 2 * 10**9]), ("batch", [0, 1025]), ("accumulation", [0, 1025]),
    ("lr", [-1.0, 1001.0, math.nan, math.inf]), ("momentum", [-0.1, 1.0, math.nan]), ("weight_decay", [-0.1, 1.1, math.nan]),
    ("second_momentum", [-0.1, 1.0, math.nan]),
    ("lr_factor", [-0.1, 1.1, math.nan]), ("lr_epochs", [-1, 100001]), ("warmup_steps", [-1, 2 * 10**9]),
    ("clip_norm", [-1.0, math.nan, math.inf]), ("epoch_images", [-1, 2 * 10**9]), ("validation_images", [-1, 2 * 10**9]),
    ("patience", [-1, 100001]), ("trainable_layers", [-2, 6]), ("rpn_samples", [0, 4097]), ("roi_samples", [0, 4097]),
    ("rpn_positive", [-0.1, 1.1, math.nan]), ("roi_positive", [-0.1, 1.1, math.nan]), ("proposals", [0, 4097]),
    ("calibration_images", [-2, 257]), ("threads", [-1, 1025]), ("loader_threads", [0, 65]), ("classes", [1, 4, -1]),
])
def test_ranges(discs, name, values):
    for value in values:
        with pytest.raises(uldor.InvalidArgument, match=rf"options\.{name} is "):
            uldor.Trainer(discs, **{**SHORT, name: value})


@pytest.mark.parametrize("options, message", [
    (dict(architecture=None), "init_path and options.architecture are both NULL"),
    (dict(architecture="resnet20"), "architecture 'resnet20': not one of resnet18"),
    (dict(architecture="narrow:fpn=0"), "not a width"),
    (dict(config="{"), "options.config: the configuration is not valid JSON"),
    (dict(config='{"format": 1, "classes": ["background", "lesion"], "anchor": 1}'), "anchor: unknown field"),
    (dict(train_split="test"), "no image of split 3"),
    (dict(output=""), "output_path is empty"),
    (dict(augmentation=uldor.Augmentation(scale=(2, 1))), "augmentation.scale"),
    (dict(reduction=uldor.Reduction(2, 2, lambda values: None)), r"reduction.rank is 2, not within 0\.\.<2"),
    (dict(reduction=uldor.Reduction(0, 0, lambda values: None)), r"reduction.size is 0"),
    (dict(resume="always"), "ULDOR_RESUME_ALWAYS"),
])
def test_other_options(discs, options, message):
    with pytest.raises((uldor.InvalidArgument, uldor.ModelError), match=message):
        uldor.Trainer(discs, **{**SHORT, **options})


def test_paths_that_are_one(discs, tmp_path):
    with pytest.raises(uldor.InvalidArgument, match="two files of options have the same path"):
        uldor.Trainer(discs, output=tmp_path / "a", checkpoint=tmp_path / "a", **SHORT)


@pytest.mark.parametrize("name", ["optimiser", "lr_schedule"])
def test_choices(discs, name):
    with pytest.raises(ValueError, match=f"{name}.*'adam'"):
        uldor.Trainer(discs, **SHORT, **{name: "adam"})


def test_unknown_keyword(discs):
    for name in ("learning_rate", "struct_size", "log_user", "reserved"):
        with pytest.raises(TypeError, match=name):
            uldor.Trainer(discs, **SHORT, **{name: 1})
