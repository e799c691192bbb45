"""The command line: `python tools/phantom OUTDIR --count 10 --seed 1`."""
import argparse
import functools
import multiprocessing
import os
import sys

if not __package__:  # started as a folder, which puts the package itself on the path instead of what it lies in
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from phantom import deeplesion, draw  # noqa: E402


def draw_one(options, index):
    drawn = draw((options.seed, index), 0 if options.lesion_free else options.lesions)
    split = "validation" if index >= options.count - options.validation else options.split
    return deeplesion.write(drawn, index, options.directory, split)


def main():
    parser = argparse.ArgumentParser(prog="phantom", description="Draws CT phantoms with lesions in the layout of DeepLesion.")
    parser.add_argument("directory")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lesions", type=int, help="lesions a phantom (default: drawn, 0 to 4)")
    parser.add_argument("--lesion-free", action="store_true")
    parser.add_argument("--split", choices=deeplesion.SPLITS, default="test", help="Train_Val_Test of the rows (default: test)")
    parser.add_argument("--validation", type=int, default=0, help="so many of the last phantoms are for validation")
    parser.add_argument("--processes", type=int, default=1, help="that draw side by side; what is drawn is the same")
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    rows, series = [], []
    with multiprocessing.Pool(options.processes) as pool:
        for more, row in pool.imap(functools.partial(draw_one, options), range(options.count)):
            rows += more
            series.append(row)
    deeplesion.write_tables(rows, series, options.directory)


if __name__ == "__main__":
    main()
