# SPDX-License-Identifier: Apache-2.0
"""Average precision by pycocotools, for the tests that compare with it."""
from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple


def coco_precision(lesions: Dict[int, List[Sequence[float]]], detections: Any) -> Tuple[float, float]:
    """At IoU 0.5:0.95 and at 0.5. `lesions` are boxes [x, y, width, height] of each image by its id; `detections` a list or a file."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    boxes = [(image, box) for image, own in lesions.items() for box in own]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": image} for image in lesions], "categories": [{"id": 1}],
        "annotations": [{"id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "bbox": [*map(float, box)],
                         "area": float(box[2] * box[3])} for number, (image, box) in enumerate(boxes, 1)]}
    truth.createIndex()
    measured = COCOeval(truth, truth.loadRes(detections), "bbox")
    measured.params.maxDets = [1, 10, 1000]
    measured.evaluate()
    measured.accumulate()
    precision = measured.eval["precision"][:, :, 0, 0, 2]
    return float(precision.mean()), float(precision[0].mean())
