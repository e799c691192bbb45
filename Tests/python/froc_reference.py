"""FROC, average precision and the bootstrap written from their definitions (docs/evaluation.md), slowly, in numpy."""
import numpy

MASK = (1 << 64) - 1


def iou(box, others, plus_one=False):
    others = numpy.asarray(others, float).reshape(-1, 4)
    box = numpy.array(box, float)
    if plus_one:  # from [x1, x2) back to inclusive pixels
        box[2:] -= 1
        others = others - [0, 0, 1, 1]
    add = 1.0 if plus_one else 0.0
    w = numpy.maximum(numpy.minimum(box[2], others[:, 2]) - numpy.maximum(box[0], others[:, 0]) + add, 0)
    h = numpy.maximum(numpy.minimum(box[3], others[:, 3]) - numpy.maximum(box[1], others[:, 1]) + add, 0)
    area = (others[:, 2] - others[:, 0] + add) * (others[:, 3] - others[:, 1] + add)
    union = (box[2] - box[0] + add) * (box[3] - box[1] + add) + area - w * h
    return numpy.divide(w * h, union, out=numpy.zeros(len(others)), where=union > 0)


def ranking(images, plus_one, appended):
    """(class, -score, -best IoU, box, image, detection), best first. `appended`: a key "rank" of each image, else scores."""
    entries = []
    for number, image in enumerate(images):
        for d, box in enumerate(image["boxes"]):
            overlaps = iou(box, image["lesions"], plus_one)
            late = int(image["classes"][d] == 2) if "classes" in image else 0
            score = image[appended][d] if late else image["scores"][d]
            entries.append((late, -score, -(overlaps.max() if len(overlaps) else 0.0), tuple(box), number, d))
    return sorted(entries)


def walk(images, convention, threshold=0.5, appended="lesion_scores"):
    """For each detection in turn: its image, the lesions that it hits, whether it is false; and its place in the ranking."""
    plus_one = convention == "deeplesion"
    hit = [numpy.zeros(len(image["lesions"]), bool) for image in images]
    steps = []
    for late, score, _, box, number, d in ranking(images, plus_one, appended):
        overlaps = iou(box, images[number]["lesions"], plus_one)
        good = overlaps >= threshold if plus_one else overlaps > threshold
        free = numpy.flatnonzero(good & ~hit[number])
        if len(free) and not plus_one:
            # of equal overlaps the lesion that comes first by its coordinates
            free = [min(free, key=lambda i: (-overlaps[i], tuple(images[number]["lesions"][i])))]
        hit[number][free] = True
        steps.append((number, list(free), not good.any(), (late, score), d))
    return steps, hit


def curve(images, convention, **keywords):
    """False positives an image and hit lesions after each detection."""
    steps, _ = walk(images, convention, **keywords)
    wrong = numpy.cumsum([step[2] for step in steps]) / len(images)
    hits = numpy.cumsum([len(step[1]) for step in steps])
    return wrong, hits


def sensitivity(images, convention, levels, chosen=None, **keywords):
    """At each level; `chosen(image, lesion)` picks lesions. NaN: not reached."""
    steps, _ = walk(images, convention, **keywords)
    chosen = chosen or (lambda number, lesion: True)
    total = sum(chosen(n, i) for n, image in enumerate(images) for i in range(len(image["lesions"])))
    wrong = numpy.concatenate([[0], numpy.cumsum([step[2] for step in steps])]) / len(images)
    hits = numpy.concatenate([[0], numpy.cumsum([sum(chosen(step[0], i) for i in step[1]) for step in steps])])
    found = []
    for level in levels:
        if total == 0 or (convention == "paper" and level > wrong[-1]):
            found.append(numpy.nan)
        else:
            found.append(hits[wrong <= level].max() / total)
    return numpy.array(found), (hits[-1] / total if total else numpy.nan)


