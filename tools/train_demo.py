#!/usr/bin/env python3
"""Trains the demo model: a narrow Mask R-CNN of torchvision, on drawn phantoms, saved for libuldor.

    python tools/train_demo.py --output share/uldor-demo.safetensors
    torchrun --nproc-per-node 2 tools/train_demo.py --threads 1 ...     (one process a core: faster where cores are shared)

The file in share/ is about 11,500 images of training: one pass over the 1,600 phantoms of seed 1000 in one process, then
six in two (--resume, --bf16), both with the default learning rate; the second one annealed to zero.

It is also the recipe for training with torchvision and deploying with libuldor: build any ResNet-FPN Mask R-CNN, feed
it what ct_input.prepare yields, save its state_dict() as it is, put the configuration in the header (`export`).
Needs torch, torchvision, safetensors, numpy, pillow, scipy and opencv-python-headless.
"""
import argparse
import json
import math
import multiprocessing
import os
import random
import time

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.models.resnet import BasicBlock, ResNet

import ct_input
import phantom

# What libuldor has to know beside the tensors; every other field has torchvision's default (docs/weights.md).
CONFIG = {
    "format": 1,
    "name": "uldor-demo",
    "version": "1.0",
    "license": "Apache-2.0",
    "description": "Narrow ResNet-18 FPN Mask R-CNN trained on drawn CT phantoms only (tools/phantom.py). It shows that the "
                   "software works. It has never seen a patient and is of no medical use.",
    "classes": ["background", "lesion"],
    # Lesion boxes (RECIST + 5 px) are 15 to 90 px at 0.8 mm; the strides of P2..P6 are 4 to 64.
    "anchors": {"sizes": [[16, 20], [24, 32], [48, 64], [96, 128], [192, 256]], "aspect_ratios": [0.5, 1.0, 2.0]},
    "rpn": {"pre_nms_top_n": 500, "post_nms_top_n": 200},  # a slice has a few lesions, not the objects of COCO
    "box": {"score_threshold": 0.6, "detections": 50},
    "input": {"mean": 50, "std": 1},
}
STEM, FPN, FC = 16, 64, 128  # ResNet-18 has 64, FPNs 256, their box heads 1024


class AsIs(GeneralizedRCNNTransform):
    """ct_input has scaled and normalised; all that is left to do is to pad and to stack."""

    def __init__(self):
        super().__init__(0, 0, [0.0] * 3, [1.0] * 3, size_divisible=32)

    def resize(self, image, target=None):
        return image, target


def narrow_resnet18(stem):
    net = ResNet(BasicBlock, [2, 2, 2, 2])
    net.inplanes = stem
    net.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
    net.bn1 = nn.BatchNorm2d(stem)
    for i in range(4):
        setattr(net, f"layer{i + 1}", net._make_layer(BasicBlock, stem << i, 2, stride=1 if i == 0 else 2))
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return net


def build(config=CONFIG, stem=STEM, fpn=FPN, fc=FC, **training):
    """The network of a configuration. `training` goes to torchvision's MaskRCNN."""
    classes = len(config["classes"])
    body = narrow_resnet18(stem)
    layers = {f"layer{i + 1}": str(i) for i in range(4)}
    backbone = BackboneWithFPN(body, layers, [stem << i for i in range(4)], fpn)
    sizes, ratios = config["anchors"]["sizes"], config["anchors"]["aspect_ratios"]
    model = MaskRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(tuple(map(tuple, sizes)), (tuple(ratios),) * len(sizes)),
        rpn_pre_nms_top_n_test=config["rpn"]["pre_nms_top_n"], rpn_post_nms_top_n_test=config["rpn"]["post_nms_top_n"],
        box_head=TwoMLPHead(fpn * 7 * 7, fc), box_predictor=FastRCNNPredictor(fc, classes),
        box_score_thresh=config["box"]["score_threshold"], box_detections_per_img=config["box"]["detections"],
        mask_head=MaskRCNNHeads(fpn, (fpn,) * 4, 1), mask_predictor=MaskRCNNPredictor(fpn, fpn, classes), **training)
    model.transform = AsIs()
    return model


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


def export(model, path, config=CONFIG):
    """The tensors as fp16 under their own names. libuldor treats batch norm as frozen: the running statistics count."""
    tensors = {k: v.detach().half().contiguous() for k, v in model.state_dict().items() if "num_batches_tracked" not in k}
    assert all(torch.isfinite(t).all() for t in tensors.values())
    save_file(tensors, path, {"uldor": json.dumps(config)})
    os.chmod(path, 0o644)  # safetensors leaves it to its owner alone


