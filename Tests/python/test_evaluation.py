"""uldor_froc against implementations that share nothing with it."""
import ast
import csv

import froc_reference as reference
import numpy
import pytest

import uldor
from coco_precision import coco_precision

LEVELS = (0, 0.125, 0.5, 1, 1.5, 2, 4, 8, 16)


def random_images(seed, count=30, classes=False):
    """Ties, duplicates, lesions on top of each other, empty images; coordinates in eighths, so that IoU is exactly 0.5 at times."""
    random = numpy.random.default_rng(seed)
    images = []
    for number in range(count):
        lesions = random.integers(0, 40, (random.integers(0, 4), 2)) / 1.0
        lesions = numpy.c_[lesions, lesions + random.integers(4, 20, lesions.shape)]
        if len(lesions) and random.random() < 0.5:
            lesions = numpy.r_[lesions, lesions[:1] + random.integers(-1, 2, 4)]
        boxes = [box + random.integers(-16, 17, 4) * random.choice([0, 1, 1, 2]) / 8 for box in lesions for _ in range(random.integers(0, 5))]
        for box in lesions[:1]:
            if random.random() < 0.3:  # exactly half of the lesion
                boxes.append(numpy.array([box[0], box[1], (box[0] + box[2]) / 2, box[3]]))
        for _ in range(random.integers(0, 6)):
            corner = random.integers(0, 50, 2)
            boxes.append(numpy.r_[corner, corner + random.integers(1, 15, 2)])
        boxes = numpy.array(boxes, float).reshape(-1, 4)
        boxes[:, 2:] = numpy.maximum(boxes[:, 2:], boxes[:, :2])
        if len(boxes) and random.random() < 0.3:
            boxes = numpy.r_[boxes, boxes[:1]]
        d = len(boxes)
        image = {"patient": int(random.integers(0, 12)) * 1000003 % 17, "lesions": lesions, "boxes": boxes,
                 "scores": random.integers(0, 12, d) / 11, "types": random.integers(-1, 3, len(lesions)),
                 "sizes": random.choice([4.0, 10.0, 12.0, 30.0, 31.0, numpy.nan], len(lesions)),
                 "groups": random.integers(5, 7, len(lesions))}
        if classes:
            image["classes"] = random.integers(1, 3, d)
            image["lesion_scores"] = random.integers(0, 12, d) / 11
        images.append(image)
    return images


def fill(images, **options):
    froc = uldor.Froc(**options)
    for image in images:
        froc.add(image["patient"], image["lesions"], image["boxes"], image["scores"],
                 **{name: image[name] for name in ("types", "sizes", "groups", "classes", "lesion_scores") if name in image})
    return froc


def same(found, expected):
    numpy.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, equal_nan=True)


def at(subset):
    return [point.sensitivity for point in subset.at]


@pytest.mark.parametrize("convention", ["paper", "deeplesion"])
@pytest.mark.parametrize("seed", range(12))
def test_equal_to_the_definition(convention, seed):
    images = random_images(seed, classes=seed % 2 == 1)
    result = fill(images, convention=convention).compute(LEVELS)
    expected, most = reference.sensitivity(images, convention, LEVELS)
    same(at(result.all), expected)
    same(result.all.sensitivity, most)
    sizes = (lambda s: s < 10, lambda s: 10 <= s <= 30, lambda s: s > 30)
    kinds = set()
    for subset in result.subsets[1:]:
        kinds.add(subset.kind)

        def chosen(number, lesion):
            image = images[number]
            if subset.kind == "size":
                return bool(sizes[subset.value](image["sizes"][lesion]))
            return image[subset.kind + "s"][lesion] == subset.value
        expected, most = reference.sensitivity(images, convention, LEVELS, chosen)
        same(at(subset), expected)
        same(subset.sensitivity, most)
    assert kinds == {"type", "size", "group"}
    steps, hit = reference.walk(images, convention)
    assert result.hits == sum(h.sum() for h in hit)
    assert result.false_positives == sum(step[2] for step in steps)
    assert result.repeats == sum(not step[2] and not step[1] for step in steps)
    assert (result.images, result.lesions) == (len(images), sum(len(image["lesions"]) for image in images))


