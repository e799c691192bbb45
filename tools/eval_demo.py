#!/usr/bin/env python3
"""Measures a weights file with torchvision on phantoms it was not trained on.

    python tools/eval_demo.py share/uldor-demo.safetensors

Prints sensitivity at 0.5, 1 and 2 false positives an image (box IoU > 0.5, a lesion is hit once, a repeat hit counts
neither way), the operating point of the file's own score threshold, and the highest scores on lesion-free phantoms.
"""
import argparse
import json
import os

import numpy as np
import torch
from safetensors import safe_open
from torchvision.ops import box_iou

import train_demo


def load(path):
    """The torchvision model of a weights file (2 classes, narrow ResNet-18) and its configuration."""
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["uldor"])
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}
    stem = tensors["backbone.body.conv1.weight"].shape[0]
    fpn = tensors["backbone.fpn.inner_blocks.0.0.weight"].shape[0]
    fc = tensors["roi_heads.box_head.fc7.weight"].shape[0]
    model = train_demo.build(config, stem, fpn, fc)
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all("num_batches_tracked" in name for name in missing), (missing, unexpected)
    return model.eval(), config


def match(boxes, truth):
    """For detections by descending score: index of the lesion hit, -1 for a false positive, -2 for a repeat hit."""
    result, found = [], set()
    iou = box_iou(boxes, truth) if len(truth) else torch.zeros(len(boxes), 0)
    for row in iou:
        hits = [j for j in torch.argsort(row, descending=True).tolist() if row[j] > 0.5]
        new = [j for j in hits if j not in found]
        result.append(new[0] if new else -2 if hits else -1)
        found.update(new[:1])
    return result


def detect(model, seed, count, lesions=None):
    """Every detection as (score, image, match), and the number of lesions in each image."""
    rows, numbers = [], []
    for index in range(count):
        image, boxes, _ = train_demo.sample((seed, index), lesions)
        with torch.no_grad():
            out = model([torch.from_numpy(image)])[0]
        order = torch.argsort(out["scores"], descending=True)
        hits = match(out["boxes"][order], torch.from_numpy(boxes))
        rows += [(s, index, m) for s, m in zip(out["scores"][order].tolist(), hits)]
        numbers.append(len(boxes))
    return rows, numbers


def sensitivity(rows, images, lesions, level):
    """Best sensitivity at or below a level of false positives an image, and the score where it is reached."""
    found, false, best = 0, 0, (0.0, 1.0)
    for score, _, hit in sorted(rows, key=lambda r: -r[0]):
        found, false = found + (hit >= 0), false + (hit == -1)
        if false > level * images:
            break
        best = max(best, (found / lesions, score), key=lambda b: b[0])
    return best


def main():
    parser = argparse.ArgumentParser(description="Measures a weights file with torchvision on unseen phantoms.")
    parser.add_argument("weights")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--free", type=int, default=20, help="lesion-free phantoms")
    parser.add_argument("--seed", type=int, default=2000, help="not the one trained with (1000)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, config = load(options.weights)
    threshold = config["box"]["score_threshold"]
    model.roi_heads.score_thresh = 0.01  # the curve needs what the threshold drops

    rows, numbers = detect(model, options.seed, options.count)
    lesions = sum(numbers)
    print(f"{options.count} phantoms, {lesions} lesions, seed {options.seed}")
    for level in (0.5, 1, 2):
        value, score = sensitivity(rows, options.count, lesions, level)
        print(f"sensitivity at {level} FP/image: {100 * value:.1f} % (score {score:.3f})")
    kept = [r for r in rows if r[0] > threshold]
    print(f"at the file's threshold {threshold}: sensitivity {100 * sum(r[2] >= 0 for r in kept) / lesions:.1f} %, "
          f"{sum(r[2] == -1 for r in kept) / options.count:.2f} FP/image")
    rows, _ = detect(model, options.seed + 1, options.free, lesions=0)
    highest = [max([s for s, i, _ in rows if i == k], default=0.0) for k in range(options.free)]
    print(f"{options.free} lesion-free phantoms, seed {options.seed + 1}: empty output in "
          f"{sum(h <= threshold for h in highest)}, highest scores", np.round(sorted(highest, reverse=True)[:8], 3).tolist())


if __name__ == "__main__":
    main()
