# SPDX-License-Identifier: Apache-2.0
"""Tags the wheel: for this platform and any Python 3 where bundle.sh has put libuldor into the package, else for
every platform. pyproject.toml has the rest."""
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

BUNDLED = any(Path(__file__).parent.glob("src/uldor/*.so*"))


class BinaryDistribution(Distribution):
    """Puts the package where binary packages go, without an extension module to compile."""

    def has_ext_modules(self):
        return BUNDLED


class AnyPython(bdist_wheel):
    """ctypes needs no particular Python: only the platform counts."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(distclass=BinaryDistribution, cmdclass={"bdist_wheel": AnyPython})
