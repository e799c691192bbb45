import ULDorKernels

/// Looks at images with a detector: one of the streams of mining, one thread's at a time.
final class MiningStream: Worker {
    private let list: MiningList
    private let first: Int
    private let rule: MiningRule
    private let model: Model
    private let detector: Detector
    private let maker: ExampleMaker
    private let execution: Execution
    private let allocator: Allocator
    private var scores: GrowableBuffer<MiningRule.Scores>
    private var runs: GrowableBuffer<UInt32>

    /// Item 0 is the list's image `first`.
    init(
        _ model: Model, _ list: MiningList, first: Int, _ options: MiningOptions, threads: Int32
    ) throws(ULDorError) {
        guard let table = uk_table_for(options.instructions) else {
            throw ULDorError(.unsupported, "mining.instructions is \(options.instructions), which this CPU lacks")
        }
        self.list = list
        self.first = first
        self.model = model
        allocator = options.allocator
        rule = MiningRule(options)
        var session = SessionOptions()
        session.scoreThreshold = Float(options.scoreThreshold)
        detector = Detector(model, session)
        maker = try ExampleMaker(list.examples.dataset, list.examples.settings)
        execution = Execution(allocator: allocator, table: table, threads: threads, isExact: options.isExact, progress: nil)
        scores = GrowableBuffer(allocator: allocator)
        runs = GrowableBuffer(allocator: allocator)
        // For `cancel()` to reach it.
        _ = execution.begin()
    }

    /// The image that is being looked at, if one is, fails with CANCELLED within milliseconds. From any thread.
    func cancel() { execution.cancel() }

    /// A set of one image, whose candidates are not drawn from yet.
    func make(_ number: Int) throws(ULDorError) -> MinedSet {
        let index = list[first + number]
        let example = try maker.example(index, .none)
        guard let transform = maker.transform else { throw ULDorError(.internal, "an example was made without a transform") }
        let output = try detect(example)
        let lesions = example.lesions.elements.filter { $0.classIndex == 1 }
        var masks = PastedMasks(output, model, example.size, allocator: allocator)
        scores.removeAll()
        for number in 0..<output.count {
            let found = output.detections[number]
            var overlap = 0.0
            if found.classIndex == 1 {
                try masks.paste(number)
                for lesion in lesions { overlap = Swift.max(overlap, example.overlap(lesion, masks, box: found.box)) }
            }
            try scores.append(MiningRule.Scores(score: found.score, overlap: overlap))
        }
        let window = list.examples.dataset.image(index).window
        let ofLesions = (0..<output.count).filter {
            let box = output.detections[$0].box
            // The input's size is rounded up: what lies in its last row or column alone is nowhere in the image.
            return output.detections[$0].classIndex == 1 && transform.imageX(Double(box.x1)) < Double(window.width)
                && transform.imageY(Double(box.y1)) < Double(window.height)
        }
        let bestGood = rule.bestGood(ofLesions.map { scores.elements[$0] })
        let mined = MinedSet(allocator: allocator)
        try mined.begin(MinedImage(index: index, lesions: lesions.count, isFound: bestGood != nil))
        for number in ofLesions {
            let box = output.detections[number].box
            var detection = MinedDetection(
                x1: transform.imageX(Double(box.x1)), y1: transform.imageY(Double(box.y1)), x2: transform.imageX(Double(box.x2)),
                y2: transform.imageY(Double(box.y2)), scores: scores.elements[number],
                verdict: rule.verdict(scores.elements[number], bestGood: bestGood))
            runs.removeAll()
            if detection.verdict == .candidate {
                try masks.paste(number)
                detection.mask = try masks.grid(transform, runs: &runs)
            }
            try mined.append(detection, runs: UnsafeBufferPointer(runs.elements))
        }
        return mined
    }

    private func detect(_ example: Example) throws(ULDorError) -> NetworkOutput {
        let map = FeatureMap(
            data: example.input.base, batch: 1, height: example.size.paddedHeight, width: example.size.paddedWidth,
            channels: example.channels)
        let execution = execution, detector = detector
        return try execution.pass { () throws(ULDorError) in try detector.forward(map, size: example.size, execution) }
    }
}

extension Example {
    /// S2 of a detection with one lesion: of their masks, or of their boxes where the lesion has none.
    fileprivate func overlap(_ lesion: Lesion, _ masks: borrowing PastedMasks, box: Box) -> Double {
        guard let mask = mask(lesion) else {
            let overlap = box.overlap(lesion.box)
            return overlap.isFinite ? Double(overlap) : 0
        }
        return masks.overlap(lesion, mask)
    }
}

/// The images that mining looks at: those of a split that have lesions, or every `step`th of them.
struct MiningList {
    let examples: DatasetExamples
    private let images: ImageList
    /// Places in `images`.
    private let places: PlaceList
    let count: Int

    private final class PlaceList {
        var indices: GrowableBuffer<Int>
        init(_ allocator: Allocator) { indices = GrowableBuffer(allocator: allocator) }
    }

    init(
        _ images: ImageList, _ examples: DatasetExamples, first: Int = 0, step: Int = 1, allocator: Allocator
    ) throws(ULDorError) {
        self.images = images
        self.examples = examples
        places = PlaceList(allocator)
        var number = 0
        for place in 0..<images.count where examples.dataset.hasLesion(images[place]) {
            if number % step == first { try places.indices.append(images[place]) }
            number += 1
        }
        count = places.indices.count
    }

    /// Index in the data set.
    subscript(number: Int) -> Int { places.indices.elements[number] }
}

extension Dataset {
    /// Whether an image has one that is not annotated as a false positive.
    fileprivate func hasLesion(_ index: Int) -> Bool {
        let image = image(index)
        return (0..<image.lesionCount).contains { lesion(image, $0).classIndex == 1 }
    }
}
