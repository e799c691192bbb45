# SPDX-License-Identifier: Apache-2.0
"""Lets torchvision's compiled operators load beside a torch without CUDA.

The published torchvision is linked against torch's CUDA libraries. With a CPU build of torch those are not there, the loader
refuses the whole file, and with it the CPU versions of NMS and RoIAlign. Nothing on the CPU's path calls them, so empty
libraries that define the missing symbols are enough: the operators that then run are torchvision's own.
"""
from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, List


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed")
    return Path(spec.origin).parent


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def missing(library: Path, torch: Path) -> List[str]:
    """SONAMEs that `library` asks for and that neither torch nor the system has."""
    needed = re.findall(r"NEEDED.*\[(.*)\]", _output("readelf", "--dynamic", "--wide", str(library)))
    known = _output("/sbin/ldconfig", "-p")
    return [name for name in needed if not (torch / name).exists() and f"\t{name} " not in known]


def symbols(library: Path) -> Dict[str, List[str]]:
    """Undefined symbols of CUDA by version ("" for none). A version is named after the library that defines it."""
    found: Dict[str, List[str]] = {}
    for line in _output("nm", "--dynamic", "--undefined-only", str(library)).splitlines():
        name, _, version = line.split()[-1].partition("@")
        if "cuda" in name:
            found.setdefault(version.lstrip("@"), []).append(name)
    return found


def build(folder: Path, soname: str, version: str, names: List[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        source, script = Path(scratch, "stub.c"), Path(scratch, "stub.map")
        # All as functions: those that register kernels run when the library is loaded and must return, the rest is not touched.
        lines = [f"void *{name}(void) {{ return 0; }}" for name in names] or ["char uldor_bench_stub;"]
        source.write_text("\n".join(lines) + "\n")
        script.write_text(f"{version or soname} {{ global: *; }};\n")
        versioned = [f"-Wl,--version-script={script}"] if version else []
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(folder / soname), str(source), f"-Wl,-soname,{soname}", *versioned],
                       check=True)


def main() -> None:
    torchvision, torch = _folder("torchvision"), _folder("torch") / "lib"
    library = torchvision / "_C.so"
    absent = missing(library, torch)
    if not absent:
        raise SystemExit(f"{library} fails to load for another reason than a missing library")
    folder = torchvision / "stubs"
    folder.mkdir(exist_ok=True)
    undefined = symbols(library)
    unversioned = undefined.get("", [])
    for number, soname in enumerate(absent):
        versioned = undefined.get(soname, [])
        # Unversioned symbols may come from any of them: the first that has no version of its own.
        own = [] if versioned else unversioned
        if own:
            unversioned = []
        build(folder, soname, soname if versioned else "", versioned or own)
    subprocess.run(["patchelf", "--set-rpath", "$ORIGIN/stubs", str(library)], check=True)
    print("bench: torchvision is built for CUDA; stubs for", ", ".join(absent))


if __name__ == "__main__":
    main()
