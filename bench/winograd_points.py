#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rounding of Winograd's F(4 x 4, 3 x 3) for several sets of points, of F(2 x 2, 3 x 3), and the search that chose the library's.

    python bench/winograd_points.py              # the table of docs/performance.md
    python bench/winograd_points.py --search     # pairs +-a, +-b among multiples of 1/8, best first

A filter transform is rational in its points (Toom-Cook, as in Lavin and Gray 2016); matrices are made in exact arithmetic and rounded
once. Inputs are rectified normal numbers, weights He's, as after a ReLU; transforms and products are float32, the reference is
a direct convolution in float64. Errors are in standard deviations of the output."""
from __future__ import annotations

import argparse
from fractions import Fraction
from typing import List, Sequence, Tuple

import numpy as np

Matrix = np.ndarray
TAPS = 3
LIBRARY = (0, Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2))
SETS = [(0, 1, -1, 2, -2), (0, 1, -1, 2, Fraction(-1, 2)), (0, Fraction(3, 4), Fraction(-3, 4), Fraction(3, 2), Fraction(-3, 2)), LIBRARY,
        (0, 1, -1)]


def _times(a: Sequence[Fraction], b: Sequence[Fraction]) -> List[Fraction]:
    """Product of two polynomials, lowest power first."""
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product


def matrices(points: Sequence[Fraction]) -> Tuple[Matrix, Matrix, Matrix]:
    """A', G and B' for these points and infinity: as many products as points, and one output fewer for each tap but the first."""
    points = [Fraction(point) for point in points]
    size = len(points) + 1
    outputs = size - TAPS + 1
    output = [[point**i for point in points] + [Fraction(i == outputs - 1)] for i in range(outputs)]
    filters, inputs = [], []
    for point in points:
        scale, others = Fraction(1), [Fraction(1)]
        for other in points:
            if other != point:
                scale, others = scale * (point - other), _times(others, [-other, Fraction(1)])
        filters.append([point**k / scale for k in range(TAPS)])
        inputs.append(others + [Fraction(0)] * (size - len(others)))
    everything = [Fraction(1)]
    for point in points:
        everything = _times(everything, [-point, Fraction(1)])
    filters.append([Fraction(0)] * (TAPS - 1) + [Fraction(1)])
    inputs.append(everything)
    return tuple(np.array([[float(x) for x in row] for row in matrix]) for matrix in (output, filters, inputs))


def winograd(points: Sequence[Fraction], data: Matrix, weights: Matrix) -> Matrix:
    """Outputs of the tiles, in float32."""
    single = [matrix.astype(np.float32) for matrix in matrices(points)]
    u = np.einsum("ia,kcab->ikcb", single[1], weights)
    u = np.einsum("jb,ikcb->ijkc", single[1], u)
    v = np.einsum("ia,tcab->tcib", single[2], data)
    v = np.einsum("jb,tcib->ijtc", single[2], v)
    products = np.matmul(v, u.transpose(0, 1, 3, 2))
    sums = np.einsum("pi,ijtk->pjtk", single[0], products)
    return np.einsum("qj,pjtk->tkpq", single[0], sums)


def direct(data: Matrix, weights: Matrix) -> Matrix:
    """The same as one matrix product over channels and taps."""
    windows = np.lib.stride_tricks.sliding_window_view(data, (TAPS, TAPS), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    rows = np.ascontiguousarray(windows).reshape(-1, data.shape[1] * TAPS * TAPS)
    return np.matmul(rows, weights.reshape(len(weights), -1).T).reshape(*windows.shape[:3], -1).transpose(0, 3, 1, 2)


def error(points: Sequence[Fraction], channels: int, tiles: int, out: int) -> Tuple[float, float]:
    """Root mean square and largest error; no points: of direct sums, of tiles of 4 x 4."""
    size = len(points) + 1 if points else 6
    outputs = size - TAPS + 1
    random = np.random.default_rng(0)
    data = np.maximum(random.standard_normal((tiles, channels, size, size)), 0).astype(np.float32)
    weights = (random.standard_normal((out, channels, 3, 3)) * np.sqrt(2 / (9 * channels))).astype(np.float32)
    exact = sum(np.einsum("tcij,kc->tkij", data[:, :, y:y + outputs, x:x + outputs].astype(float), weights[:, :, y, x].astype(float))
                for y in range(3) for x in range(3))
    sums = winograd(points, data, weights) if points else direct(data, weights)
    difference = np.abs(sums - exact)
    return float(np.sqrt((difference**2).mean()) / exact.std()), float(difference.max() / exact.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search", action="store_true")
    if parser.parse_args().search:
        eighths = [Fraction(i, 8) for i in range(3, 21)]
        found = sorted((error((0, a, -a, b, -b), 64, 128, 4), a, b) for a in eighths for b in eighths if a < b)
        for (rms, largest), a, b in found[:10]:
            print(f"+-{a}, +-{b}: rms {rms:.2e}, largest {largest:.1e}")
        return
    print("| points (and infinity) | 64 channels, rms / largest | 256 | 512 |\n|---|---|---|---|")
    for points in [*SETS, ()]:
        cells = [" / ".join(f"{value:.1e}" for value in error(points, channels, 128, 8)) for channels in (64, 256, 512)]
        name = ", ".join(str(point) for point in points) + (": F(2 x 2, 3 x 3)" if len(points) == 3 else "")
        print(f"| {name or 'direct'} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
