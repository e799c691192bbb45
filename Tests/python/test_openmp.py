# SPDX-License-Identifier: Apache-2.0
"""Other OpenMP runtimes in the process. Each case is a process of its own: what a runtime registers stays until the end."""
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, os, sys
sys.path.insert(0, {package!r})
{before}
import numpy, uldor
with uldor.Model({weights!r}) as model, model.session(threads=2) as session:
    found = session.forward(numpy.zeros((3, 64, 64), numpy.float32))
    print(session.info.threads, len(found) >= 0)
"""


def run(root, weights, before):
    program = PROGRAM.format(package=str(root / "examples" / "python" / "src"), before=before, weights=str(weights))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


def test_alone(root, weights):
    assert run(root, weights, "") == "2"


def test_a_second_runtime_of_the_same_kind(root, weights, tmp_path):
    """It would abort the process; libuldor goes on with one thread. A renamed copy of libomp stands for Intel's."""
    original = next((path for path in (Path("/usr/lib/llvm-14/lib/libomp.so.5"), Path("/usr/lib/x86_64-linux-gnu/libomp.so.5"))
                     if path.exists()), None)
    if original is None:
        pytest.skip("libomp is elsewhere")
    other = tmp_path / "libother_omp.so"
    other.write_bytes(original.read_bytes())
    subprocess.run(["patchelf", "--set-soname", other.name, str(other)], check=True)
    assert run(root, weights, f"ctypes.CDLL({str(other)!r}).omp_get_max_threads()") == "1"


def test_what_a_killed_process_left_behind(root, weights):
    """Its registration under a process number that came round again is no runtime."""
    before = """
stale = f"/dev/shm/__KMP_REGISTERED_LIB_{os.getpid()}_{os.getuid()}"
with open(stale, "w") as file:
    file.write("0x7f0000001000-cafe4192-libomp.so.5")
"""
    assert run(root, weights, before) == "2"
