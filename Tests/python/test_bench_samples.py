# SPDX-License-Identifier: Apache-2.0
"""Which of the benchmark's runs count, and what is made of them (bench/samples.py)."""
import importlib.util
from pathlib import Path

import pytest

# By its path: modules of bench/ have names that other folders have, too.
_SPEC = importlib.util.spec_from_file_location("bench_samples", Path(__file__).resolve().parents[2] / "bench" / "samples.py")
samples = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(samples)


def row(*runs):
    """Of (milliseconds, cores given) in successive rounds; None is a round without a run."""
    return {"samples": [{"round": number, "ms": run[0], "paste_ms": 1.0, "cores": [run[1], 2], "others": 0.0}
                        for number, run in enumerate(runs) if run]}


def test_runs_without_the_cores_do_not_count():
    engine = row((10, 2.0), (30, 1.0), (12, 1.8), (31, 1.79), (14, 1.95))
    assert samples.times(engine) == [10, 12, 14]
    assert samples.times(engine, pasted=False) == [9, 11, 13]


def test_a_remark_where_runs_do_not_count():
    whole, shared, few = row((10, 2.0)), row((10, 2.0), (30, 1.0), (12, 1.8), (14, 1.95)), row((1, 1.0), (2, 2.0))
    assert samples.remark_on_cores({"whole": whole, "failed": {"error": "it ended"}}) == ""
    assert "to 3 of 4 runs, which count." in samples.remark_on_cores({"shared": shared})
    assert "to 4 of 6 runs; **too few of few, of which all count.**" in samples.remark_on_cores({"shared": shared, "few": few})


def test_all_count_where_too_few_would():
    engine = row((10, 2.0), (30, 1.0), (12, 1.9), (31, 1.0))
    assert samples.times(engine) == [10, 30, 12, 31]


def test_a_run_that_did_not_ask_for_cores_counts():
    assert samples.times({"samples": [{"ms": 7.0}, {"ms": 8.0}, {"ms": 9.0, "cores": [1.0, 1]}]}) == [7, 8, 9]
    assert samples.times({"error": "it ended"}) == []


def test_ratios_are_within_rounds_of_which_both_runs_count():
    ours = row((10, 2.0), (20, 2.0), (30, 1.0), (40, 2.0), (50, 2.0), None)
    theirs = row((20, 2.0), (80, 1.0), (30, 2.0), (50, 2.0), (200, 2.0), (1, 2.0))
    assert samples.ratios(ours, theirs) == pytest.approx([0.5, 0.8, 0.25])
    assert samples.ratios(ours, theirs, all_rounds=True) == pytest.approx([0.5, 0.25, 1.0, 0.8, 0.25])


def test_ratios_of_all_rounds_where_too_few_would_count():
    ours, theirs = row((10, 2.0), (20, 1.0), (30, 2.0)), row((20, 2.0), (20, 2.0), (60, 1.0))
    assert samples.ratios(ours, theirs) == pytest.approx([0.5, 1.0, 0.5])
    assert samples.ratios({"samples": []}, theirs) == []
