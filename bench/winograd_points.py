#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rounding of Winograd's F(4 x 4, 3 x 3) for several sets of points, of F(2 x 2, 3 x 3) and F(6 x 6, 3 x 3), and the searches that chose the library's.

    python bench/winograd_points.py              # the table of docs/performance.md
    python bench/winograd_points.py --search     # pairs +-a, +-b among multiples of 1/8, best first
    python bench/winograd_points.py --edges      # tiles of n x n and of 4 x n outputs: those of F(4, 3)'s points that they have, best first

A filter transform is rational in its points (Toom-Cook, as in Lavin and Gray 2016); matrices are made in exact arithmetic and rounded
once. Inputs are rectified normal numbers, weights He's, as after a ReLU; transforms and products are float32, the reference is
a direct convolution in float64. Errors are in standard deviations of the output."""
from __future__ import annotations

import argparse
import itertools
import math
from fractions import Fraction
from typing import List, Optional, Sequence, Tuple

import numpy as np

Matrix = np.ndarray
Rows = List[List[Fraction]]
TAPS = 3
LIBRARY = (0, Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2))
SETS = [(0, 1, -1, 2, -2), (0, 1, -1, 2, Fraction(-1, 2)), (0, Fraction(3, 4), Fraction(-3, 4), Fraction(3, 2), Fraction(-3, 2)), LIBRARY,
        (0, 1, -1), (0, Fraction(1, 2), Fraction(-1, 2), 1, -1, 2, -2)]
OTHER_TILES = {3: ": F(2 x 2, 3 x 3)", 7: ": F(6 x 6, 3 x 3)"}


def _times(a: Sequence[Fraction], b: Sequence[Fraction]) -> List[Fraction]:
    """Product of two polynomials, lowest power first."""
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product


def _scale(point: Fraction, points: Sequence[Fraction]) -> Fraction:
    return math.prod(point - other for other in points if other != point)


def exact_matrices(points: Sequence[Fraction], filters_of: Optional[Sequence[Fraction]] = None) -> Tuple[Rows, Rows, Rows]:
    """A', G and B' for these points and infinity: as many products as points, and one output fewer for each tap but the first. G may be
    that of more points: what that differs by is in B'."""
    points = [Fraction(point) for point in points]
    size = len(points) + 1
    outputs = size - TAPS + 1
    output = [[point**i for point in points] + [Fraction(i == outputs - 1)] for i in range(outputs)]
    filters, inputs = [], []
    for point in points:
        scale, others = _scale(point, filters_of or points), [Fraction(1)]
        for other in points:
            if other != point:
                others = _times(others, [-other, Fraction(1)])
        quotient = scale / _scale(point, points)
        filters.append([point**k / scale for k in range(TAPS)])
        inputs.append([quotient * x for x in others] + [Fraction(0)] * (size - len(others)))
    everything = [Fraction(1)]
    for point in points:
        everything = _times(everything, [-point, Fraction(1)])
    filters.append([Fraction(0)] * (TAPS - 1) + [Fraction(1)])
    inputs.append(everything)
    for i, k, x in itertools.product(range(outputs), range(TAPS), range(size)):
        assert sum(output[i][m] * filters[m][k] * inputs[m][x] for m in range(size)) == (x == i + k)
    return output, filters, inputs


def matrices(points: Sequence[Fraction], filters_of: Optional[Sequence[Fraction]] = None) -> Tuple[Matrix, Matrix, Matrix]:
    """The same as they are computed with."""
    return tuple(np.array([[float(x) for x in row] for row in matrix], np.float32) for matrix in exact_matrices(points, filters_of))


