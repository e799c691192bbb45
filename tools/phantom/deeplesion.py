"""DeepLesion's layout: OUTDIR/Images_png/<patient>_<study>_<series>/<slice>.png (16 bit, HU = pixel - 32768),
OUTDIR/DL_info.csv (one row a lesion), and OUTDIR/phantoms.csv (one row a phantom, the lesion-free ones too). Where some lesions
are left unannotated, OUTDIR/DL_info_full.csv has them all."""
import csv
import os

import numpy as np
from PIL import Image

COLUMNS = ("File_name,Patient_index,Study_index,Series_ID,Key_slice_index,Measurement_coordinates,Bounding_boxes,"
           "Lesion_diameters_Pixel_,Normalized_lesion_location,Coarse_lesion_type,Possibly_noisy,Slice_range,"
           "Spacing_mm_px_,Image_size,DICOM_windows,Patient_gender,Patient_age,Train_Val_Test").split(",")
# DeepLesion's coarse types: 1 bone, 2 abdomen, 3 mediastinum, 4 liver, 5 lung, 6 kidney, 7 soft tissue, 8 pelvis
COARSE_TYPE = {"lung": 5, "mediastinum": 3, "liver": 4, "spleen": 2, "kidney": 6, "fat": 2, "muscle": 7, "subcutaneous": 7}
SPLITS = ("train", "validation", "test")
SERIES_COLUMNS = ("series", "key_slice", "slices", "spacing_mm", "slice_interval_mm", "section", "lesions")
FIRST_PATIENT = 900001  # far from DeepLesion's own 4427, so that the sets can be merged


def numbers(values):
    return ", ".join(f"{v:.6g}" for v in values)


def write(phantom, index, directory, split="test"):
    """Writes the slices; returns the rows of DL_info.csv and the row of phantoms.csv."""
    patient = FIRST_PATIENT + index
    series = f"{patient:06d}_01_01"
    folder = os.path.join(directory, "Images_png", series)
    os.makedirs(folder, exist_ok=True)
    n, height, width = phantom.volume_hu.shape
    for i, hu in enumerate(phantom.volume_hu):
        Image.fromarray((hu.astype(np.int32) + 32768).astype(np.uint16)).save(os.path.join(folder, f"{i + 1:03d}.png"))
    key = n // 2 + 1
    rows = []
    for lesion in phantom.lesions:
        r = lesion.recist
        diameters = np.hypot(r[2] - r[0], r[3] - r[1]), np.hypot(r[6] - r[4], r[7] - r[5])
        centre = [(lesion.box[0] + lesion.box[2]) / 2 / width, (lesion.box[1] + lesion.box[3]) / 2 / height, 0.5]
        coarse = 8 if phantom.section == "pelvis" and lesion.organ == "fat" else COARSE_TYPE[lesion.organ]
        rows.append([f"{series}_{key:03d}.png", patient, 1, 1, key, numbers(r), numbers(lesion.box), numbers(diameters),
                     numbers(centre), coarse, 0, f"1, {n}",
                     numbers([phantom.spacing_mm, phantom.spacing_mm, phantom.slice_interval_mm]), f"{height}, {width}",
                     "-1350, 150" if lesion.organ == "lung" else "-175, 275", "", "", SPLITS.index(split) + 1])
    return rows, [series, key, n, phantom.spacing_mm, phantom.slice_interval_mm, phantom.section, len(phantom.lesions)]


def write_tables(rows, series, directory, full=None):
    """The rows that `write` returned; `full`: the lesions' where `rows` are those annotated."""
    tables = [("DL_info.csv", COLUMNS, rows), ("phantoms.csv", SERIES_COLUMNS, series)]
    for name, header, body in tables + [("DL_info_full.csv", COLUMNS, full)] * (full is not None):
        with open(os.path.join(directory, name), "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *body])