# ---- data -----------------------------------------------------------------------------------------------------------

def pseudo_mask(points, height, width):
    """The lesion as its four RECIST end points describe it: four quarters of ellipses around the diameters' crossing."""
    p = np.asarray(points, np.float64).reshape(4, 2)
    matrix = np.stack([p[1] - p[0], p[2] - p[3]], 1)
    t = np.linalg.solve(matrix, p[2] - p[0])[0] if abs(np.linalg.det(matrix)) > 1e-6 else 0.5
    centre = p[0] + t * (p[1] - p[0])
    y, x = np.mgrid[:height, :width] + 0.5  # a pixel is set where the mask at its centre is
    mask = np.zeros((height, width), bool)
    for a in p[:2] - centre:
        for b in p[2:] - centre:
            det = a[0] * b[1] - a[1] * b[0]
            if abs(det) > 1e-9:
                u = ((x - centre[0]) * b[1] - (y - centre[1]) * b[0]) / det
                v = (a[0] * (y - centre[1]) - a[1] * (x - centre[0])) / det
                mask |= (u >= 0) & (v >= 0) & (u * u + v * v <= 1)
    return mask


def sample(seed, lesions=None):
    """Network input, boxes and RECIST points (in the network's coordinates) of one phantom."""
    p = phantom.draw(seed, lesions)
    stored = dict(enumerate(p.volume_hu.astype(np.int32)))
    image, g = ct_input.prepare(stored, len(stored) // 2, p.spacing_mm, p.slice_interval_mm, CONFIG["input"], padded=False)
    # 1-based pixels of the CSV to continuous coordinates: a box is [x1 - 1, x2), a point the centre of its pixel.
    boxes = [g.to_network(np.array(l.box) - [1, 1, 0, 0]) for l in p.lesions]
    boxes = [np.clip(b, 0, [g.width, g.height] * 2) for b in boxes]
    points = [g.to_network(np.array(l.recist) - 0.5) for l in p.lesions]
    return image, np.array(boxes, np.float32).reshape(-1, 4), np.array(points, np.float32).reshape(-1, 8)


def cached(job):
    folder, seed, index = job
    path = os.path.join(folder, f"{seed}_{index}.npz")
    if not os.path.exists(path):
        image, boxes, points = sample((seed, index))
        np.savez(path + ".tmp.npz", image=image.astype(np.float16), boxes=boxes, points=points)
        os.replace(path + ".tmp.npz", path)
    return path


class Phantoms(torch.utils.data.Dataset):
    def __init__(self, folder, seed, count, workers):
        os.makedirs(folder, exist_ok=True)
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            self.paths = pool.map(cached, [(folder, seed, i) for i in range(count)], chunksize=4)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with np.load(self.paths[index]) as file:
            image, boxes, points = file["image"].astype(np.float32), file["boxes"], file["points"]
        h, w = image.shape[1:]
        masks = np.array([pseudo_mask(p, h, w) for p in points], np.uint8).reshape(-1, h, w)
        if random.random() < 0.5:  # left and right, exchanged
            image, masks = image[:, :, ::-1], masks[:, :, ::-1]
            boxes = np.stack([w - boxes[:, 2], boxes[:, 1], w - boxes[:, 0], boxes[:, 3]], 1)
        if random.random() < 0.5:  # head and feet
            image = image[::-1]
        image = image * random.uniform(0.98, 1.02) + random.uniform(-0.6, 0.6)  # 0.6 is 10 HU
        return torch.from_numpy(np.ascontiguousarray(image)), {
            "boxes": torch.from_numpy(boxes.astype(np.float32)), "masks": torch.from_numpy(masks.copy()),
            "labels": torch.ones(len(boxes), dtype=torch.int64)}


def average_gradients(model):
    """The mean over the processes; batch norm's statistics stay each process's own, and those of the first are saved."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for g, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        g.copy_(mean.view_as(g))


def main():
    parser = argparse.ArgumentParser(description="Trains the demo model on drawn phantoms.")
    parser.add_argument("--output", default="share/uldor-demo.safetensors")
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
    options = parser.parse_args()
    rank, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.manual_seed(options.seed)  # the same initial weights in each process
    random.seed(options.seed + rank)
    torch.set_num_threads(options.threads)

    if rank == 0:
        data = Phantoms(options.cache, options.seed, options.count, options.threads)
    if processes > 1:
        dist.init_process_group("gloo")
        dist.barrier()  # the others find the phantoms drawn
    if rank > 0:
        data = Phantoms(options.cache, options.seed, options.count, 1)
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
