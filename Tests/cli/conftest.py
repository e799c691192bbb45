"""Fixtures of the tests of the command-line tool."""

import os
import pathlib
import signal
import sys

import pytest

import cli_files
from cli_tool import DATA, ROOT, Tool

# What makes data sets for the tests of the Python package, and the package itself.
sys.path += [str(ROOT / "Tests" / "python"), str(ROOT / "examples" / "python" / "src")]


# A parent that ignores Ctrl-C (nohup, a script's background job) would hand that on to the tool.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tool():
    binary = pathlib.Path(os.environ.get("ULDOR_TOOL", ROOT / "build" / "bin" / "uldor"))
    weights = ROOT / "Tests" / "fixtures" / "tiny_2class.safetensors"
    if not binary.exists():
        pytest.skip(f"{binary} is not built")
    return Tool(binary, weights)


@pytest.fixture
def series(tmp_path):
    """Five slices 001.png ... 005.png of a phantom, as DeepLesion stores them."""
    folder = tmp_path / "Images_png" / "000009_01_01"
    folder.mkdir(parents=True)
    for number, hu in enumerate(cli_files.phantom(), 1):
        (folder / f"{number:03d}.png").write_bytes(cli_files.hu_png(hu))
    return folder


@pytest.fixture
def data():
    if not DATA.is_dir():
        pytest.skip("no CT data beside the project")
    return DATA
