"""Damaged files by the hundred: an error each, never a crash. Run it on the tool built with sanitizers, too."""

import numpy as np

import cli_files

PLACE = ["--spacing", "0.8", "--slice-interval", "2"]


def check(tool, paths):
    done = tool.detect(*PLACE, "--max-detections", "1", *paths)
    assert done.returncode in (0, 1)
    for line in done.stderr.splitlines():
        assert line.startswith("uldor: "), line


def damaged(data, generator, head):
    """A few bytes changed, mostly near the start, sometimes cut."""
    data = bytearray(data)
    for _ in range(generator.integers(1, 6)):
        place = generator.integers(0, min(head, len(data)) if generator.random() < 0.8 else len(data))
        data[place] = generator.choice([0, 1, 0x7F, 0x80, 0xFF, int(generator.integers(256))])
    if generator.random() < 0.3:
        data = data[:generator.integers(0, len(data))]
    return bytes(data)


def test_damaged_png(tool, tmp_path):
    generator = np.random.default_rng(11)
    whole, paths = cli_files.hu_png(cli_files.phantom(1, 50, 60)[0]), []
    for number in range(150):
        paths.append(tmp_path / f"{2 * number:03d}.png")
        paths[-1].write_bytes(damaged(whole, generator, 60))
    check(tool, paths)


def test_damaged_nifti(tool, tmp_path):
    generator = np.random.default_rng(12)
    whole, paths = cli_files.nifti_bytes(cli_files.phantom(2, 40, 50).transpose(2, 1, 0)), []
    for number in range(150):
        paths.append(tmp_path / f"{number:03d}.nii")
        paths[-1].write_bytes(damaged(whole, generator, 352))
    check(tool, paths)


def test_damaged_compressed_nifti(tool, tmp_path):
    generator = np.random.default_rng(13)
    plain, paths = cli_files.nifti_bytes(cli_files.phantom(2, 40, 50).transpose(2, 1, 0)), []
    whole = cli_files.compressed(plain)
    for number in range(100):
        paths.append(tmp_path / f"{number:03d}.nii.gz")
        inner = cli_files.compressed(damaged(plain, generator, 352)) if number % 2 else damaged(whole, generator, 40)
        paths[-1].write_bytes(inner)
    check(tool, paths)


def test_nifti_2(tool, tmp_path):
    """The other version of the header, whole and damaged."""
    import struct
    volume = cli_files.phantom(3, 60, 70)
    header = bytearray(544)
    struct.pack_into("<i", header, 0, 540)
    header[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into("<hh", header, 12, 4, 16)
    struct.pack_into("<8q", header, 16, 3, 70, 60, 3, 1, 1, 1, 1)
    struct.pack_into("<8d", header, 104, 1, 0.8, 0.8, 2, 0, 0, 0, 0)
    struct.pack_into("<q", header, 168, 544)
    struct.pack_into("<dd", header, 176, 1, 0)
    struct.pack_into("<ii", header, 344, 0, 1)
    struct.pack_into("<12d", header, 400, -0.8, 0, 0, 0, 0, -0.8, 0, 0, 0, 0, -2, 0)
    struct.pack_into("<i", header, 500, 2)
    whole = bytes(header) + volume.transpose(2, 1, 0).astype("<i2").tobytes(order="F")
    one, two = tmp_path / "one.nii", tmp_path / "two.nii"
    two.write_bytes(whole)
    one.write_bytes(cli_files.nifti_bytes(volume.transpose(2, 1, 0), [[-0.8, 0, 0, 0], [0, -0.8, 0, 0], [0, 0, -2, 0]]))
    arguments = ["--min-score", "0", "--max-detections", "3", *PLACE, "--slices", "1"]
    (first,), (second,) = tool.images(*arguments, one), tool.images(*arguments, two)
    assert {**first, "path": ""} == {**second, "path": ""}
    generator = np.random.default_rng(14)
    paths = [tmp_path / f"d{number}.nii" for number in range(80)]
    for path in paths:
        path.write_bytes(damaged(whole, generator, 544))
    check(tool, paths)
