# SPDX-License-Identifier: Apache-2.0
"""Small data to train on: bright discs in noise, as a host's source and as a directory of DeepLesion's layout."""
from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Dict, Tuple

import cv2
import numpy

SIDE = 96
#: 8 channels in the stem: a step takes milliseconds.
SMALL = "narrow:stem=8,fpn=16,fc=32,mask=16"
HEADER = ("File_name,Patient_index,Study_index,Series_ID,Key_slice_index,Measurement_coordinates,Bounding_boxes,"
          "Lesion_diameters_Pixel_,Normalized_lesion_location,Coarse_lesion_type,Possibly_noisy,Slice_range,Spacing_mm_px_,"
          "Image_size,DICOM_windows,Patient_gender,Patient_age,Train_Val_Test")


def disc(seed: int) -> Tuple[numpy.ndarray, float, float, float]:
    """An image of Hounsfield units, the disc's centre and radius."""
    random = numpy.random.default_rng(seed)
    image = random.normal(40, 20, (SIDE, SIDE)).astype(numpy.float32)
    x, y = random.uniform(32, 64, 2).round(1)
    radius = round(float(random.uniform(8, 14)), 1)
    rows, columns = numpy.mgrid[:SIDE, :SIDE] + 0.5
    image[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] += 150
    return image, float(x), float(y), radius


def source(train: int = 6, validation: int = 3) -> Any:
    """A uldor.Dataset; every third image has no lesion."""
    import uldor

    images = []
    for index in range(train + validation):
        image, x, y, r = disc(index)
        lesion = uldor.SourceLesion(recist=[x - r, y, x + r, y, x, y - r, x, y + r])
        images.append(uldor.SourceImage(
            size=(SIDE, SIDE), read=lambda image=image: image, lesions=[lesion] if index % 3 else [],
            split="train" if index < train else "validation", spacing=0.8, slice_interval=2))
    return uldor.Dataset.from_source(images)


def write(folder: Path, train: int = 6, validation: int = 3) -> Path:
    """The same with a lesion in each, in DeepLesion's layout."""
    rows = [HEADER]
    for index in range(train + validation):
        image, x, y, r = disc(index)
        series = f"{index + 1:06d}_01_01"
        (folder / "Images_png" / series).mkdir(parents=True, exist_ok=True)
        stored = numpy.round(image + 32768).astype(numpy.uint16)
        for number in (4, 5, 6):
            assert cv2.imwrite(str(folder / "Images_png" / series / f"{number:03d}.png"), stored)
        x, y = x + 0.5, y + 0.5  # 1-based
        rows.append(
            f'{series}_005.png,{index + 1},1,1,5,"{x - r}, {y}, {x + r}, {y}, {x}, {y - r}, {x}, {y + r}",'
            f'"{x - r - 5}, {y - r - 5}, {x + r + 5}, {y + r + 5}","{2 * r}, {2 * r}","0.5, 0.5, 0.5",-1,0,"4, 6",'
            f'"0.8, 0.8, 2","{SIDE}, {SIDE}","-175, 275",M,60,{1 if index < train else 2}')
    (folder / "DL_info.csv").write_text("\n".join(rows) + "\n")
    return folder


def tensors(path: Any) -> Dict[str, numpy.ndarray]:
    """What a safetensors file holds, read without the library; F32, F16 and U8."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F16": "<f2", "U8": "u1"}
    found = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = numpy.frombuffer(data[8 + length + first:8 + length + last], types[entry["dtype"]])
        found[name] = values.reshape(entry["shape"])
    return found


def metadata(path: Any) -> Dict[str, str]:
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + length]).get("__metadata__", {})


def flat(values: Dict[str, numpy.ndarray]) -> numpy.ndarray:
    return numpy.concatenate([values[name].ravel().astype(numpy.float64) for name in sorted(values) if name != "training.momentum"])