@pytest.mark.parametrize("convention", ["paper", "deeplesion"])
def test_the_curve_is_the_walk(convention):
    images = random_images(3)
    curve = fill(images, convention=convention).compute().curve
    wrong, hits = reference.curve(images, convention)
    total = sum(len(image["lesions"]) for image in images)
    walked = {(round(w, 9), round(h / total, 9)) for w, h in zip(wrong, hits)}
    assert {(round(w, 9), round(s, 9)) for _, w, s in curve} <= walked
    assert (numpy.diff(curve[:, 1:], axis=0) >= 0).all() and (numpy.diff(curve[:, 0]) <= 0).all()
    same(curve[-1, 1:], [wrong[-1], hits[-1] / total])


def test_rules_for_false_positives():
    images = random_images(1, classes=True)
    by_score = fill(images, false_positives="score").compute(LEVELS)
    same(at(by_score.all), reference.sensitivity(images, "paper", LEVELS, appended="scores")[0])
    lesions_only = [{**image, **{name: image[name][image["classes"] == 1] for name in ("boxes", "scores", "lesion_scores", "classes")}}
                    for image in images]
    ignored = fill(images, false_positives="ignore").compute(LEVELS)
    same(at(ignored.all), reference.sensitivity(lesions_only, "paper", LEVELS)[0])
    assert ignored.ignored == sum((image["classes"] == 2).sum() for image in images) > 0
    appended = fill(images).compute(LEVELS)
    for a, b in zip(ignored.all.at, appended.all.at):
        assert not a.reached or a.sensitivity == b.sensitivity


