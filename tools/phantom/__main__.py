"""The command line: `python tools/phantom OUTDIR --count 10 --seed 1`."""
import argparse
import os
import sys

if not __package__:  # started as a folder, which puts the package itself on the path instead of what it lies in
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from phantom import deeplesion, draw  # noqa: E402


def main():
    parser = argparse.ArgumentParser(prog="phantom", description="Draws CT phantoms with lesions in the layout of DeepLesion.")
    parser.add_argument("directory")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lesions", type=int, help="lesions a phantom (default: drawn, 0 to 4)")
    parser.add_argument("--lesion-free", action="store_true")
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    rows, series = [], []
    for index in range(options.count):
        drawn = draw((options.seed, index), 0 if options.lesion_free else options.lesions)
        more, row = deeplesion.write(drawn, index, options.directory)
        rows += more
        series.append(row)
    deeplesion.write_tables(rows, series, options.directory)


if __name__ == "__main__":
    main()
