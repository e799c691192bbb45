# SPDX-License-Identifier: Apache-2.0
"""What the converters share: options, the last checks, errors."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import uldor_config
import uldor_weights
from checkpoint_file import CheckpointError
from uldor_config import CLASSES, WeightsError

CLASS_BIAS = "roi_heads.box_predictor.cls_score.bias"
# Detectron2 and MMDetection keep proposals wider than 0; libuldor keeps those of at least rpn.min_size.
ABOVE_ZERO = 1e-30
# What torchvision and MMDetection subtract from and divide RGB by, for values of 0..255.
IMAGENET_MEAN, IMAGENET_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
# Of a network that `uldor train --arch` begins without a configuration.
FIELD_ANCHORS = {"sizes": [[16], [24], [32], [48], [96]]}


def _json_argument(text: str) -> dict[str, Any]:
    """A JSON object, or @FILE that holds one."""
    try:
        if text.startswith("@"):
            with open(text[1:], encoding="utf-8") as file:
                text = file.read()
        value = json.loads(text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="the checkpoint to read")
    parser.add_argument("output", help="the .safetensors file to write")
    parser.add_argument("--dtype", choices=uldor_weights.DTYPES, default="fp32", help="storage of the weights (default fp32)")
    parser.add_argument("--initial", action="store_true",
                        help="write weights to begin a training with, of a detector of any classes (COCO's): all but the layers "
                             "that have rows for each class. Anchors are then libuldor's for lesions, not the checkpoint's")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="names, background first (default by their number)")
    parser.add_argument("--input", type=_json_argument, default={}, metavar="JSON",
                        help='overrides the input section, e.g. \'{"mean": 0.5, "range": [0, 1]}\' or @FILE')
    parser.add_argument("--config", type=_json_argument, default={}, metavar="JSON",
                        help='overrides any section, e.g. \'{"anchors": {"sizes": [[16], [24], [32], [48], [96]]}}\' or @FILE')
    for name in ("name", "version", "license", "description"):
        parser.add_argument(f"--{name}", help=f"{name} shown to people")
    return parser


def add_foreign_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--channel-order", choices=("keep", "reverse"), default="keep",
                        help="keep: the network's channels 0, 1, 2 are the previous, the key and the next slice. reverse: it "
                             "was trained with the slices the other way round, as happens when (previous, key, next) is stored "
                             "as the RGB of an image file and fed as BGR; conv1 and the mean and std are then flipped")
    parser.add_argument("--stride-in-1x1", choices=("auto", "yes", "no"), default="auto",
                        help="where the bottleneck's stride is; auto: on the 1x1 if the stem's batch norm has no running mean "
                             "(the MSRA/caffe weights, whose statistics are folded into scale and shift)")


def rename(tensors: dict[str, np.ndarray], rules: Sequence[tuple[str, str]], ignored: str) -> dict[str, np.ndarray]:
    """The first rule that matches the whole name renames it. A name that no rule knows is an error: a network with other
    layers would otherwise convert without a word and detect nonsense."""
    renamed = {}
    for name, array in tensors.items():
        if re.fullmatch(ignored, name):
            continue
        for pattern, replacement in rules:
            if match := re.fullmatch(pattern, name):
                renamed[match.expand(replacement)] = array
                break
        else:
            raise WeightsError(f"{name} belongs to another network, or to another framework")
    return renamed


def stride_in_1x1(choice: str, tensors: dict[str, np.ndarray]) -> bool:
    if choice != "auto":
        return choice == "yes"
    mean = tensors.get("backbone.body.bn1.running_mean")
    return "backbone.body.layer1.0.conv3.weight" in tensors and (mean is None or not mean.any())


def background_first(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Class rows to torchvision's order. The foreign order is lesion (, false positive), background; boxes and masks have no
    background there, and a single row where they are class-agnostic. torchvision's background rows are never read: zeros."""
    tensors = dict(tensors)
    if not all(f"{layer}.{kind}" in tensors for layer in uldor_weights.CLASS_LAYERS for kind in ("weight", "bias")):
        return tensors
    foreground = len(tensors[CLASS_BIAS]) - 1
    for kind in ("weight", "bias"):
        name = f"roi_heads.box_predictor.cls_score.{kind}"
        tensors[name] = np.concatenate([tensors[name][-1:], tensors[name][:-1]])
        for name, rows in ((f"roi_heads.box_predictor.bbox_pred.{kind}", 4), (f"roi_heads.mask_predictor.mask_fcn_logits.{kind}", 1)):
            array = tensors[name]
            if len(array) not in (rows, rows * foreground):
                raise WeightsError(f"{name} would have {len(array)} rows for {foreground} foreground classes")
            copies = foreground if len(array) == rows else 1
            tensors[name] = np.concatenate([np.zeros_like(array[:rows])] + [array] * copies)
    return tensors


def reverse_channels(tensors: dict[str, np.ndarray], mean: list[float], std: list[float]) -> tuple[list[float], list[float]]:
    name = "backbone.body.conv1.weight"
    tensors[name] = tensors[name][:, ::-1]
    return mean[::-1], std[::-1]


def finish(arguments: argparse.Namespace, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> None:
    """Applies the options over the converter's own configuration and writes the file."""
    count = len(tensors[CLASS_BIAS]) if CLASS_BIAS in tensors else 0
    if arguments.initial:
        count, tensors = 2, {name: array for name, array in tensors.items() if not uldor_weights.is_by_class(name)}
        config = uldor_config.merge(config, {"anchors": FIELD_ANCHORS})
    elif count not in CLASSES:
        raise WeightsError(f"libuldor runs 2 or 3 classes with the background, the checkpoint has {count}; "
                           "--initial writes the rest of it, to begin a training with")
    config = {"format": 1, "classes": arguments.classes or CLASSES[count]} | config
    config |= {n: v for n in ("name", "version", "license", "description") if (v := getattr(arguments, n)) is not None}
    config = uldor_config.merge(uldor_config.merge(config, {"input": arguments.input}), arguments.config)
    uldor_weights.save(arguments.output, tensors, config, arguments.dtype, initial=arguments.initial)
    values = sum(array.size for array in tensors.values())
    print(f"{arguments.output}: {len(tensors)} tensors, {values / 1e6:.1f} M values, {os.path.getsize(arguments.output) / 1e6:.1f} MB, "
          f"classes {', '.join(config['classes'])}"
          + (f"; without {', '.join(uldor_weights.CLASS_LAYERS)}" if arguments.initial else ""))


def run(main: Callable[[], None]) -> None:
    """Errors as one line on stderr and exit status 1."""
    try:
        main()
    except (WeightsError, CheckpointError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
