"""What the paper's Table 1 says: sensitivity in % on the official test split of DeepLesion."""
from typing import Dict, Optional, Tuple

LEVELS = (0.5, 1, 2, 4, 8, 16)  # false positives an image

# row: title, figures at LEVELS, at the maximum. None: the curve does not get there, or not stated
TABLE: Dict[str, Tuple[str, Tuple[Optional[float], ...], Optional[float]]] = {
    "no-mask": ("Mask R-CNN without masks", (32.51, 44.90, 58.61, 72.30, 83.56, 91.46), None),
    "mask": ("Mask R-CNN, pseudo masks", (39.82, 52.66, 65.58, 77.73, 85.54, 91.80), None),
    "hnem": ("+ HNEM", (52.86, 64.80, 74.84, 84.38, None, None), 86.21),
    "hnem+fp": ("+ HNEM + FP", (52.86, 64.80, 74.84, 84.38, 87.17, 91.80), 94.2),
}
ROWS = tuple(TABLE)
