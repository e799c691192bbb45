# SPDX-License-Identifier: Apache-2.0
"""Paths, models and sessions that the tests share.

The package under test is examples/python/src and with it build/lib/libuldor.so.0, unless uldor is installed and
ULDOR_TEST_INSTALLED is set (how a wheel is tested). Tests that want real data skip where it is not there.
"""
from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools"))
if not os.environ.get("ULDOR_TEST_INSTALLED"):
    sys.path.insert(0, str(ROOT / "examples" / "python" / "src"))

import uldor  # noqa: E402

FIXTURES = ROOT / "Tests" / "fixtures"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def weights() -> Path:
    """Small random weights of 2 classes."""
    return FIXTURES / "tiny_2class.safetensors"


@pytest.fixture(scope="session")
def weights3() -> Path:
    """Small random weights of 3 classes."""
    return FIXTURES / "tiny_3class.safetensors"


@pytest.fixture(scope="session")
def model(weights):
    with uldor.Model(weights) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def model3(weights3):
    with uldor.Model(weights3) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def session(model):
    """A session with defaults, for tests that leave it as they found it."""
    with model.session(threads=2) as made:
        yield made


@pytest.fixture(scope="session")
def plain(model):
    """Pixels as they are: no crop, no resampling."""
    with model.session(threads=2, resampling=False, body_crop=False) as made:
        yield made


@pytest.fixture(scope="session")
def volume() -> numpy.ndarray:
    """A smooth body with structures in air, 7 x 120 x 150, int16 Hounsfield units."""
    return phantom(7, 120, 150)


@pytest.fixture(scope="session")
def result(session, volume):
    """Detections, with spacing, in the middle of `volume`."""
    with session.detect(volume, spacing=(0.7, 0.9), slice_interval=1.5) as found:
        assert len(found) > 10
        yield found


@pytest.fixture(scope="session")
def discs():
    """A small data set to train on."""
    import training_data

    with training_data.source() as dataset:
        yield dataset


@pytest.fixture(scope="session")
def whole(discs, tmp_path_factory) -> Path:
    """The folder of a short run that nothing interrupted."""
    import training_data

    folder = tmp_path_factory.mktemp("whole")
    with training_data.trainer(discs, folder, threads=2) as run:
        assert run.run().status == "finished"
    return folder


@pytest.fixture(scope="session")
def pixels() -> numpy.ndarray:
    """Slices 1..9 of one series, 9 x 96 x 128, Hounsfield units."""
    return phantom(9, 96, 128)


@pytest.fixture
def deeplesion(tmp_path, pixels) -> Path:
    """A directory of DeepLesion's layout: one series of `pixels` and one lesion on slice 5."""
    from dataset_files import SERIES, row, write_csv, write_slice

    write_csv(tmp_path, [row()])
    for number, slice_ in enumerate(pixels):
        write_slice(tmp_path, SERIES, number + 1, slice_)
    return tmp_path


@pytest.fixture(scope="session")
def data() -> Path:
    """The directory of real data beside the checkout."""
    folder = Path(os.environ.get("ULDOR_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "deeplesion_mini" / "DL_info.csv").is_file():
        pytest.skip(f"no real data in {folder}; ULDOR_TEST_DATA names another place")
    return folder


def phantom(depth: int, height: int, width: int, seed: int = 0) -> numpy.ndarray:
    """An ellipse of soft tissue with blobs and noise in air, depth x height x width, int16 Hounsfield units. The air is
    noisy enough to have single pixels above the body threshold, which the opening removes."""
    random = numpy.random.default_rng(seed)
    z, y, x = numpy.mgrid[0:depth, 0:height, 0:width].astype(numpy.float64)
    v, u = (y - height * 0.52) / (height * 0.37), (x - width * 0.47) / (width * 0.39)
    image = numpy.where(u * u + v * v < 1, 40.0, -1000.0)
    for _ in range(12):
        cz, cy, cx = random.uniform(-1, depth), random.uniform(0, height), random.uniform(0, width)
        size = random.uniform(0.02, 0.12) * max(height, width)
        distance = ((z - cz) * 3) ** 2 + (y - cy) ** 2 + (x - cx) ** 2
        image += random.uniform(-500, 900) * numpy.exp(-distance / (2 * size * size))
    image += random.normal(0, 60, image.shape)
    return numpy.clip(image, -1500, 3500).astype(numpy.int16)
