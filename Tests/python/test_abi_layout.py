# SPDX-License-Identifier: Apache-2.0
"""uldor._abi against include/uldor.h as a C compiler reads it: struct layouts, constants, prototypes, exports."""
from __future__ import annotations

import ctypes
import re
import shutil
import subprocess

import pytest

from uldor import _abi, _library

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@pytest.fixture(scope="module")
def header(root):
    text = (root / "include" / "uldor.h").read_text()
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


@pytest.fixture(scope="module")
def evaluate(root, tmp_path_factory):
    """Evaluates C expressions with the header included; a dict of expression -> int."""
    if COMPILER is None:
        pytest.skip("no C compiler")

    def run(expressions):
        folder = tmp_path_factory.mktemp("layout")
        prints = "\n".join(f'    printf("%lld\\n", (long long)({text}));' for text in expressions)
        source = folder / "layout.c"
        source.write_text(f"#include <stdio.h>\n#include <uldor.h>\nint main(void) {{\n{prints}\n    return 0;\n}}\n")
        program = folder / "layout"
        subprocess.run([COMPILER, "-I", str(root / "include"), str(source), "-o", str(program)], check=True)
        lines = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.split()
        return dict(zip(expressions, map(int, lines)))

    return run


def struct_bodies(header):
    return dict((name, body) for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} uldor_(\w+);", header, flags=re.S))


def field_names(body):
    """Names declared in a struct's body, in order."""
    names = []
    for declaration in filter(str.strip, re.sub(r"\s+", " ", body).split(";")):
        function = re.search(r"\(\*(\w+)\)", declaration)
        if function:
            names.append(function.group(1))
        else:
            names += [re.search(r"(\w+)\s*(\[\d+\])?$", part.strip()).group(1) for part in declaration.split(",")]
    return names


def test_every_struct_is_declared(header):
    assert set(struct_bodies(header)) == {struct.__name__ for struct in _abi.STRUCTS}


def test_fields_have_the_headers_order(header):
    bodies = struct_bodies(header)
    for struct in _abi.STRUCTS:
        assert [name for name, *_ in struct._fields_] == field_names(bodies[struct.__name__]), struct.__name__


def test_layouts_agree(evaluate):
    expected = {}
    for struct in _abi.STRUCTS:
        name = f"uldor_{struct.__name__}"
        expected[f"sizeof({name})"] = ctypes.sizeof(struct)
        for field, *_ in struct._fields_:
            expected[f"offsetof({name}, {field})"] = getattr(struct, field).offset
            expected[f"sizeof((({name} *)0)->{field})"] = getattr(struct, field).size
    assert evaluate(list(expected)) == expected


def test_constants_agree(header, evaluate):
    names = [name for body in re.findall(r"enum\s*\{(.*?)\}", header, flags=re.S)
             for name in re.findall(r"ULDOR_(\w+)\s*=", body)]
    assert len(names) > 40
    expected = {f"ULDOR_{name}": getattr(_abi, name) for name in names}
    expected["ULDOR_ABI_VERSION"] = _library.ABI_VERSION
    assert evaluate(list(expected)) == expected


SCALARS = {"int32_t": ctypes.c_int32, "uldor_status": ctypes.c_int32, "size_t": ctypes.c_size_t, "double": ctypes.c_double,
           "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "uldor_report_fn": _abi.report_fn}
POINTEES = {"double": ctypes.c_double, "float": ctypes.c_float, "uint8_t": ctypes.c_uint8, "uint32_t": ctypes.c_uint32,
            "size_t": ctypes.c_size_t, "int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64}
HANDLES = ("uldor_model", "uldor_session", "uldor_result", "uldor_tensors", "uldor_froc", "uldor_dataset", "uldor_slices",
           "uldor_trainer")


def ctypes_of(declaration):
    """The ctypes class that a C parameter or return type, its name removed, is passed as."""
    text = declaration.replace("const", "").strip()
    stars = text.count("*") + text.count("[")
    base = re.match(r"\w+", text).group(0)
    if stars == 0:
        return SCALARS[base]
    if base == "char":
        return ctypes.c_char_p if stars == 1 else ctypes.POINTER(ctypes.c_char_p)
    if base in HANDLES:
        return ctypes.c_void_p if stars == 1 else ctypes.POINTER(ctypes.c_void_p)
    if base == "void":
        return ctypes.c_void_p
    return ctypes.POINTER(POINTEES.get(base) or getattr(_abi, base[len("uldor_"):]))


def functions(header):
    found = {}
    for result, name, arguments in re.findall(r"ULDOR_API\s+([^;(#]*?)uldor_(\w+)\(([^;]*?)\);", header, flags=re.S):
        parts = [] if arguments.strip() == "void" else arguments.split(",")
        # The parameter's name goes, its type and brackets stay.
        types = [re.sub(r"\w+\s*(\[\d*\])?\s*$", r"\1", part.strip()) for part in parts]
        found[name] = (ctypes_of(result), [ctypes_of(text) for text in types])
    return found


def test_prototypes_agree(header):
    expected = functions(header)
    declared = {name: (result, arguments) for name, result, arguments in _abi.PROTOTYPES}
    assert declared == expected


def test_exports_are_the_headers_functions(header):
    tool = shutil.which("nm")
    if tool is None:
        pytest.skip("no nm")
    output = subprocess.run([tool, "-D", "--defined-only", _abi.lib._name], check=True, capture_output=True, text=True).stdout
    exported = {line.split()[-1].split("@")[0] for line in output.splitlines() if line.split()[-2] in "TWiVBDR"}
    assert exported == {f"uldor_{name}" for name in functions(header)}


def test_versions_agree(header):
    macros = {name: int(value) for name, value in re.findall(r"#define ULDOR_(VERSION_\w+|ABI_VERSION)\s+(\d+)", header)}
    number = _abi.lib.uldor_version()
    assert number == macros["VERSION_MAJOR"] << 16 | macros["VERSION_MINOR"] << 8 | macros["VERSION_PATCH"]
    assert _abi.lib.uldor_abi_version() == macros["ABI_VERSION"]


def test_status_names(header):
    for name, value in re.findall(r"ULDOR_(OK|ERROR_\w+)\s*=\s*(-?\d+)", header):
        assert _abi.lib.uldor_status_name(int(value)).decode() == f"ULDOR_{name}"
    assert _abi.lib.uldor_status_name(-999) is not None
    assert _abi.lib.uldor_status_name(5) is not None
