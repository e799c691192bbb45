#!/usr/bin/env python3
"""Trains the demo model with torchvision: a narrow Mask R-CNN, on drawn phantoms, saved for libuldor.

    python tools/train_demo.py --output demo.safetensors
    torchrun --nproc-per-node 2 tools/train_demo.py --threads 1 ...     (one process a core: faster where cores are shared)

The recipe for training with torchvision and deploying with libuldor: build any ResNet-FPN Mask R-CNN and export it with its
configuration (demo_model.py), feed it what ct_input.prepare yields (demo_data.py), train as ever (here). The file in share/ is
not made by it but by the library itself (scripts/weights.sh, `make weights`).
Needs torch, torchvision, safetensors, numpy, pillow, scipy and opencv-python-headless.
"""
import argparse
import math
import os
import random
import time

import torch
import torch.distributed as dist
from torch import nn

from demo_data import Phantoms
from demo_model import CONFIG, build, export


def in_bfloat16(*modules):
    """Lets convolutions compute in bfloat16. Module by module: box coordinates would not survive its 8 bits."""
    def full(x):
        if isinstance(x, torch.Tensor):
            return x.float()
        return type(x)((k, full(v)) for k, v in x.items()) if isinstance(x, dict) else type(x)(full(v) for v in x)

    def wrap(forward):
        def run(*inputs):
            with torch.autocast("cpu", torch.bfloat16):
                return full(forward(*inputs))
        return run

    for module in modules:
        module.forward = wrap(module.forward)


def average_gradients(model):
    """The mean over the processes; batch norm's statistics stay each process's own, and those of the first are saved."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for g, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        g.copy_(mean.view_as(g))


def arguments():
    parser = argparse.ArgumentParser(description="Trains the demo model on drawn phantoms.")
    parser.add_argument("--output", default="demo.safetensors")
    parser.add_argument("--count", type=int, default=1600, help="phantoms to train on")
    parser.add_argument("--seed", type=int, default=1000, help="of the phantoms and of the training; evaluate with another")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--cache", default="phantom-cache", help="folder for the drawn phantoms")
    parser.add_argument("--minutes", type=float, default=1e9, help="shorten the schedule to end by then")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--bf16", action="store_true", help="faster on CPUs with AVX512-BF16 or AMX")
    parser.add_argument("--resume", help="weights (a .pt of this script) to go on from")
    return parser.parse_args()


def main():
    options = arguments()
    rank, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.manual_seed(options.seed)  # the same initial weights in each process
    random.seed(options.seed + rank)
    torch.set_num_threads(options.threads)

    if rank == 0:
        data = Phantoms(options.cache, options.seed, options.count, options.threads, CONFIG["input"])
    if processes > 1:
        dist.init_process_group("gloo")
        dist.barrier()  # the others find the phantoms drawn
    if rank > 0:
        data = Phantoms(options.cache, options.seed, options.count, 1, CONFIG["input"])
    sampler = torch.utils.data.DistributedSampler(data, processes, rank, seed=options.seed, drop_last=True)
    loader = torch.utils.data.DataLoader(data, options.batch, sampler=sampler, drop_last=True, collate_fn=lambda b: tuple(zip(*b)))
    # Few lesions a slice: smaller samples of anchors and RoIs are as good and cost less.
    model = build(rpn_batch_size_per_image=128, box_batch_size_per_image=64,
                  rpn_pre_nms_top_n_train=400, rpn_post_nms_top_n_train=200)
    model = model.to(memory_format=torch.channels_last)  # several times faster on a CPU
    if options.bf16:
        in_bfloat16(model.backbone, model.rpn.head, model.roi_heads.box_head, model.roi_heads.mask_head)
    if options.resume:
        model.load_state_dict(torch.load(options.resume))
    optimizer = torch.optim.AdamW(model.parameters(), options.lr, weight_decay=1e-2)
    steps, step, start, last = options.epochs * len(loader), 0, time.time(), {}
    model.train()
    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        for images, targets in loader:
            # Progress in steps or in time, whichever is further; warm-up, then a cosine to zero.
            done = torch.tensor(max(step / steps, (time.time() - start) / 60 / options.minutes))
            if processes > 1:
                dist.broadcast(done, 0)
            if done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = options.lr * min((step + 1) / 100, 0.5 * (1 + math.cos(math.pi * done.item())))
            losses = model(list(images), [dict(t) for t in targets])
            loss = sum(losses.values())
            optimizer.zero_grad()
            loss.backward()
            if processes > 1:
                average_gradients(model)
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            step += 1
            for name, value in losses.items():
                last[name] = 0.98 * last.get(name, value.item()) + 0.02 * value.item()
            if step % 50 == 0 and rank == 0:
                print(f"{step}/{steps} {time.time() - start:.0f} s", {k: round(v, 4) for k, v in last.items()}, flush=True)
        if rank == 0:
            torch.save(model.state_dict(), os.path.join(options.cache, "last.pt"))
            export(model, options.output)
    if processes > 1:
        dist.destroy_process_group()
    if rank == 0:
        print("saved", options.output, os.path.getsize(options.output), "bytes")


if __name__ == "__main__":
    main()
