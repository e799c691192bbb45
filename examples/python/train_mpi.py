#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains on several machines: each process takes its share of every batch, gradients are summed by MPI (mpi4py).

    mpirun -n 4 --hostfile hosts python train_mpi.py --data /data/DeepLesion --arch resnet50 --out weights.safetensors

Every process reads the data; the weights, the checkpoint and the log are written by the first one. The checkpoint must lie where all
processes read it, or a run cannot be resumed. One step learns from processes x batch images, as one process would
with a batch of that size. --dataset and --trainer take whatever else uldor.Dataset and uldor.Trainer do, as JSON:

    --dataset '{"windows": "crops.csv", "negatives": "unmasked"}' --trainer '{"optimiser": "adamw", "clip_norm": 10}'

docs/training.md says more.
"""
from __future__ import annotations

import argparse
import json
from typing import Any, Dict

import uldor


def keywords(text: str) -> Dict[str, Any]:
    """Keyword arguments written as a JSON object."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(text)
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains a detector on several machines.")
    parser.add_argument("--data", required=True, help="directory with DL_info.csv and Images_png")
    parser.add_argument("--out", required=True, help="where the best weights go")
    parser.add_argument("--arch", help="resnet18, resnet34, resnet50, resnet101, resnet152 or narrow")
    parser.add_argument("--init", help="weights to begin with")
    parser.add_argument("--checkpoint", help="default: OUT.checkpoint")
    parser.add_argument("--log", help="CSV, or JSON lines (.jsonl)")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=2, help="images a step, of each process")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of each process; 0: all cores of the machine")
    parser.add_argument("--dataset", type=keywords, default={}, metavar="JSON", help="further arguments of uldor.Dataset")
    parser.add_argument("--trainer", type=keywords, default={}, metavar="JSON", help="further arguments of uldor.Trainer")
    return parser.parse_args()


def main() -> None:
    from mpi4py import MPI

    options = arguments()
    world = MPI.COMM_WORLD
    first = world.Get_rank() == 0

    def add_up(values: Any) -> None:
        world.Allreduce(MPI.IN_PLACE, values, op=MPI.SUM)

    def progress(event: uldor.TrainingEvent) -> None:
        if first and event.kind == "epoch":
            print(f"epoch {event.epoch + 1}/{event.epochs}  loss {event.loss:.4f}  validation {event.validation_loss}"
                  f"  {event.images_per_second:.2f} images/s", flush=True)

    with uldor.Dataset(options.data, **options.dataset) as data, uldor.Trainer(
            data, init=options.init, architecture=options.arch, output=options.out,
            checkpoint=options.checkpoint or options.out + ".checkpoint", log_file=options.log, epochs=options.epochs,
            batch=options.batch, lr=options.lr, seed=options.seed, threads=options.threads, progress=progress,
            reduction=uldor.Reduction(world.Get_rank(), world.Get_size(), add_up), **options.trainer) as trainer:
        state = trainer.run()
    if first:
        print(f"{state.status}: {state.total_steps} steps, best validation loss {state.best_loss}")


if __name__ == "__main__":
    main()
