# SPDX-License-Identifier: Apache-2.0
"""Writes small data sets in DeepLesion's layout, sound ones and damaged ones."""
from __future__ import annotations

import csv
import io
import struct
import zlib
from pathlib import Path

import numpy
from PIL import Image

COLUMNS = [
    "File_name", "Patient_index", "Study_index", "Series_ID", "Key_slice_index", "Measurement_coordinates", "Bounding_boxes",
    "Lesion_diameters_Pixel_", "Normalized_lesion_location", "Coarse_lesion_type", "Possibly_noisy", "Slice_range",
    "Spacing_mm_px_", "Image_size", "DICOM_windows", "Patient_gender", "Patient_age", "Train_Val_Test",
]
#: Whose row row() writes unless it is told otherwise.
SERIES = "000001_01_01"


def row(series=SERIES, slice_=5, *, recist=(21, 31, 41, 31, 31, 26, 31, 38), box=None, type_=1, noisy=0,
        spacing=(0.8, 0.8, 2), size=(96, 128), split=1, **fields):
    """A row of DL_info.csv, 1-based, as a dictionary; `fields` replaces columns by name."""
    patient, study, number = (int(part) for part in series.split("_"))
    if box is None:
        x, y = recist[0::2], recist[1::2]
        box = (min(x) - 5, min(y) - 5, max(x) + 5, max(y) + 5)
    found = dict(zip(COLUMNS, [
        f"{series}_{slice_:03d}.png", patient, study, number, slice_, ", ".join(map(str, recist)), ", ".join(map(str, box)),
        "20, 12", "0.5, 0.5, 0.5", type_, noisy, "1, 9", ", ".join(map(str, spacing)), ", ".join(map(str, size)), "-175, 275", "F",
        "62.0", split,
    ]))
    found.update(fields)
    return found


def text(rows, columns=COLUMNS, end="\n"):
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator=end, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write_csv(folder, rows, **options):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "DL_info.csv").write_text(text(rows, **options), newline="")
    return folder


def png_path(folder, series, slice_, directory="Images_png"):
    return Path(folder) / directory / series / f"{slice_:03d}.png"


def write_slice(folder, series, slice_, hu):
    """Hounsfield units as DeepLesion stores them."""
    path = png_path(folder, series, slice_)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = (numpy.asarray(hu).astype(numpy.int32) + 32768).astype(numpy.uint16)
    Image.fromarray(stored).save(path)
    return path


def write_mask(folder, series, slice_, mask):
    path = png_path(folder, series, slice_, "Masks_png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((numpy.asarray(mask) != 0).astype(numpy.uint8) * 255).save(path)
    return path


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(pixels, *, bits=16, colour=0, interlaced=False, size=None, chunks=b"", data=None):
    """A PNG of H x W grey values, written byte by byte, so that anything in it can be wrong."""
    height, width = size or pixels.shape
    if data is None:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        parts = [pixels[y::dy, x::dx] for x, y, dx, dy in passes] if interlaced else [pixels]
        kind = ">u2" if bits == 16 else "u1"
        lines = b"".join(b"\0" + line.astype(kind).tobytes() for part in parts if part.size for line in part)
        data = zlib.compress(lines)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", data) + chunk(b"IEND", b"")


#: Pixels, and a sound PNG of them.
STORED = numpy.arange(96 * 128, dtype=numpy.uint16).reshape(96, 128)
SOUND = png(STORED)
