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
        result, _ = eval_demo.detect(session, 3000, 16)
    assert result.lesions >= 10
    assert eval_demo.sensitivity(result, 1)[0] >= 0.75


def test_says_when_there_is_none(demo):
    with demo.session() as session:
        result, best = eval_demo.detect(session, 3001, 4, lesions=0)
    assert result.lesions == 0
    assert len(best) <= 1


def test_describes_itself(demo, root):
    assert demo.class_names == ("background", "lesion")
    assert (root / "share" / "uldor-demo.safetensors").stat().st_size <= 4_000_000
    assert "no medical use" in demo.description
