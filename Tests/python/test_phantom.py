# SPDX-License-Identifier: Apache-2.0
"""Drawn phantoms: what they were before they had options is what they are without them, and what the options promise."""
import csv
import subprocess
import sys

import numpy as np
import phantom
import pytest
from phantom import annotating


def test_without_options_phantoms_are_what_they_were():
    """The demo weights were trained on them. Figures of the drawing before there were any options."""
    for seed, mean, deviation, grain, recist in (
            ((77, 0), -680.10320409139, 489.0397927887623, 9.316035500244618, [337, 298, 338, 320, 346, 308, 330, 310]),
            ((77, 1), -852.7703984578451, 1213.3381341132365, 18.889403182077626, [276, 142, 261, 166, 281, 159, 260, 146])):
        drawn = phantom.draw(seed, 2)
        hu = drawn.volume_hu.astype(float)
        assert [hu.mean(), hu.std(), np.abs(np.diff(hu, axis=2)).mean()] == pytest.approx([mean, deviation, grain], rel=1e-6)
        assert drawn.lesions[0].recist == recist


def test_lookalikes_leave_the_lesions_as_they_are():
    plain, with_them = phantom.draw((5, 1), 2, "kidney"), phantom.draw((5, 1), 2, "kidney", lookalikes=8)
    assert [lesion.recist for lesion in plain.lesions] == [lesion.recist for lesion in with_them.lesions]
    key = len(plain.volume_hu) // 2
    changed = np.abs(plain.volume_hu[key].astype(int) - with_them.volume_hu[key]) > 40
    assert changed.sum() > 300
    assert not any(changed[lesion.mask].any() for lesion in plain.lesions)


def test_smaller_phantoms_have_the_same_field():
    small, large = phantom.draw((5, 2), size=128), phantom.draw((5, 2))
    assert small.volume_hu.shape[1:] == (128, 128)
    assert small.spacing_mm * 128 == pytest.approx(large.spacing_mm * 512, rel=1e-5)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_unannotated_lesions_are_only_in_the_full_table(root, tmp_path):
    options = "--count 14 --seed 3 --size 160 --lesions 1-5 --unannotated 0.4 --split train --validation 4 --test 4"
    subprocess.run([sys.executable, str(root / "tools" / "phantom"), str(tmp_path), *options.split()], check=True)
    kept, full = rows(tmp_path / "DL_info.csv"), rows(tmp_path / "DL_info_full.csv")
    assert all(row in full for row in kept)
    for split in "123":
        some, every = ([row for row in table if row["Train_Val_Test"] == split] for table in (kept, full))
        assert len(every) - len(some) == round(0.4 * len(every)) > 0
        assert {row["File_name"] for row in some} == {row["File_name"] for row in every}, "every key slice keeps a row"


def test_too_few_lesions_to_leave_out_are_an_error():
    with pytest.raises(ValueError, match="draw more lesions"):
        annotating.annotated([["a", 1], ["b", 1], ["b", 1]], 0.7, 1)
