#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures libuldor against torchvision: every stage on torchvision's own inputs, and the network end to end.

    parity.py --arch resnet50 --classes 2 3 --sizes 512x512 97x131 --scratch build/parity --markdown

Weights and references are made once and kept in the scratch directory. That takes torch; comparing takes numpy only:
parity_stages.py and parity_matching.py, which Tests/python/test_parity.py uses, too. Two float32 programs differ from each
other by the rounding of both; the table therefore also says how far each of them is from torchvision in float64.
"""
from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT / "examples" / "python" / "src", ROOT / "tools"):
    sys.path.insert(0, str(folder))

from parity_matching import FINAL, distance  # noqa: E402
from parity_reference import SEED, key_slices, reference, synthetic, weights_of  # noqa: E402
from parity_stages import Error, end_to_end, final, rules_of, stage_errors, stage_inputs  # noqa: E402


def _print_table(rows: Sequence[Sequence[str]], markdown: bool) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print("| " + " | ".join(cells) + " |" if markdown else "  ".join(cells).rstrip(), flush=True)
        if number == 0 and markdown:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", default=["resnet50"])
    parser.add_argument("--classes", nargs="+", type=int, default=[2])
    parser.add_argument("--sizes", nargs="+", default=["512x512"], help="HEIGHTxWIDTH")
    parser.add_argument("--deeplesion", type=Path, help="folder with DL_info.csv and Images_png: its key slices, too")
    parser.add_argument("--scratch", type=Path, default=ROOT / "build" / "parity")
    parser.add_argument("--seed", type=int, default=SEED, help="of the first input")
    parser.add_argument("--instructions", nargs="+", default=["best"], choices=["best", "portable"])
    parser.add_argument("--convolutions", nargs="+", default=["fast", "exact"], choices=["fast", "exact"])
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(arguments)
    import uldor

    networks = [["network", "classes", "input", "instructions", "convolutions", "worst stage, rms / max of std", "detections", "ties",
                 "boxes px", "scores", "masks", "within limits", "libuldor to float64", "torchvision to float64"]]
    worst: Dict[str, Tuple[Error, str]] = {}
    failed = False
    for arch, classes in itertools.product(options.arch, options.classes):
        weights = weights_of(options.scratch, arch, classes)
        inputs = [synthetic(text, options.seed) for text in options.sizes]
        if options.deeplesion:
            inputs.append(key_slices(options.deeplesion, weights))
        references = (reference(weights, choices) for choices in inputs)
        for (name, tensor, arrays), instructions, convolutions in itertools.product(
                references, options.instructions, options.convolutions):
            named = stage_inputs(arrays, tensor)
            where = f"{arch}, {classes} classes, {name}, {instructions}, {convolutions}"
            print(where, file=sys.stderr, flush=True)
            with uldor.Model(weights) as model, \
                    model.session(instructions=instructions, exact=convolutions == "exact", keep_false_positives=True) as session:
                box_rules, rpn_rules = rules_of(model.config)
                errors = stage_errors(session, named, box_rules, rpn_rules)
                result = session.forward(tensor)
                whole = end_to_end(result, named, box_rules)
                exact = {name: named[f"float64.{name}"] for name in FINAL}
                distances = [" / ".join(f"{value:.0e}" for value in distance(side, exact, box_rules))
                             for side in (final(result), named)]
            for line in whole.match.unexplained:
                print(f"  {line}", file=sys.stderr)
            for stage, error in errors.items():
                before, place = worst.get(stage, (Error(-1, -1), ""))
                worst[stage] = error.worst(before), where if error.max > before.max else place
            good = whole.within_limits and all(error.within_limits(convolutions) for error in errors.values())
            failed = failed or not good
            stage = max(errors, key=lambda name: errors[name].rms)
            networks.append([arch, str(classes), name, instructions, convolutions,
                             f"{stage} {errors[stage].rms:.1e} / {errors[stage].max:.1e}",
                             f"{len(whole.match.pairs)} of {len(named['scores'])}", str(whole.match.ties),
                             f"{whole.box:.1e}", f"{whole.score:.1e}", f"{whole.mask:.1e}", "yes" if good else "NO",
                             *distances])
    stages = [["stage", "worst rms / std", "worst max / std", "largest in"]]
    stages += [[stage, f"{error.rms:.1e}", f"{error.max:.1e}", where] for stage, (error, where) in worst.items()]
    _print_table(networks, options.markdown)
    print()
    _print_table(stages, options.markdown)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