def published(images, levels):
    """The field's code (3DCE, MULAN): argsort, +1, every lesion that a box overlaps, interp1d, last value past the end."""
    from scipy.interpolate import interp1d
    boxes = numpy.vstack([numpy.c_[numpy.reshape(image["boxes"], (-1, 4)) - [0, 0, 1, 1], image["scores"]] for image in images])
    owner = numpy.concatenate([[n] * len(image["scores"]) for n, image in enumerate(images)]).astype(int)
    order = numpy.argsort(boxes[:, 4], kind="stable")[::-1]
    hits = [numpy.zeros(len(image["lesions"]), bool) for image in images]
    n_hits = n_miss = 0
    tps, fps = [], []
    for i in order:
        truth = numpy.reshape(images[owner[i]]["lesions"], (-1, 4)) - [0, 0, 1, 1]
        x1, y1 = numpy.maximum(truth[:, 0], boxes[i, 0]), numpy.maximum(truth[:, 1], boxes[i, 1])
        x2, y2 = numpy.minimum(truth[:, 2], boxes[i, 2]), numpy.minimum(truth[:, 3], boxes[i, 3])
        inter = numpy.maximum(x2 - x1 + 1, 0) * numpy.maximum(y2 - y1 + 1, 0)
        union = ((boxes[i, 2] - boxes[i, 0] + 1) * (boxes[i, 3] - boxes[i, 1] + 1)
                 + (truth[:, 2] - truth[:, 0] + 1) * (truth[:, 3] - truth[:, 1] + 1) - inter)
        overlaps = inter / union
        if len(overlaps) == 0 or overlaps.max() < .5:
            n_miss += 1
        else:
            for j in range(len(overlaps)):
                if overlaps[j] >= .5 and not hits[owner[i]][j]:
                    hits[owner[i]][j] = True
                    n_hits += 1
        tps.append(n_hits)
        fps.append(n_miss)
    sens = numpy.array(tps) / sum(len(image["lesions"]) for image in images)
    fp = numpy.array(fps) / len(images)
    inside = [level for level in levels if level <= fp[-1]]
    return numpy.array(list(interp1d(fp, sens)(inside)) + [sens[-1]] * (len(levels) - len(inside)))


def mixed(value):
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def draw(seed, sample, patients):
    """Which of `patients`, ascending, a sample of the bootstrap consists of."""
    state = 0
    for part in (seed, 0, sample, 7):
        state = mixed((state + part + 0x9E3779B97F4A7C15) & MASK)
    drawn = []
    for _ in patients:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        drawn.append(patients[(mixed(state) * len(patients)) >> 64])
    return drawn


def precision(images, threshold):
    """Average precision at 101 recalls and over all; equal scores enter together."""
    flags, scores = [], []
    for image in images:
        order = sorted(range(len(image["scores"])), key=lambda d: (
            -image["scores"][d], -max(iou(image["boxes"][d], image["lesions"]), default=0), tuple(image["boxes"][d])))
        taken = set()
        for d in order:
            overlaps = iou(image["boxes"][d], image["lesions"])
            free = [i for i in range(len(overlaps)) if i not in taken and overlaps[i] >= min(threshold, 1 - 1e-10)]
            best = min(free, key=lambda i: (-overlaps[i], tuple(image["lesions"][i])), default=None)
            taken.add(best)
            flags.append(best is not None)
            scores.append(image["scores"][d])
    total = sum(len(image["lesions"]) for image in images)
    flags, scores = numpy.array(flags, bool), numpy.array(scores)
    points = [(flags[scores >= s].sum() / total, flags[scores >= s].mean()) for s in sorted(set(scores), reverse=True)]
    best = [max([p for r, p in points if r >= level], default=0.0) for level in numpy.linspace(0, 1, 101)]
    recalls = [0.0] + [r for r, _ in points]
    area = sum((b - a) * max(p for r, p in points if r >= b) for a, b in zip(recalls, recalls[1:]))
    return numpy.mean(best), area
