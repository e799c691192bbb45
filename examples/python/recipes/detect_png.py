#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finds lesions in one slice of the DeepLesion layout (16-bit PNG, HU = pixel - 32768), with the neighbours beside it.

    detect_png.py weights.safetensors Images_png/000001_03_01/088.png --spacing 0.732422 --interval 1

Needs Pillow. Slices that are not there are passed as None: libuldor puts the nearest one in their place.
"""
import argparse
from pathlib import Path

import numpy
from PIL import Image

import uldor


def read(path):
    """Pixels of a slice, uint16; None where there is no such file."""
    return numpy.asarray(Image.open(path)).astype(numpy.uint16) if path.exists() else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("png", type=Path)
    parser.add_argument("--spacing", type=float, required=True, help="pixel size, mm")
    parser.add_argument("--interval", type=float, required=True, help="distance of neighbouring slices, mm")
    parser.add_argument("--score", type=float, default=0.5, help="least score")
    arguments = parser.parse_args()

    with uldor.Model(arguments.weights) as model, model.session(score_threshold=arguments.score) as session:
        reach = model.slice_reach(arguments.interval)
        key = int(arguments.png.stem)
        slices = [read(arguments.png.with_name(f"{number:03d}.png")) for number in range(key - reach, key + reach + 1)]
        result = session.detect(slices, key_slice=reach, intercept=-32768, spacing=arguments.spacing,
                                slice_interval=arguments.interval)
        for found in result:
            x1, y1, x2, y2 = found.box
            line = f"{found.class_name} {found.score:.3f}  box {x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f}"
            if found.long_diameter:
                line += f"  {found.long_diameter.mm:.1f} x {found.short_diameter.mm:.1f} mm"
            print(line)


if __name__ == "__main__":
    main()
