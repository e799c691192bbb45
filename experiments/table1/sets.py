"""The data sets: phantoms that are drawn here, and those that are on somebody's disk."""
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Tuple

from paths import ROOT


@dataclass(frozen=True)
class DataSet:
    """`options` say how `uldor` reads it. `truths` are the options that lead to what is measured against, by name; the
    first one is what training saw annotations of. `drawn`: its pictures may be published."""

    name: str
    title: str
    directory: Path
    options: Tuple[str, ...] = ()
    truths: Dict[str, Tuple[str, ...]] = field(default_factory=lambda: {"annotated": ()})
    drawn: bool = False

    @property
    def read(self) -> Tuple[str, ...]:
        return ("--data", str(self.directory)) + self.options

    @property
    def widest(self) -> Tuple[str, ...]:
        """The options of the truth with the most lesions: detections are made on its images."""
        return self.truths[list(self.truths)[-1]]


UNANNOTATED = 0.4
SIZES = {False: (1000, 120, 240), True: (64, 16, 24)}  # quick: training, validation, test
LOOKALIKES = 8


def phantoms(work: Path, quick: bool, processes: int) -> DataSet:
    """Draws them where they are not there yet."""
    directory = work / "phantoms"
    train, validation, test = SIZES[quick]
    full = directory / "DL_info_full.csv"
    if not full.is_file():  # written last
        command = [sys.executable, str(ROOT / "tools" / "phantom"), str(directory), "--count", str(train + validation + test),
                   "--seed", "4000", "--size", "320", "--lookalikes", str(LOOKALIKES), "--lesions", "1-5", "--unannotated",
                   str(UNANNOTATED), "--split", "train", "--validation", str(validation), "--test", str(test),
                   "--processes", str(processes)]
        print("drawing", train + validation + test, "phantoms", flush=True)
        subprocess.run(command, check=True)
    return DataSet("phantom", "Phantoms with missing annotations", directory,
                   truths={"annotated": (), "full": ("--csv", str(full))}, drawn=True)


def sts(directory: Path) -> DataSet:
    masks = directory / "Masks_png"
    return DataSet("sts", "Soft-tissue sarcoma, CT", directory,
                   ("--windows", str(directory / "crops.csv"), "--masks", str(masks), "--pseudo-masks", "--negatives"))


def deeplesion(directory: Path) -> DataSet:
    return DataSet("data", directory.name, directory)
