# SPDX-License-Identifier: Apache-2.0
"""The demo weights on phantoms they were not trained on. tools/eval_demo.py measures 200 of them (docs/accuracy.md); here
are a few, so the bound is one that only broken weights or a broken detector miss."""
import eval_demo
import pytest

import uldor


@pytest.fixture(scope="module")
def demo(root):
    with uldor.Model(root / "share" / "uldor-demo.safetensors") as model:
        yield model


def test_finds_lesions(demo):
    with demo.session(score_threshold=0.05) as session:
        rows, lesions = eval_demo.detect(session, 3000, 16)
    assert lesions >= 10
    assert eval_demo.sensitivity(rows, 16, lesions, 1)[0] >= 0.75


def test_says_when_there_is_none(demo):
    with demo.session() as session:
        rows, lesions = eval_demo.detect(session, 3001, 4, lesions=0)
    assert lesions == 0
    assert len({row.image for row in rows}) <= 1


def test_describes_itself(demo, root):
    assert demo.class_names == ["background", "lesion"] or tuple(demo.class_names) == ("background", "lesion")
    assert (root / "share" / "uldor-demo.safetensors").stat().st_size <= 4_000_000
    assert "no medical use" in demo.description
