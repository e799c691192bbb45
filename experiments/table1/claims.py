"""What the paper claims, as differences that a number can be put on, and the rule by which each is called held or not."""
from dataclasses import dataclass
from typing import Callable, Dict, List, Tuple

import numpy as np
from numpy.typing import NDArray

from paper import LEVELS
from resampling import Sampled, interval

Values = NDArray[np.float64]
UP_TO_4 = [LEVELS.index(level) for level in (0.5, 1, 2, 4)]
AT_8_AND_16 = [LEVELS.index(level) for level in (8, 16)]
LEAST_SEEDS = 3
RULE = ("A claim is a difference that is above zero where it is true. It is taken seed by seed on the same patients and averaged over "
        "the seeds; its 95 % interval is a bootstrap of patients and seeds (1,000 samples, the same for all rows). *Held*: the interval "
        "and every seed's difference lie above zero. *Not held*: the interval lies below zero, or the difference is 0 in every sample. "
        f"*Undecided*: anything else, and whatever has fewer than {LEAST_SEEDS} seeds. Where a curve ends before a level, its end counts.")


@dataclass(frozen=True)
class Claim:
    text: str
    unit: str
    of: Callable[[Dict[str, Sampled]], Values]  # seeds x samples


def sensitivity(row: Sampled, places: List[int]) -> Values:
    return 100 * row.values[:, :, places].mean(2)


CLAIMS = (
    Claim("Masks help: mean sensitivity at 0.5, 1, 2 and 4 FP/image, pseudo masks less no masks", "points",
          lambda rows: sensitivity(rows["mask"], UP_TO_4) - sensitivity(rows["no-mask"], UP_TO_4)),
    Claim("HNEM raises the sensitivity at up to 4 FP/image: mean at 0.5, 1, 2 and 4, HNEM less pseudo masks", "points",
          lambda rows: sensitivity(rows["hnem"], UP_TO_4) - sensitivity(rows["mask"], UP_TO_4)),
    Claim("HNEM caps the false positives: FP/image at the end of the curve, pseudo masks less HNEM", "FP/image",
          lambda rows: rows["mask"].false - rows["hnem"].false),
    Claim("HNEM lowers the greatest sensitivity: maximum, pseudo masks less HNEM", "points",
          lambda rows: sensitivity(rows["mask"], [-1]) - sensitivity(rows["hnem"], [-1])),
    Claim("The class FP gives lost lesions back: mean at 8 and 16 FP/image, HNEM + FP less HNEM", "points",
          lambda rows: sensitivity(rows["hnem+fp"], AT_8_AND_16) - sensitivity(rows["hnem"], AT_8_AND_16)),
)


def verdict(seeds: Values, samples: Values) -> str:
    """`seeds`: each one's difference; `samples`: the mean's, the first being the value itself."""
    _, low, high = interval(samples)
    if len(seeds) < LEAST_SEEDS:
        return "undecided"
    if low > 0 and (seeds > 0).all():
        return "held"
    return "not held" if high < 0 or not samples.any() else "undecided"


def judged(rows: Dict[str, Sampled]) -> List[Tuple[Claim, Values, Tuple[Values, Values, Values], str]]:
    """Each claim with each seed's difference, the mean with its interval, and the verdict."""
    found = []
    for claim in CLAIMS:
        difference = claim.of(rows)
        samples = rows["mask"].mean(difference)
        found.append((claim, difference[:, 0], interval(samples), verdict(difference[:, 0], samples)))
    return found
