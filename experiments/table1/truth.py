"""What is measured against and looked at: read with the library's own reader, so that windows and rows left out are the same."""
import sys
from typing import Any, Dict, List, Tuple

import numpy as np
from numpy.typing import NDArray

from curve import Truth
from paths import ROOT
from sets import DataSet

sys.path.insert(0, str(ROOT / "examples" / "python" / "src"))
import uldor  # noqa: E402

NAMES = {"--csv": "csv", "--windows": "windows", "--masks": "masks_directory"}


def opened(data: DataSet, truth: str) -> uldor.Dataset:
    """The same images as the tool's options lead to."""
    arguments: Dict[str, Any] = {}
    options = list(data.options + data.truths[truth])
    while options:
        option = options.pop(0)
        if option in NAMES:
            arguments[NAMES[option]] = options.pop(0)
        elif option == "--negatives":
            arguments["negatives"] = "unmasked"
        elif option != "--pseudo-masks":
            raise ValueError(f"unknown option {option}")
    return uldor.Dataset(data.directory, **arguments)


def file_name(image: uldor.dataset.DatasetImage) -> str:
    """As in DL_info.csv and the tool's JSON; a mined file's names are the data set's own."""
    return image.name.replace("/", "_") + ".png"


class Images:
    """The images of a split: their truth, and their pixels when asked for."""

    def __init__(self, data: DataSet, truth: str, split: str) -> None:
        self.data = opened(data, truth)
        self.index: Dict[str, int] = {}
        self.corners: Dict[str, Tuple[int, int]] = {}  # left and top of the image's window in the stored image
        keys: List[int] = []
        boxes: List[NDArray[np.float64]] = []
        for index, image in self.data.images(split):
            self.index[file_name(image)] = index
            self.corners[file_name(image)] = image.window
            keys.append(image.patient)
            boxes.append(np.array([lesion.box for lesion in self.data.lesions(index)], np.float64).reshape(-1, 4))
        patients = np.unique(keys, return_inverse=True)[1]
        self.truth = Truth(patients.astype(np.int64), tuple(self.index), tuple(boxes))

    def boxes(self, name: str) -> NDArray[np.float64]:
        place = self.truth.names.index(name) if name in self.index else -1
        return self.truth.boxes[place] if place >= 0 else np.zeros((0, 4))

    def pixels(self, name: str) -> NDArray[np.float32]:
        """HU of the key slice, of its window where it has one."""
        hu: NDArray[np.float32] = self.data.read_image(self.index[name]).hu
        return hu

    def spacing(self, name: str) -> Tuple[float, float]:
        return self.data.image(self.index[name]).spacing
