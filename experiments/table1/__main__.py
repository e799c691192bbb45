"""The paper's Table 1, again: trains and evaluates its four rows on data that can be had, and writes docs/table1.md.

    make table1                          phantoms, and the sarcomas where ULDOR_STS says where they are
    make table1 QUICK=1                  the same way in five minutes, on a few phantoms; writes build/table1-quick/table1.md
    make table1 TABLE1="--data DeepLesion --arch resnet101 --init W.safetensors"

Whatever is trained is kept, so the same command goes on where it was stopped, and only reports where all is there."""
import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import recipes
import sets
from estimate import hours
from paths import DOCUMENT, ROOT, TOOL
from plan import ABLATIONS, START, Training, plan
from run import Failed, Runner

QUICK_ABLATIONS = ["m = 1"]
Planned = Dict[str, Tuple[sets.DataSet, List[Training]]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="table1", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few phantoms, one seed, one epoch: that the command works")
    parser.add_argument("--work", type=Path, help="folder for phantoms and results (default: build/table1, build/table1-quick)")
    parser.add_argument("--output", type=Path, help="the report (default: docs/table1.md; quick or --data: in the work folder)")
    parser.add_argument("--seeds", type=int, help="(default: 3; quick: 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings side by side (default: a core each)")
    parser.add_argument("--threads", type=int, default=1, help="of each (default: 1)")
    parser.add_argument("--minutes", type=float, help="begin no training after so many; the report is of what is there")
    parser.add_argument("--report-only", action="store_true", help="train nothing")
    parser.add_argument("--no-ablations", action="store_true")
    parser.add_argument("--sts", type=Path, default=os.environ.get("ULDOR_STS"),
                        help="the sarcomas in DeepLesion's layout with crops.csv and Masks_png (default: $ULDOR_STS)")
    parser.add_argument("--data", type=Path, help="DeepLesion or a set in its layout and with its split, in place of the others")
    parser.add_argument("--arch", default="resnet101", help="of --data (default: resnet101)")
    parser.add_argument("--init", help="weights that --data's rows begin with (default: random, and a first epoch without masks)")
    parser.add_argument("--epochs", type=int, default=12, help="of --data (default: 12)")
    parser.add_argument("--train", default="", help="further options of `uldor train` for --data, as one word")
    parser.add_argument("--yes", action="store_true", help="begin without asking where --data takes more than a day")
    return parser.parse_args()


def planned(options: argparse.Namespace, work: Path) -> Planned:
    """By the data set's name, in the order in which they are run."""
    seeds = list(range(options.seeds or (1 if options.quick else 3)))
    ablations = [] if options.no_ablations or options.data else QUICK_ABLATIONS if options.quick else list(ABLATIONS)
    if options.data:
        data = sets.deeplesion(options.data.resolve())
        recipe = recipes.deeplesion(options.epochs, options.arch, options.init, tuple(options.train.split()))
        return {data.name: (data, plan(data, recipe, seeds, work))}
    data = sets.phantoms(work, options.quick, options.jobs)
    recipe = recipes.phantom(*((2, 1) if options.quick else (recipes.PHANTOM_EPOCHS, recipes.PHANTOM_START_EPOCHS)))
    trainings = plan(data, recipe, seeds, work, ablations)
    found: Planned = {data.name: (data, trainings)}
    if options.sts:
        other = sets.sts(Path(options.sts).resolve())
        begin = {training.seed: training for training in trainings if training.name == START}
        found[other.name] = other, plan(other, recipes.sts(2 if options.quick else recipes.STS_EPOCHS), seeds, work, (), begin)
    return found


def in_order(found: Planned) -> List[Training]:
    """The first set's rows and one seed of the others', then the ablations, then the others' seeds: so that a command that is
    stopped has what is worth most."""
    first = next(iter(found))

    def rank(training: Training) -> int:
        return 1 if training.ablates else 2 if training.data.name != first and training.seed > 0 else 0

    return sorted((training for _, trainings in found.values() for training in trainings), key=rank)


def spoken(hours_needed: float) -> str:
    return f"{hours_needed:.1f} hours" if hours_needed >= 1 else f"{60 * hours_needed:.1f} minutes"


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = arguments()
    work = (options.work or ROOT / "build" / ("table1-quick" if options.quick else "table1")).resolve()
    work.mkdir(parents=True, exist_ok=True)
    output = options.output or (work / "table1.md" if options.quick or options.data else DOCUMENT)
    runner = Runner(TOOL, options.jobs, options.threads, options.minutes)
    found = planned(options, work)
    if not options.report_only:
        if options.data:
            data, trainings = found["data"]
            needed = hours(data, trainings, runner)
            print(f"about {spoken(needed)} with {options.jobs} side by side", flush=True)
            if needed > 24 and not options.yes and input("go on? [y/N] ").strip().lower() != "y":
                return 1
        runner.all(in_order(found))
    from document import write
    write(found, work, output)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, OSError, ValueError) as error:
        sys.exit(f"table1: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
