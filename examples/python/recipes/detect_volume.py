#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finds lesions in every slice of a volume and prints them as CSV.

    detect_volume.py weights.safetensors volume.npy --spacing 0.8 0.8 --interval 2.5 > lesions.csv

The volume is a .npy file, depth x height x width, int16, uint16 or float32. It is mapped, not read: each detection touches
its own few slices only, so the volume may be larger than memory.
"""
import argparse
import csv
import sys

import numpy

import uldor


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("volume")
    parser.add_argument("--spacing", type=float, nargs=2, required=True, metavar=("X", "Y"), help="pixel size, mm")
    parser.add_argument("--interval", type=float, required=True, help="distance of neighbouring slices, mm")
    parser.add_argument("--slope", type=float, default=1, help="HU = pixel * slope + intercept")
    parser.add_argument("--intercept", type=float, default=0)
    parser.add_argument("--score", type=float, default=0.5, help="least score")
    arguments = parser.parse_args()

    volume = numpy.load(arguments.volume, mmap_mode="r")
    table = csv.writer(sys.stdout)
    table.writerow(["slice", "class", "score", "x1", "y1", "x2", "y2", "area_mm2", "long_mm", "short_mm"])
    with uldor.Model(arguments.weights) as model, model.session(score_threshold=arguments.score) as session:
        for index in range(len(volume)):
            with session.detect(volume, key_slice=index, spacing=tuple(arguments.spacing),
                                slice_interval=arguments.interval, slope=arguments.slope,
                                intercept=arguments.intercept) as result:
                for found in result:
                    lengths = [diameter.mm if diameter else "" for diameter in (found.long_diameter, found.short_diameter)]
                    table.writerow([index, found.class_name, found.score, *found.box, found.area_mm2, *lengths])


if __name__ == "__main__":
    main()
