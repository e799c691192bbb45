"""Intervals: bootstrap of patients, and of seeds.

Every row and every seed is measured on the same samples of patients, so differences are paired. A sample draws as many
patients as there are and, for a mean over seeds, as many seeds; rows of one seed stay together."""
from typing import Dict, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from curve import Events, sampled
from paper import LEVELS

SAMPLES = 1000
Values = NDArray[np.float64]


def patient_weights(patients: int, samples: int = SAMPLES, seed: int = 0) -> Values:
    """How often each patient is in each sample; the first row is all patients once."""
    rng = np.random.default_rng((seed, patients))
    drawn = rng.integers(patients, size=(samples, patients))
    weights = np.zeros((samples + 1, patients))
    weights[0] = 1
    np.add.at(weights, (np.arange(1, samples + 1)[:, None], drawn), 1)
    return weights


def seed_weights(seeds: int, samples: int = SAMPLES, seed: int = 0) -> Values:
    """The same of seeds, as parts of 1."""
    return patient_weights(seeds, samples, seed + 1) / seeds


class Sampled:
    """A row of the table: `values` is seeds x samples + 1 x levels + maximum, the first sample being everybody once."""

    def __init__(self, events: Sequence[Events], patients: Values, seeds: Values) -> None:
        both = [sampled(e, patients, LEVELS) for e in events]
        self.values = np.stack([value for value, _ in both])
        self.reached = np.stack([reached[0] for _, reached in both])  # seeds x levels
        # False positives an image at the end of the curve.
        images = np.bincount(events[0].truth.patients)
        false = [np.bincount(e.patient, ~e.hit, patients.shape[1]) for e in events]
        self.false = np.stack([patients @ own / (patients @ images) for own in false])
        self.seeds = seeds

    def mean(self, values: Values) -> Values:
        """Over the seeds of each sample: seeds x samples x ... to samples x ..."""
        return np.einsum("bs,sb...->b...", self.seeds, values)


def interval(samples: Values) -> Tuple[Values, Values, Values]:
    """Value, low and high of 95 %; the first of the samples is the value."""
    low, high = np.percentile(samples[1:], (2.5, 97.5), axis=0)
    return samples[0], low, high


def rows_sampled(rows: Dict[str, Sequence[Events]]) -> Dict[str, Sampled]:
    """All rows on the same samples."""
    first = next(iter(rows.values()))
    patients = patient_weights(int(first[0].truth.patients.max()) + 1)
    return {name: Sampled(events, patients, seed_weights(len(events))) for name, events in rows.items()}
