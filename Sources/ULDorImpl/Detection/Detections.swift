import Glibc
import ULDorKernels

/// One detection of the box head, in pixels of the network's input.
struct BoxDetection: BitwiseCopyable {
    var box: Box
    var score: Float
    /// Probabilities of the region's classes, whatever it is reported as.
    var lesion, falsePositive: Float
    var classIndex: Int32
}

/// torchvision's RoIHeads.postprocess_detections, with the class rule of method, section 1.
struct DetectionFilter {
    let classes: Int
    let rule: ClassRule
    let scoreThreshold, nmsThreshold, minSize: Float
    let limit: Int
    private let coder: BoxCoder

    init(_ model: Model, _ options: SessionOptions) {
        classes = model.config.classes.count
        rule = options.classRule ?? model.config.resolvedClassRule
        scoreThreshold = options.scoreThreshold ?? model.config.scoreThreshold
        nmsThreshold = options.nmsThreshold ?? model.config.nmsThreshold
        limit = options.detections ?? model.config.detections
        minSize = model.config.boxMinSize
        coder = BoxCoder(weights: model.config.boxWeights)
    }

    /// `head` has a row for each proposal: K logits, then 4 K deltas. Room for `limit` detections is taken; returns
    /// how many there are (`limit` while measuring).
    func filter(
        _ head: FeatureMap, _ proposals: UnsafePointer<Box>, size: InputSize, _ execution: Execution
    ) throws(ULDorError) -> (UnsafeMutablePointer<BoxDetection>, Int) {
        let result: UnsafeMutablePointer<BoxDetection> = try execution.take(count: limit)
        let count = try execution.scratch { () throws(ULDorError) in
            let room = head.batch * (classes - 1)
            let candidates: UnsafeMutablePointer<BoxDetection> = try execution.take(count: room)
            let boxes: UnsafeMutablePointer<Box> = try execution.take(count: room)
            let scores: UnsafeMutablePointer<Float> = try execution.take(count: room)
            let order: UnsafeMutablePointer<Int32> = try execution.take(count: room)
            let scratch: UnsafeMutablePointer<Int32> = try execution.take(count: Ranking.scratchCount(room))
            let suppression: UnsafeMutablePointer<Float> = try execution.take(
                count: NonMaximumSuppression.scratchCount(head.batch))
            guard !execution.isMeasuring else { return limit }

            // Kept candidates of all classes, gathered at the front.
            var kept = 0
            for classIndex in 1..<classes {
                var count = kept
                for row in 0..<head.batch {
                    guard let candidate = candidate(head, row, classIndex, proposals[row], size) else { continue }
                    candidates[count] = candidate
                    count += 1
                }
                let ofClass = candidates + kept
                let found = count - kept
                for index in 0..<found {
                    boxes[index] = ofClass[index].box
                    scores[index] = ofClass[index].score
                }
                Ranking.descending(scores, count: found, order: order, scratch: scratch)
                var survivors = 0
                try execution.run { exec in
                    let kept = NonMaximumSuppression.suppress(
                        boxes, order: order, count: found, threshold: nmsThreshold, limit: found, scratch: suppression,
                        execution.table, exec)
                    survivors = kept ?? 0
                    return kept == nil ? Int32(UK_CANCELLED) : Int32(UK_OK)
                }
                // In ascending order of index each one moves to a place that was read already.
                heapSort(UnsafeMutableBufferPointer(start: order, count: survivors)) { $0 < $1 }
                for place in 0..<survivors { ofClass[place] = ofClass[Int(order[place])] }
                kept += survivors
            }
            for index in 0..<kept { scores[index] = candidates[index].score }
            Ranking.descending(scores, count: kept, order: order, scratch: scratch)
            let count = Swift.min(kept, limit)
            for place in 0..<count { result[place] = candidates[Int(order[place])] }
            return count
        }
        return (result, count)
    }

    /// A proposal as a detection of one class, where it passes the rule and the thresholds.
    private func candidate(
        _ head: FeatureMap, _ row: Int, _ classIndex: Int, _ proposal: Box, _ size: InputSize
    ) -> BoxDetection? {
        let logits = head.data + row * head.channels
        var largest = logits[0]
        for index in 1..<classes { largest = Swift.max(largest, logits[index]) }
        var sum: Float = 0
        for index in 0..<classes { sum += exp(logits[index] - largest) }
        let lesion = exp(logits[1] - largest) / sum
        let falsePositive = classes > 2 ? exp(logits[2] - largest) / sum : 0
        let score = classIndex == 1 ? lesion : falsePositive
        guard score > scoreThreshold else { return nil }
        if rule == .bestClass, classes > 2, (classIndex == 1) != (lesion >= falsePositive) { return nil }
        let box = coder.decode(logits + classes + classIndex * 4, relativeTo: proposal)
            .clipped(width: Float(size.width), height: Float(size.height))
        guard box.isAtLeast(minSize), box.isFinite else { return nil }
        return BoxDetection(box: box, score: score, lesion: lesion, falsePositive: falsePositive, classIndex: Int32(classIndex))
    }
}
