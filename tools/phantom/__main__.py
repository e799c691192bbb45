"""The command line: `python tools/phantom OUTDIR --count 10 --seed 1`."""
import argparse
import functools
import multiprocessing
import os
import sys

import numpy as np

if not __package__:  # started as a folder, which puts the package itself on the path instead of what it lies in
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from phantom import SIZE, annotating, deeplesion, draw  # noqa: E402


def lesion_count(text):
    """N, or LOW-HIGH: both ends."""
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def lesions_of(options, index):
    if options.lesion_free:
        return 0
    if options.lesions is None:
        return None
    low, high = options.lesions
    return low if low == high else int(np.random.default_rng((options.seed, index, 3)).integers(low, high + 1))


def split_of(options, index):
    if index >= options.count - options.validation:
        return "validation"
    return "test" if index >= options.count - options.validation - options.test else options.split


def draw_one(options, index):
    drawn = draw((options.seed, index), lesions_of(options, index), size=options.size, lookalikes=options.lookalikes)
    return deeplesion.write(drawn, index, options.directory, split_of(options, index))


def arguments():
    parser = argparse.ArgumentParser(prog="phantom", description="Draws CT phantoms with lesions in the layout of DeepLesion.")
    parser.add_argument("directory")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lesions", type=lesion_count, metavar="N or LOW-HIGH",
                        help="lesions a phantom, as far as there is room (default: drawn, 0 to 4)")
    parser.add_argument("--lesion-free", action="store_true")
    parser.add_argument("--lookalikes", type=int, default=0,
                        help="vessels, nodes and loops of bowel a phantom that are drawn to be taken for lesions (default: 0)")
    parser.add_argument("--unannotated", type=float, default=0, metavar="PART",
                        help="of each split's lesions: they have no row in DL_info.csv, only in DL_info_full.csv (default: 0)")
    parser.add_argument("--size", type=int, default=SIZE, help=f"pixels a side; fewer are larger ones (default: {SIZE})")
    parser.add_argument("--split", choices=deeplesion.SPLITS, default="test", help="Train_Val_Test of the rows (default: test)")
    parser.add_argument("--validation", type=int, default=0, help="so many of the last phantoms are for validation")
    parser.add_argument("--test", type=int, default=0, help="so many of those before them are for the test")
    parser.add_argument("--processes", type=int, default=1, help="that draw side by side; what is drawn is the same")
    return parser.parse_args()


def main():
    options = arguments()
    os.makedirs(options.directory, exist_ok=True)
    rows, series = [], []
    with multiprocessing.Pool(options.processes) as pool:
        for more, row in pool.imap(functools.partial(draw_one, options), range(options.count)):
            rows += more
            series.append(row)
    if options.unannotated:
        kept = annotating.annotated(rows, options.unannotated, options.seed)
        deeplesion.write_tables(kept, series, options.directory, full=rows)
    else:
        deeplesion.write_tables(rows, series, options.directory)


if __name__ == "__main__":
    main()
