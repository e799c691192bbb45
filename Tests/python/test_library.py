# SPDX-License-Identifier: Apache-2.0
"""Finding libuldor: what is tried, and what is said when there is none."""
from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap

import uldor
from uldor import _library


def python(code, **environment):
    """Runs code in a new interpreter with the package under test; its completed process."""
    folder = os.path.dirname(os.path.dirname(uldor.__file__))
    variables = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=variables, capture_output=True, text=True,
                          timeout=60)


def test_the_environment_variable_decides_alone(tmp_path):
    missing = tmp_path / "nowhere.so"
    done = python("import uldor", ULDOR_LIBRARY=str(missing))
    assert done.returncode != 0
    assert "ImportError" in done.stderr and f"{missing}: no such file" in done.stderr


def test_a_file_that_is_no_library_is_named(tmp_path):
    file = tmp_path / "text.so"
    file.write_text("not a library " * 1000)
    done = python("import uldor", ULDOR_LIBRARY=str(file))
    assert "ImportError" in done.stderr and str(file) in done.stderr and "ELF" in done.stderr


def test_another_library_is_refused():
    done = python("import uldor", ULDOR_LIBRARY="libc.so.6")
    assert "ImportError" in done.stderr and "uldor_abi_version" in done.stderr


def test_candidates_without_the_variable(monkeypatch):
    monkeypatch.delenv(_library.ENVIRONMENT_VARIABLE, raising=False)
    found = _library.candidates()
    assert os.path.dirname(found[0]) == os.path.dirname(_library.__file__)
    assert found[-1] == "libuldor.so.0"


def test_what_detection_does_not_need_is_imported_when_asked_for():
    done = python("""
        import sys, uldor
        print([name for name in ("dataset", "evaluation", "gradients", "mining", "trainer") if f"uldor.{name}" in sys.modules])
        print([name for name in uldor.__all__ if name not in dir(uldor) or getattr(uldor, name) is None])
        import uldor.evaluation
        print(uldor.Froc is uldor.evaluation.Froc, uldor.mining.mine is uldor.mine)
        from uldor import *
        print(Trainer is uldor.trainer.Trainer)
        try:
            uldor.trainers
        except AttributeError as error:
            print(error)
    """)
    assert done.stdout.splitlines() == [
        "[]", "[]", "True True", "True", "module 'uldor' has no attribute 'trainers'"], done.stderr


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", uldor.library_version())


def test_nothing_is_printed_and_objects_may_outlive_the_interpreter(weights):
    """Objects that nobody closed, in a cycle and in globals, at the end of the process."""
    done = python(f"""
        import numpy, uldor
        model = uldor.Model({str(weights)!r})
        session = model.session(threads=2, resampling=False, progress=lambda fraction, stage: None)
        result = session.detect(numpy.zeros((64, 64), numpy.int16))
        found = list(result)
        cycle = [session, result]; cycle.append(cycle)
        uldor.keep = session
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
