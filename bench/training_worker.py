#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One trainer in a process of its own:  training_worker.py ENGINE WEIGHTS SIZE BATCH THREADS

A line on standard input is one step of SGD; the answer is its milliseconds, its loss, the peak of resident memory so far, and from
torchvision the regions in its box and mask heads."""
from __future__ import annotations

import json
import os
import sys
import time
from typing import Callable, Dict, Iterator

import training_data

IMAGES = 8
RATE = 1e-4
#: That went into torchvision's heads in the last step.
REGIONS: Dict[str, int] = {}


def libuldor(weights: str, size: int, batch: int) -> Callable[[], float]:
    import uldor

    trainer = uldor.Trainer(
        training_data.dataset(size, IMAGES), init=weights, validation_split=None, epochs=1000, batch=batch, lr=RATE, lr_epochs=1000,
        augmentation=uldor.Augmentation((1, 1), 0, 0), threads=int(sys.argv[5]))

    def losses() -> Iterator[float]:
        yield from (event.loss for event in trainer if event.kind == "step")

    steps = losses()
    return lambda: next(steps)


def torchvision(weights: str, size: int, batch: int) -> Callable[[], float]:
    import torch

    torch.set_num_threads(int(sys.argv[5]))
    torch.manual_seed(0)
    import torchvision_training

    model = torchvision_training.load(weights, torch.float32, 3)
    for name in ("box", "mask"):
        getattr(model.roi_heads, f"{name}_head").register_forward_pre_hook(
            lambda _, inputs, name=name: REGIONS.update({name: len(inputs[0])}))
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=RATE, momentum=0.9, weight_decay=1e-4)
    examples = [(torch.from_numpy(training_data.tensor(hu)), {
        "boxes": torch.from_numpy(boxes).float(), "labels": torch.ones(2, dtype=torch.int64),
        "masks": torch.from_numpy(masks).to(torch.uint8)}) for hu, boxes, masks in training_data.slices(size, IMAGES)]
    place = 0

    def step() -> float:
        nonlocal place
        chosen = [examples[(place + i) % IMAGES] for i in range(batch)]
        place += batch
        loss = sum(model([image for image, _ in chosen], [dict(target) for _, target in chosen]).values())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def peak() -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    step = {"uldor": libuldor, "torchvision": torchvision}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    for _ in sys.stdin:
        begin = time.perf_counter()
        loss = step()
        answers.write(json.dumps({"ms": (time.perf_counter() - begin) * 1e3, "loss": loss, "peak_mib": peak(),
                                  "regions": dict(REGIONS)}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
