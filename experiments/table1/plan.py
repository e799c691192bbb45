"""Which trainings there are, what each begins with, and the command that runs it."""
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from recipes import Recipe, network_options
from sets import DataSet

MINE = ("--mine",)
ALL_LESIONS = "all lesions"  # stands for the options that lead to the full truth
# What makes a row of Table 1; + HNEM + FP is HNEM's weights, measured otherwise.
ROWS: Dict[str, Tuple[str, ...]] = {"no-mask": ("--no-mask-loss",), "mask": (), "hnem": MINE}
# One difference each from HNEM, or, where it says so, from pseudo masks alone.
MASKED_START, VALIDATED = "masks from the beginning, not mined", "epoch of least validation loss"
ABLATIONS: Dict[str, Tuple[str, ...]] = {
    "spare quantile 0.5": MINE + ("--mine-spare", "0.5"),
    "all lesions annotated, not mined": (ALL_LESIONS,),
    "all lesions annotated": MINE + (ALL_LESIONS,),
    "m = 1": MINE + ("--mine-most", "1"),
    "m = 10": MINE + ("--mine-most", "10"),
    "mined once": MINE + ("--mine-every", "0"),
    MASKED_START: (),
    "boxes only": MINE + ("--mine-boxes-only",),
    "good IoU 0.1": MINE + ("--mine-good-iou", "0.1"),
    "good IoU 0.5": MINE + ("--mine-good-iou", "0.5"),
    "least score 0.5": MINE + ("--mine-min-score", "0.5"),
    "least score 0.9": MINE + ("--mine-min-score", "0.9"),
    VALIDATED: MINE + ("--validation-split", "2"),
}
START = "start"
# Mask R-CNN's own threshold (torchvision's 0.05): without one every region is a detection, and no row's curve ends.
MEASURED = ("--min-score", "0.05", "--max-detections", "100")


@dataclass(frozen=True)
class Training:
    data: DataSet
    name: str
    seed: int
    options: Tuple[str, ...]
    folder: Path
    before: Optional["Training"] = None  # whose weights it begins with

    @property
    def weights(self) -> Path:
        return self.folder / "weights.safetensors"

    @property
    def mined(self) -> Path:
        return self.folder / "mined.jsonl"

    @property
    def starts(self) -> bool:
        """Whether it is only what others begin with, and not measured."""
        return self.name.startswith(START)

    @property
    def ablates(self) -> bool:
        return self.name not in ROWS and self.name != START

    @property
    def mines(self) -> bool:
        return "--mine" in self.options

    @property
    def result(self) -> Path:
        return self.folder / "result.json"

    @property
    def label(self) -> str:
        return f"{self.data.name}, {self.name}, seed {self.seed}"

    def arguments(self) -> List[str]:
        """Of `uldor train`: all that decides what comes out."""
        begin = ["--init", str(self.before.weights)] if self.before else []
        mined = ["--mined-out", str(self.mined)] if self.mines else []
        return [*self.data.read, *begin, *self.options, *mined, "--seed", str(self.seed)]

    def identity(self) -> List[List[str]]:
        """What its weights come from, back to the random ones."""
        return [self.arguments(), *(self.before.identity() if self.before else [])]

    def read(self) -> Optional[Dict[str, Any]]:
        """Its result, if that is there and of this very training."""
        try:
            result: Dict[str, Any] = json.loads(self.result.read_text())
        except (OSError, ValueError):
            return None
        return result if result.get("identity") == self.identity() else None

    def done(self) -> bool:
        """Whether it is trained and, unless it is what others begin with, measured as it is measured now."""
        result = self.read()
        return result is not None and (self.starts or result.get("measured") == list(MEASURED))


def folder_of(work: Path, data: DataSet, name: str, seed: int) -> Path:
    plain = "".join(c if c.isalnum() or c in "-." else "-" for c in name.replace(" = ", ""))
    return work / data.name / f"{plain}.{seed}"


def start(data: DataSet, recipe: Recipe, seed: int, work: Path, masks: bool = False) -> Training:
    """What a seed begins with: random weights that have seen the annotated lesions, as a rule without any mask, so that what
    all rows share knows nothing of what they are compared for."""
    maskless = () if masks else ("--no-mask-loss",)
    options = (*network_options(recipe), "--epochs", str(recipe.start_epochs), *maskless, *recipe.options)
    name = START + " with masks" * masks
    return Training(data, name, seed, options, folder_of(work, data, name, seed))


def plan(data: DataSet, recipe: Recipe, seeds: Sequence[int], work: Path, ablations: Sequence[str] = (),
         begin: Optional[Dict[int, Training]] = None) -> List[Training]:
    """The rows seed by seed, then the ablations with the first seed."""
    trainings: List[Training] = []
    if begin is None and recipe.start is None:
        begin = {seed: start(data, recipe, seed, work) for seed in seeds}
        trainings += begin.values()
    run = ("--epochs", str(recipe.epochs), *recipe.options)

    def training(name: str, more: Tuple[str, ...], seed: int, before: Optional[Training]) -> Training:
        more = tuple(option for word in more for option in (data.widest if word == ALL_LESIONS else (word,)))
        first = () if recipe.start is None else ("--init", recipe.start, *network_options(recipe))
        return Training(data, name, seed, (*first, *run, *more), folder_of(work, data, name, seed), before)

    trainings += [training(name, more, seed, begin[seed] if begin else None) for seed in seeds for name, more in ROWS.items()]
    for name in ablations:
        before = begin[seeds[0]] if begin else None
        if name == MASKED_START:
            before = start(data, recipe, seeds[0], work, masks=True)
            trainings.append(before)
        trainings.append(training(name, ABLATIONS[name], seeds[0], before))
    return trainings
