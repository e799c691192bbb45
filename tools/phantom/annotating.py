"""Lesions that nobody annotated: which rows of the truth are left out."""
import numpy as np


def annotated(rows, part, seed):
    """`rows` of DL_info.csv less `part` of each split's."""
    kept = []
    for split in sorted({row[-1] for row in rows}):
        kept += thinned([row for row in rows if row[-1] == split], part, np.random.default_rng((seed, 2, split)))
    return sorted(kept, key=rows.index)


def thinned(rows, part, rng):
    """`rows` less `part` of them, drawn; as in DeepLesion every key slice (File_name comes first) keeps a row at least."""
    left = {}
    for row in rows:
        left[row[0]] = left.get(row[0], 0) + 1
    most, dropped = round(part * len(rows)), set()
    for index in rng.permutation(len(rows)):
        name = rows[index][0]
        if len(dropped) < most and left[name] > 1:
            left[name] -= 1
            dropped.add(int(index))
    if len(dropped) < most:
        raise ValueError(f"of {len(rows)} lesions only {len(dropped)} can be left out, not {most}: draw more lesions a phantom")
    return [row for index, row in enumerate(rows) if index not in dropped]
