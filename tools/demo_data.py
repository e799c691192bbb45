"""What the demo model is trained on: drawn phantoms, prepared as libuldor prepares a slice, with pseudo masks from RECIST.

The same for real slices: read HU and DL_info.csv in place of `phantom.draw`. `config` is the `input` of the weights file's
configuration, so that the network is trained on what it will be given.
"""
import multiprocessing
import os
import random

import numpy as np
import torch

import ct_input
import phantom


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


def sample(seed, config):
    """Network input, boxes and RECIST points (in the network's coordinates) of one phantom."""
    p = phantom.draw(seed)
    stored = dict(enumerate(p.volume_hu.astype(np.int32)))
    image, g = ct_input.prepare(stored, len(stored) // 2, p.spacing_mm, p.slice_interval_mm, config, padded=False)
    # 1-based pixels of the CSV to continuous coordinates: a box is [x1 - 1, x2), a point the centre of its pixel.
    boxes = [g.to_network(np.array(l.box) - [1, 1, 0, 0]) for l in p.lesions]
    boxes = [np.clip(b, 0, [g.width, g.height] * 2) for b in boxes]
    points = [g.to_network(np.array(l.recist) - 0.5) for l in p.lesions]
    return image, np.array(boxes, np.float32).reshape(-1, 4), np.array(points, np.float32).reshape(-1, 8)


def cached(job):
    """The path of a sample, drawn unless it is there. An interrupted run leaves no half of one."""
    folder, seed, index, config = job
    path = os.path.join(folder, f"{seed}_{index}.npz")
    if not os.path.exists(path):
        image, boxes, points = sample((seed, index), config)
        np.savez(path + ".tmp.npz", image=image.astype(np.float16), boxes=boxes, points=points)
        os.replace(path + ".tmp.npz", path)
    return path


class Phantoms(torch.utils.data.Dataset):
    """`count` phantoms, kept in `folder` as network inputs; flipped and brightened a little on the way out."""

    def __init__(self, folder, seed, count, workers, config):
        os.makedirs(folder, exist_ok=True)
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            self.paths = pool.map(cached, [(folder, seed, i, config) for i in range(count)], chunksize=4)

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
