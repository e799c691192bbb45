"""scripts/weights.sh: the demo weights are the same bytes whatever the number of threads."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def made(folder, threads):
    """A shortened run of its own; the weights' bytes."""
    folder.mkdir()
    short = {"COUNT": "6", "VALIDATION": "2", "EPOCHS": "2", "LAST_EPOCHS": "1", "EVALUATE": "--count 2 --free 1"}
    environment = {**os.environ, **short, "PYTHON": sys.executable, "THREADS": str(threads), "DIR": str(folder),
                   "OUTPUT": str(folder / "demo.safetensors")}
    done = subprocess.run(["sh", "scripts/weights.sh"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 phantoms, " in done.stdout
    return (folder / "demo.safetensors").read_bytes()


def test_same_bytes(tmp_path):
    one = made(tmp_path / "one", 1)
    assert len(one) <= 4_000_000 and one == made(tmp_path / "three", 3)
