/// Boxes with a score each, best first; memory is the arena's.
struct Regions: BitwiseCopyable {
    var boxes: UnsafeMutablePointer<Box>
    var scores: UnsafeMutablePointer<Float>
    var count: Int
}

/// Size of the network's input before and after padding.
struct InputSize: BitwiseCopyable {
    var height, width, paddedHeight, paddedWidth: Int
}

/// torchvision's RegionProposalNetwork.filter_proposals: per level the best by objectness, decoded, clipped, NMS; over all levels the
/// best by score.
struct ProposalFilter {
    let anchors: Anchors
    let preNMS, postNMS: Int
    let nmsThreshold, scoreThreshold, minSize: Float
    private let coder = BoxCoder(weights: [1, 1, 1, 1])

    init(_ model: Model, limit: Int?) {
        anchors = model.anchors
        preNMS = limit ?? model.config.rpnPreNMS
        postNMS = limit ?? model.config.rpnPostNMS
        nmsThreshold = model.config.rpnNMSThreshold
        scoreThreshold = model.config.rpnScoreThreshold
        minSize = model.config.rpnMinSize
    }

    /// `heads` is the RPN head's output for P2..P6: per location A objectness logits, then 4 A deltas. The result has room
    /// for `postNMS` regions; while measuring, as many are said to be in it.
    func filter(
        _ heads: Pyramid, size: InputSize, _ execution: Execution
    ) throws(ULDorError) -> Regions {
        var result = Regions(
            boxes: try execution.take(count: postNMS), scores: try execution.take(count: postNMS), count: postNMS)
        try execution.scratch { () throws(ULDorError) in
            let room = preNMS * Pyramid.levels
            let all = Regions(boxes: try execution.take(count: room), scores: try execution.take(count: room), count: 0)
            var total = 0
            for level in 0..<Pyramid.levels {
                total += try self.level(level, heads[level], size, into: all, at: total, execution)
            }
            let order: UnsafeMutablePointer<Int32> = try execution.take(count: room)
            let scratch: UnsafeMutablePointer<Int32> = try execution.take(count: Ranking.scratchCount(room))
            guard !execution.isMeasuring else { return }
            Ranking.descending(all.scores, count: total, order: order, scratch: scratch)
            result.count = Swift.min(total, postNMS)
            for place in 0..<result.count {
                result.boxes[place] = all.boxes[Int(order[place])]
                result.scores[place] = all.scores[Int(order[place])]
            }
        }
        return result
    }

    /// One level's survivors, appended to `all` at `position`; returns how many.
    private func level(
        _ level: Int, _ head: FeatureMap, _ size: InputSize, into all: Regions, at position: Int, _ execution: Execution
    ) throws(ULDorError) -> Int {
        try execution.scratch { () throws(ULDorError) in
            let perLocation = anchors.perLocation
            let candidates = head.pixels * perLocation
            guard candidates < Int(Int32.max) else { throw .tooLarge("objectness") }
            let logits: UnsafeMutablePointer<Float> = try execution.take(count: candidates)
            let order: UnsafeMutablePointer<Int32> = try execution.take(count: candidates)
            let scratch: UnsafeMutablePointer<Int32> = try execution.take(count: Ranking.scratchCount(candidates))
            let boxes: UnsafeMutablePointer<Box> = try execution.take(count: preNMS)
            let scores: UnsafeMutablePointer<Float> = try execution.take(count: preNMS)
            let areas: UnsafeMutablePointer<Float> = try execution.take(count: preNMS)
            guard !execution.isMeasuring else { return 0 }

            for location in 0..<head.pixels {
                let row = head.data + location * head.channels
                for index in 0..<perLocation { logits[location * perLocation + index] = row[index] }
            }
            Ranking.descending(logits, count: candidates, order: order, scratch: scratch)

            let strideX = anchors.stride(level: level, padded: size.paddedWidth, cells: head.width)
            let strideY = anchors.stride(level: level, padded: size.paddedHeight, cells: head.height)
            let width = Float(size.width), height = Float(size.height)
            var count = 0
            for place in 0..<Swift.min(preNMS, candidates) {
                let candidate = Int(order[place])
                let (location, index) = candidate.quotientAndRemainder(dividingBy: perLocation)
                let (y, x) = location.quotientAndRemainder(dividingBy: head.width)
                let anchor = anchors.anchor(level: level, x: x, y: y, index: index, strideX: strideX, strideY: strideY)
                let deltas = head.data + location * head.channels + perLocation + index * 4
                let box = coder.decode(deltas, relativeTo: anchor).clipped(width: width, height: height)
                let score = sigmoid(logits[candidate])
                guard box.isAtLeast(minSize), score >= scoreThreshold, box.isFinite else { continue }
                boxes[count] = box
                scores[count] = score
                count += 1
            }
            // The sigmoid is monotonic, so the order by logit is the order by score.
            for index in 0..<count { order[index] = Int32(index) }
            try execution.checkCancelled()
            let kept = try suppress(
                boxes, order: order, count: count, threshold: nmsThreshold, limit: postNMS, areas: areas, execution)
            for place in 0..<kept {
                all.boxes[position + place] = boxes[Int(order[place])]
                all.scores[position + place] = scores[Int(order[place])]
            }
            return kept
        }
    }
}
