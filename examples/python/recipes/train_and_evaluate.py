#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a detector on a directory of DeepLesion's layout and prints the FROC of what it finds on another split.

    train_and_evaluate.py DeepLesion weights.safetensors --arch resnet18 --epochs 4

The directory holds DL_info.csv and Images_png; training images are those of its split "train", validation images those of
"validation". weights.safetensors.checkpoint is kept beside the weights: run again, the same line goes on from there.
"""
import argparse

import numpy

import uldor


def train(data, arguments):
    """The epoch of least validation loss is in the weights file when the run is over."""
    with uldor.Trainer(data, architecture=arguments.arch, init=arguments.init, output=arguments.weights,
                       checkpoint=arguments.weights + ".checkpoint", epochs=arguments.epochs, lr=arguments.lr) as trainer:
        for event in trainer:
            if event.kind == "epoch":
                print(f"epoch {event.epoch + 1}/{event.epochs}: loss {event.loss:.4f}, validation {event.validation_loss}", flush=True)


def evaluate(data, arguments):
    """Every image of the split is looked at, those without a lesion, too. The curve needs poor detections as well as good ones."""
    froc = uldor.Froc(bootstrap=arguments.bootstrap)
    with uldor.Model(arguments.weights) as model, model.session(score_threshold=0.01) as session:
        for index, image in data.images(arguments.split):
            lesions = data.lesions(index)
            slices = data.read_image(index, reach=model.slice_reach(image.slice_interval))
            with session.detect(slices.image, **slices.arguments) as found:
                froc.add(image.patient, [lesion.box for lesion in lesions], [hit.box for hit in found],
                         [hit.score for hit in found], classes=[hit.label for hit in found],
                         lesion_scores=[hit.lesion_probability for hit in found],
                         sizes=[lesion.diameters_mm[0] or numpy.nan for lesion in lesions])
    return froc.compute()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="directory with DL_info.csv and Images_png")
    parser.add_argument("weights", help="where the weights go")
    parser.add_argument("--arch", help="resnet18 ... resnet152 or narrow; default: that of --init, or resnet18")
    parser.add_argument("--init", help="weights to begin with; default: random ones")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--split", default="test", choices=["train", "validation", "test"], help="to evaluate on")
    parser.add_argument("--bootstrap", type=int, default=1000, help="samples of patients behind the intervals; 0: none")
    arguments = parser.parse_args()
    if arguments.arch is None and arguments.init is None:
        arguments.arch = "resnet18"

    with uldor.Dataset(arguments.data) as data:
        train(data, arguments)
        result = evaluate(data, arguments)
    print(f"\n{result.images} images, {result.patients} patients, {result.lesions} lesions, {result.detections} detections; "
          "sensitivity in % at false positives an image:")
    print(result.table())


if __name__ == "__main__":
    main()