def winograd(points: Sequence[Fraction], down: Sequence[Fraction], data: Matrix, weights: Matrix,
             filters_of: Optional[Sequence[Fraction]]) -> Matrix:
    """Outputs of the tiles, in float32; `down` are the points of the other direction."""
    across, down = matrices(points, filters_of), matrices(down, filters_of)
    u = np.einsum("ia,kcab->ikcb", down[1], weights)
    u = np.einsum("jb,ikcb->ijkc", across[1], u)
    v = np.einsum("ia,tcab->tcib", down[2], data)
    v = np.einsum("jb,tcib->ijtc", across[2], v)
    products = np.matmul(v, u.transpose(0, 1, 3, 2))
    sums = np.einsum("pi,ijtk->pjtk", down[0], products)
    return np.einsum("qj,pjtk->tkpq", across[0], sums)


def direct(data: Matrix, weights: Matrix) -> Matrix:
    """The same as one matrix product over channels and taps."""
    windows = np.lib.stride_tricks.sliding_window_view(data, (TAPS, TAPS), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    rows = np.ascontiguousarray(windows).reshape(-1, data.shape[1] * TAPS * TAPS)
    return np.matmul(rows, weights.reshape(len(weights), -1).T).reshape(*windows.shape[:3], -1).transpose(0, 3, 1, 2)


def error(points: Sequence[Fraction], channels: int, tiles: int, out: int, down: Optional[Sequence[Fraction]] = None,
          filters_of: Optional[Sequence[Fraction]] = None) -> Tuple[float, float]:
    """Root mean square and largest error; no points: of direct sums, of tiles of 4 x 4."""
    down = down or points
    width, height = (len(p) + 1 if p else 6 for p in (points, down))
    random = np.random.default_rng(0)
    data = np.maximum(random.standard_normal((tiles, channels, height, width)), 0).astype(np.float32)
    weights = (random.standard_normal((out, channels, 3, 3)) * np.sqrt(2 / (9 * channels))).astype(np.float32)
    exact = sum(np.einsum("tcij,kc->tkij", data[:, :, y:y + height - 2, x:x + width - 2].astype(float), weights[:, :, y, x].astype(float))
                for y in range(3) for x in range(3))
    sums = winograd(points, down, data, weights, filters_of) if points else direct(data, weights)
    difference = np.abs(sums - exact)
    return float(np.sqrt((difference**2).mean()) / exact.std()), float(difference.max() / exact.std())


def print_edges() -> None:
    """Of every choice of points."""
    whole = error(LIBRARY, 256, 256, 8)
    print("| outputs | points (and infinity) | n x n, rms / largest | 4 x n |\n|---|---|---|---|")
    print(f"| 4 | all | {whole[0]:.1e} / {whole[1]:.1e} | |")
    for outputs in (1, 2, 3):
        found = sorted((error(points, 256, 256, 8, filters_of=LIBRARY), error(points, 256, 256, 8, LIBRARY, LIBRARY), points)
                       for points in itertools.combinations(LIBRARY, outputs + 1))
        for (rms, largest), (rms4, largest4), points in found:
            print(f"| {outputs} | {', '.join(map(str, points))} | {rms:.1e} / {largest:.1e} | {rms4:.1e} / {largest4:.1e} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--edges", action="store_true")
    args = parser.parse_args()
    if args.edges:
        print_edges()
        return
    if args.search:
        eighths = [Fraction(i, 8) for i in range(3, 21)]
        found = sorted((error((0, a, -a, b, -b), 64, 128, 4), a, b) for a in eighths for b in eighths if a < b)
        for (rms, largest), a, b in found[:10]:
            print(f"+-{a}, +-{b}: rms {rms:.2e}, largest {largest:.1e}")
        return
    print("| points (and infinity) | 64 channels, rms / largest | 256 | 512 |\n|---|---|---|---|")
    for points in [*SETS, ()]:
        cells = [" / ".join(f"{value:.1e}" for value in error(points, channels, 128, 8)) for channels in (64, 256, 512)]
        name = ", ".join(str(point) for point in points) + OTHER_TILES.get(len(points), "")
        print(f"| {name or 'direct'} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
