# SPDX-License-Identifier: Apache-2.0
"""The experiment's driver (experiments/table1): what it plans, what it runs again, its curves, and how it judges claims."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import uldor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "experiments" / "table1"))
import claims  # noqa: E402
import curve  # noqa: E402
import estimate  # noqa: E402
import plan  # noqa: E402
import recipes  # noqa: E402
import resampling  # noqa: E402
import run  # noqa: E402
import sets  # noqa: E402

DATA = sets.DataSet("phantom", "Phantoms", Path("/data"), truths={"annotated": (), "full": ("--csv", "/data/full.csv")})


def trainings(work, seeds=(0, 1), ablations=("m = 1", "boxes only")):
    return plan.plan(DATA, recipes.phantom(3, 2), seeds, work, ablations)


def test_every_row_of_a_seed_begins_alike_and_differs_in_one_thing(tmp_path):
    found = trainings(tmp_path)
    rows = ["no-mask", "mask", "hnem"]
    assert [t.name for t in found] == ["start", "start", *rows, *rows, "m = 1", "boxes only"]
    assert len({t.folder for t in found}) == len(found)
    first = {t.name: t for t in found if t.seed == 0}
    assert all(t.before is first["start"] for t in found if t.seed == 0 and t.name != "start")
    assert "--no-mask-loss" in first["start"].options, "what all rows share must know nothing of masks"
    plain = first["mask"].arguments()
    assert [a for a in first["no-mask"].arguments() if a not in plain] == ["--no-mask-loss"]
    assert [a for a in first["hnem"].arguments() if a not in plain] == ["--mine", "--mined-out", str(first["hnem"].mined)]
    mined = first["hnem"].arguments()
    assert [a for a in first["m = 1"].arguments() if a not in mined] == ["--mine-most", str(first["m = 1"].mined)]


class Pretended(run.Runner):
    """Writes what the tool would have written."""

    def __init__(self, fails=()):
        super().__init__(Path("uldor"), 2)
        self.called, self.fails, self.went_on = [], fails, []

    def call(self, *arguments):
        self.called.append(arguments)
        if arguments[0] == "train":
            out = Path(arguments[arguments.index("--out") + 1])
            self.went_on += [out.parent.name] * (out.parent / "checkpoint").is_file()
            (out.parent / "checkpoint").write_text("")
            if out.parent.name in self.fails:
                raise run.Failed(out.parent.name)
            out.write_text("weights")
            (out.parent / "log.csv").write_text("event,epoch,step,loss\nstep,0,0,2\nepoch,0,1,1\n")
        if "--json" in arguments:
            Path(arguments[arguments.index("--json") + 1]).write_text('{"subsets": []}')
        return 1.0

    def trained(self):
        return [Path(a[a.index("--out") + 1]).parent.name for a in self.called if a[0] == "train"]


def test_runs_what_has_no_result_and_nothing_else(tmp_path):
    stopped = Pretended(fails=["mask.0"])
    with pytest.raises(run.Failed):
        stopped.all(trainings(tmp_path))
    done = {t.folder.name for t in trainings(tmp_path) if t.done()}
    assert "start.0" in done and "mask.0" not in done

    again = Pretended()
    assert again.all(trainings(tmp_path)) == []
    assert set(again.trained()) == {t.folder.name for t in trainings(tmp_path)} - done
    assert again.went_on == ["mask.0"]
    result = json.loads((tmp_path / "phantom" / "hnem.1" / "result.json").read_text())
    assert result["epochs"] == [{"epoch": 0, "step": 1, "loss": 1}]

    idle = Pretended()
    idle.all(trainings(tmp_path))
    assert idle.called == []


def test_a_changed_beginning_trains_what_follows_again(tmp_path):
    with pytest.raises(run.Failed):
        Pretended(fails=["hnem.0"]).all(trainings(tmp_path))
    Pretended(fails=[]).all([t for t in trainings(tmp_path) if t.name != "hnem"])
    changed = plan.plan(DATA, recipes.phantom(3, 4), (0, 1), tmp_path)
    runner = Pretended()
    runner.all(changed)
    assert set(runner.trained()) == {t.folder.name for t in changed}
    assert runner.went_on == [], "not from a checkpoint of what it was before"


def random_images(rng, images, patients):
    boxes, found = [], {}
    for image in range(images):
        corner = rng.uniform(0, 80, (rng.integers(0, 4), 2))
        boxes.append(np.concatenate([corner, corner + rng.uniform(8, 30, corner.shape)], 1))
        near = np.concatenate([boxes[-1] + rng.normal(0, 4, boxes[-1].shape), rng.uniform(0, 50, (6, 4)) + [0, 0, 55, 55]])
        near = near[(near[:, 2] > near[:, 0]) & (near[:, 3] > near[:, 1])]
        found[f"{image}"] = [{"box": tuple(box), "category_id": int(rng.integers(1, 3)), "score": round(rng.random(), 2),
                              "lesion_score": round(rng.random(), 2)} for box in near]
    keys = np.sort(np.concatenate([np.arange(patients), rng.integers(0, patients, images - patients)]))
    return curve.Truth(keys, tuple(found), tuple(boxes)), found


@pytest.mark.parametrize("append", [False, True])
def test_curves_are_the_librarys(append):
    rng = np.random.default_rng(4)
    for _ in range(10):
        truth, found = random_images(rng, 30, 12)
        froc = uldor.Froc(false_positives="lesion_score" if append else "ignore")
        for patient, name, boxes in zip(truth.patients, truth.names, truth.boxes):
            froc.add(int(patient), boxes, [e["box"] for e in found[name]], [e["score"] for e in found[name]],
                     classes=[e["category_id"] for e in found[name]], lesion_scores=[e["lesion_score"] for e in found[name]])
        theirs = froc.compute()
        events = curve.match(truth, found, append)
        value, reached = events.levels([level.level for level in theirs.all.at])
        assert [level.reached for level in theirs.all.at] == reached.tolist()
        np.testing.assert_allclose(value[reached], [level.sensitivity for level in theirs.all.at if level.reached], atol=1e-12)
        assert events.hit.sum() == theirs.all.hits


def events(hits, patients=40):
    """One detection a patient, in the order of the patients; one image and one lesion each."""
    boxes = (np.array([[0.0, 0, 9, 9]]),) * patients
    truth = curve.Truth(np.arange(patients), tuple(map(str, range(patients))), boxes)
    return curve.Events(truth, np.arange(patients), np.asarray(hits, bool), np.linspace(1, 0, patients), patients)


def rows_with(better, seeds=3):
    """HNEM hits `better` more patients than the others do; patients that are not hit have a false detection."""
    hit = np.arange(40) < 12
    more = np.arange(40) < 12 + better
    rows = {name: [events(hit)] * seeds for name in ("no-mask", "mask", "hnem", "hnem+fp")}
    return {**rows, "hnem": [events(more)] * seeds}


def said(rows):
    return {claim.text.split(":")[0]: verdict for claim, _, _, verdict in claims.judged(resampling.rows_sampled(rows))}


def test_claims_are_held_where_the_interval_says_so():
    held = said(rows_with(better=10))
    assert held["HNEM raises the sensitivity at up to 4 FP/image"] == "held"
    assert held["HNEM lowers the greatest sensitivity"] == "not held"
    assert held["HNEM caps the false positives"] == "held"
    assert held["Masks help"] == "not held", "two rows that are the same"
    assert set(said(rows_with(better=10, seeds=2)).values()) == {"undecided"}
    assert said(rows_with(better=1))["HNEM raises the sensitivity at up to 4 FP/image"] == "undecided"


def test_seeds_that_disagree_decide_nothing():
    rows = rows_with(better=10)
    rows["hnem"] = rows["hnem"][:2] + rows["mask"][:1]
    assert said(rows)["HNEM raises the sensitivity at up to 4 FP/image"] == "undecided"


def test_samples_are_of_patients():
    weights = resampling.patient_weights(7, 50)
    assert weights.shape == (51, 7) and (weights.sum(1) == 7).all() and (weights[0] == 1).all()
    assert len(np.unique(weights, axis=0)) > 40


def test_the_estimates_sample_has_every_split(tmp_path):
    rows = [{"File_name": f"s_{i // 2}.png", "Train_Val_Test": str(1 + i % 60 // 20), "Possibly_noisy": str(int(i > 110))}
            for i in range(120)]
    assert estimate.sample(rows, tmp_path / "DL_info.csv") == {"1": 8, "2": 2, "3": 4}
    kept = estimate.read(tmp_path / "DL_info.csv")
    assert len(kept) >= 14 and all(row["Possibly_noisy"] == "0" for row in kept)