def test_false_positives_of_a_model_come_last(model3):
    """Detections of a network of 3 classes: up to the last lesion detection the curve is the one without false positives."""
    import training_data

    with model3.session(score_threshold=0.01, keep_false_positives=True, class_rule="best_class") as both, \
            model3.session(score_threshold=0.01, class_rule="best_class") as lesions:
        for convention in ("paper", "deeplesion"):
            frocs = [uldor.Froc(convention=convention, false_positives=rule) for rule in ("ignore", "lesion_score", "score")]
            alone = uldor.Froc(convention=convention)
            for number in range(12):
                image, x, y, radius = training_data.disc(number)
                truth = [(x - radius, y - radius, x + radius, y + radius)]
                with both.detect(image, spacing=0.8) as found:
                    detections = found.boxes, found.scores.astype(float)
                    columns = dict(classes=found.labels, lesion_scores=[d.lesion_probability for d in found])
                    assert set(found.labels) == {1, 2}
                    # What is nearest to the lesion counts as it, so that the curve has steps.
                    of_class = found.boxes[found.labels == 1 + number % 2]
                    truth.append(tuple(of_class[number // 2 % len(of_class)]))
                    for froc in frocs:
                        froc.add(number, truth, *detections, **columns)
                with lesions.detect(image, spacing=0.8) as found:
                    assert set(found.labels) == {1}
                    alone.add(number, truth, found.boxes, found.scores.astype(float))
            without, *appended = [froc.compute(LEVELS) for froc in frocs]
            expected = alone.compute(LEVELS).curve
            same(without.curve, expected)
            assert len(expected) > 20
            for result in appended:
                same(result.curve[:len(expected), 1:], expected[:, 1:])
                assert result.curve[-1, 1] > expected[-1, 1] and result.curve[-1, 2] > expected[-1, 2]


def test_published_algorithm():
    for seed in range(6):
        images = random_images(seed)
        random = numpy.random.default_rng(seed)
        scores = iter(random.permutation(1000) / 1000)
        for image in images:
            image["scores"] = numpy.array([next(scores) for _ in image["scores"]])
        levels = (0.5, 1, 1.25, 2, 4, 8, 16)
        same(at(fill(images, convention="deeplesion").compute(levels).all), reference.published(images, levels))


@pytest.mark.parametrize("convention", ["paper", "deeplesion"])
def test_bootstrap(convention):
    images = random_images(5)
    made = fill(images, convention=convention, bootstrap=60, seed=9, confidence=0.9, threads=1)
    result = made.compute((0.5, 1, 2, 4))
    patients = sorted({image["patient"] for image in images})
    values = []
    for sample in range(60):
        drawn = [image for patient in reference.draw(9, sample, patients) for image in images if image["patient"] == patient]
        found, most = reference.sensitivity(drawn, convention, (0.5, 1, 2, 4))
        values.append([*found, most])
    values = numpy.array(values)
    for column, point in enumerate([*result.all.at, result.all]):
        column_values = values[~numpy.isnan(values[:, column]), column]
        if not getattr(point, "reached", True):
            assert numpy.isnan(point.low)
            continue
        assert point.samples == len(column_values)
        same([point.low, point.high], numpy.percentile(column_values, [5, 95]))
    threaded = fill(images, convention=convention, bootstrap=60, seed=9, confidence=0.9, threads=4).compute((0.5, 1, 2, 4))
    assert str(threaded.as_dict()) == str(result.as_dict())


@pytest.mark.parametrize("convention", ["paper", "deeplesion"])
def test_order_does_not_matter(convention):
    images = random_images(7, classes=True)
    expected = str(fill(images, convention=convention, bootstrap=20).compute(LEVELS).as_dict())
    random = numpy.random.default_rng(0)
    for _ in range(5):
        shuffled = []
        for number in random.permutation(len(images)):
            image = dict(images[number])
            for names in (("lesions", "types", "sizes", "groups"), ("boxes", "scores", "classes", "lesion_scores")):
                order = random.permutation(len(image[names[0]]))
                image.update({name: image[name][order] for name in names})
            shuffled.append(image)
        assert str(fill(shuffled, convention=convention, bootstrap=20).compute(LEVELS).as_dict()) == expected


def test_average_precision():
    for seed in range(4):
        images = random_images(seed)
        result = fill(images).compute(())
        sampled, area = reference.precision(images, 0.5)
        same([result.average_precision, result.average_precision_all_points], [sampled, area])
        thresholds = numpy.linspace(0.5, 0.95, 10)
        same(result.average_precision_50_95, numpy.mean([reference.precision(images, t)[0] for t in thresholds]))


@pytest.mark.parametrize("convention, threshold", [("paper", 0.5), ("deeplesion", 0.7)])
def test_intervals_of_average_precision(convention, threshold):
    """numpy's percentiles of the definition's values on the same draws, each patient's images as often as drawn."""
    images = random_images(11, count=14)
    thresholds = numpy.linspace(0.5, 0.95, 10)
    made = fill(images, convention=convention, iou_threshold=threshold, bootstrap=25, seed=4, confidence=0.8)
    result = made.compute(())
    patients = sorted({image["patient"] for image in images})
    assert 3 < len(patients) < len(images)
    values = []
    for sample in range(25):
        drawn = [image for patient in reference.draw(4, sample, patients) for image in images if image["patient"] == patient]
        if sum(len(image["lesions"]) for image in drawn):
            values.append([*reference.precision(drawn, threshold), numpy.mean([reference.precision(drawn, t)[0] for t in thresholds])])
    assert result.all.samples == len(values) > 20
    found = [result.average_precision_interval, result.average_precision_all_points_interval, result.average_precision_50_95_interval]
    same(numpy.transpose(found), numpy.percentile(values, [10, 90], axis=0))
    assert (numpy.diff(found) > 0.01).all()
    same([result.average_precision, result.average_precision_all_points], reference.precision(images, threshold))


def test_intervals_of_average_precision_by_hand():
    """Two patients, one whose lesion is found alone and one whose lesion is missed: a sample has 0, 1/2 or 1 by who is drawn."""
    with uldor.Froc(bootstrap=200, confidence=0.5) as froc:
        froc.add(1, [[0, 0, 9, 9]], [[0, 0, 9, 9]], [0.9])
        froc.add(2, [[0, 0, 9, 9]], [[20, 20, 29, 29]], [0.4])
        result = froc.compute((1,))
    drawn = [sorted(reference.draw(0, sample, [1, 2])) for sample in range(200)]
    points = {(1, 1): 1.0, (1, 2): 51 / 101, (2, 2): 0.0}
    areas = {(1, 1): 1.0, (1, 2): 0.5, (2, 2): 0.0}
    assert (result.average_precision, result.average_precision_all_points) == (51 / 101, 0.5)
    same(result.average_precision_interval, numpy.percentile([points[tuple(d)] for d in drawn], [25, 75]))
    same(result.average_precision_all_points_interval, numpy.percentile([areas[tuple(d)] for d in drawn], [25, 75]))


def test_no_intervals_of_average_precision():
    """Without a bootstrap, and where no patient has a lesion."""
    for lesions, samples in (([[0, 0, 9, 9]], 0), ([], 10)):
        with uldor.Froc(bootstrap=samples) as froc:
            froc.add(1, lesions, [[0, 0, 9, 9]], [0.9])
            result = froc.compute(())
        assert numpy.isnan(result.average_precision) == (not lesions)
        assert numpy.isnan([*result.average_precision_interval, *result.average_precision_all_points_interval,
                            *result.average_precision_50_95_interval]).all()


def test_average_precision_of_pycocotools():
    pytest.importorskip("pycocotools")
    random = numpy.random.default_rng(2)
    images, truth, detections = [], {}, []
    for number in range(1, 41):
        lesions = random.uniform(0, 300, (random.integers(0, 4), 2))
        lesions = numpy.c_[lesions, lesions + random.uniform(10, 60, lesions.shape)]
        boxes = numpy.array([box + random.normal(0, 4, 4) for box in lesions for _ in range(2)] + [[0., 0, 9, 9]])
        scores = random.uniform(0, 1, len(boxes))
        images.append({"patient": number, "lesions": lesions, "boxes": boxes, "scores": scores})
        truth[number] = [[*box[:2], *(box[2:] - box[:2])] for box in lesions]
        for box, score in zip(boxes, scores):
            detections.append({"image_id": number, "category_id": 1, "score": score, "bbox": [*box[:2], *(box[2:] - box[:2])]})
    result = fill(images).compute(())
    same([result.average_precision_50_95, result.average_precision], coco_precision(truth, detections))


def test_real_boxes(data):
    with open(data / "deeplesion_annotations" / "DL_info_public.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    random = numpy.random.default_rng(4)
    by_name = {}
    for row in rows:
        box = numpy.array(ast.literal_eval(f"[{row['Bounding_boxes']}]"))
        image = by_name.setdefault(row["File_name"], {"patient": int(row["Patient_index"]), "lesions": [], "types": [], "sizes": []})
        image["lesions"].append(box - [1, 1, 0, 0])
        image["types"].append(int(row["Coarse_lesion_type"]))
        image["sizes"].append(float(row["Lesion_diameters_Pixel_"].split(",")[0]) * float(row["Spacing_mm_px_"].split(",")[0]))
    images = list(by_name.values())
    for image in images:
        boxes = [box + random.normal(0, 0.15, 4) * (box[2] - box[0]) for box in image["lesions"] for _ in range(3)]
        boxes += [box + random.uniform(-80, 80) for box in image["lesions"] for _ in range(3)]
        image["boxes"] = numpy.array(boxes)
        image["boxes"][:, 2:] = numpy.maximum(image["boxes"][:, 2:], image["boxes"][:, :2])
        image["scores"] = random.uniform(0, 1, len(boxes))
    levels = (0.5, 1, 2, 4, 8, 16)
    for convention in ("paper", "deeplesion"):
        result = fill(images, convention=convention).compute(levels)
        same(at(result.all), reference.sensitivity(images, convention, levels)[0])
    same(at(result.all), reference.published(images, levels))


BAD = [
    (dict(scores=[0.5, float("nan")]), "image 1: detection 1: a score of nan"),
    (dict(scores=[1.5, 0.5]), "image 1: detection 0: a score of 1.5"),
    (dict(scores=[-0.1, 0.5]), "detection 0"),
    (dict(boxes=[[0, 0, 1, 1], [5, 5, 4, 6]]), "image 1: detection 1: a box of negative size"),
    (dict(boxes=[[0, 0, float("inf"), 1], [5, 5, 6, 6]]), "image 1: detection 0: a box with a coordinate of inf"),
    (dict(lesions=[[0, 0, 4, float("nan")]]), "image 1: lesion 0: a box with a coordinate of nan"),
    (dict(lesions=[[3, 0, 1, 1]]), "image 1: lesion 0: a box of negative size"),
    (dict(sizes=[0.0]), "image 1: lesion 0: a size"),
    (dict(classes=[1, 3]), "image 1: detection 1: class 3"),
    (dict(classes=[1, 2]), "image 1: detection 1: .*lesion_scores"),
    (dict(classes=[1, 2], lesion_scores=[0, float("nan")]), "image 1: detection 1: a lesion score of nan"),
]


@pytest.mark.parametrize("bad, message", BAD)
def test_bad_images_are_named_and_not_added(bad, message):
    with uldor.Froc() as froc:
        good = dict(lesions=[[0, 0, 4, 4]], boxes=[[0, 0, 4, 4], [5, 5, 6, 6]], scores=[0.9, 0.5])
        froc.add(1, **good)
        with pytest.raises(uldor.InvalidArgument, match=message):
            froc.add(2, **{**good, **bad})
        result = froc.compute()
        assert (result.images, result.patients, result.detections, result.lesions) == (1, 1, 2, 1)


def test_options_are_checked():
    for bad in (dict(iou_threshold=1.0), dict(iou_threshold=float("nan")), dict(bootstrap=-1), dict(confidence=1), dict(threads=-1),
                dict(size_bounds=[3, 3]), dict(size_bounds=[-1]), dict(convention="deeplesion", iou_threshold=0)):
        with pytest.raises(uldor.InvalidArgument):
            uldor.Froc(**bad)
    with uldor.Froc() as froc:
        with pytest.raises(uldor.InvalidArgument, match="no image"):
            froc.compute()
        froc.add(1, [], [], [])
        for levels in ([-1], [float("nan")], [float("inf")]):
            with pytest.raises(uldor.InvalidArgument, match="levels"):
                froc.compute(levels)
        assert numpy.isnan(froc.compute([0]).all.sensitivity)


def test_matches():
    with uldor.Froc() as froc:
        lesions = [[0, 0, 10, 10], [0, 0, 10, 8]]
        assert list(froc.add(1, lesions, [[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 9.5], [50, 50, 60, 60]],
                             [0.9, 0.8, 0.7, 0.6])) == [0, 1, -2, -1]
        assert "lesions" in froc.compute().table()


def test_memory():
    """At most 24 bytes a detection and 16 a lesion, and slack that does not grow."""
    random = numpy.random.default_rng(0)
    with uldor.Froc() as froc:
        count = 0
        boxes = random.uniform(0, 100, (200, 4))
        boxes[:, 2:] += 100
        for _ in range(1500):
            froc.add(1, boxes[:10], boxes, random.uniform(0, 1, 200))
            count += 200
        assert froc.memory_bytes < 24 * count + 16 * 15000 + 3 * 65536


def test_mask_overlap():
    random = numpy.random.default_rng(1)
    mask_tools = pytest.importorskip("pycocotools.mask")
    for _ in range(30):
        a, b = (random.random((23, 31)) < random.random() for _ in range(2))
        found = uldor.mask_overlap(a, b)
        encoded = [mask_tools.encode(numpy.asfortranarray(m.astype(numpy.uint8))) for m in (a, b)]
        same(found.iou, mask_tools.iou([encoded[0]], [encoded[1]], [0])[0, 0])
        same(found.dice, 2 * (a & b).sum() / max(a.sum() + b.sum(), 1))
        runs = []
        for m in (a, b):
            flat = m.T.ravel()
            edges = numpy.flatnonzero(numpy.diff(numpy.r_[False, flat].astype(int)))
            runs.append(numpy.diff(numpy.r_[0, edges, flat.size]))
        assert uldor.mask_overlap(*runs) == found
    assert uldor.mask_overlap(numpy.zeros((3, 3)), numpy.zeros((3, 3))).iou == 0
    with pytest.raises(uldor.InvalidArgument, match="pixels"):
        uldor.mask_overlap(numpy.array([3, 4]), numpy.array([3, 5]))


def test_a_group_for_each_lesion():
    """As many subsets as lesions: their sensitivities, and memory that is not the product of the two."""
    count = 20000
    with uldor.Froc(bootstrap=3) as froc:
        for number in range(count):
            box = [[10, 10, 30, 30]]
            froc.add(number % 50, box, box if number % 3 else [[60, 60, 80, 80]], [0.5], groups=[number * 7 % count], types=[number % 300])
        result = froc.compute((1,))
    groups = {subset.value: subset for subset in result.subsets if subset.kind == "group"}
    types = {subset.value: subset for subset in result.subsets if subset.kind == "type"}
    assert len(groups) == count and len(types) == 300 and len(result.subsets) == 1 + count + 300
    for number in range(0, count, 97):
        assert groups[number * 7 % count].sensitivity == float(number % 3 != 0)
    for number, subset in types.items():
        assert subset.sensitivity == float(number % 3 != 0)
