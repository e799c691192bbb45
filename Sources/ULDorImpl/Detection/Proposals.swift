import ULDorKernels

/// Boxes with a score each, best first; memory is the arena's.
struct Regions: BitwiseCopyable {
    var boxes: UnsafeMutablePointer<Box>
    var scores: UnsafeMutablePointer<Float>
    var count: Int
}

/// Size of the network's input before and after padding.
struct InputSize: BitwiseCopyable, Equatable {
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
            let order: UnsafeMutablePointer<Int32> = try execution.take(count: room)
            let scratch: UnsafeMutablePointer<Int32> = try execution.take(count: Ranking.scratchCount(room))
            let kept: UnsafeMutablePointer<Int> = try execution.take(count: Pyramid.levels)
            let levels: UnsafeMutablePointer<ProposalLevel> = try execution.take(count: Pyramid.levels)
            for index in 0..<Pyramid.levels {
                let level = try ProposalLevel(self, heads[index], level: index, size, kept: kept + index, execution)
                if !execution.isMeasuring { levels[index] = level }
            }
            guard !execution.isMeasuring else { return }
            try filter(levels, execution)

            var total = 0
            for index in 0..<Pyramid.levels {
                for place in 0..<kept[index] {
                    let chosen = Int(levels[index].order[place])
                    all.boxes[total] = levels[index].boxes[chosen]
                    all.scores[total] = levels[index].scores[chosen]
                    total += 1
                }
            }
            result.count = Ranking.greatest(all.scores, count: total, limit: postNMS, order: order, scratch: scratch)
            for place in 0..<result.count {
                result.boxes[place] = all.boxes[Int(order[place])]
                result.scores[place] = all.scores[Int(order[place])]
            }
        }
        return result
    }

    /// What the levels' jobs share; on the caller's stack.
    private struct Work {
        let filter: ProposalFilter
        let levels: UnsafePointer<ProposalLevel>
        let table: UnsafePointer<uk_table>
        let exec: UnsafePointer<uk_exec>
    }

    /// The levels side by side, the largest first.
    private func filter(_ levels: UnsafePointer<ProposalLevel>, _ execution: Execution) throws(ULDorError) {
        let table = execution.table
        try execution.run { exec in
            let work = Work(filter: self, levels: levels, table: table, exec: exec)
            return withUnsafePointer(to: work) { work in
                uk_parallel_for(
                    exec, Int64(Pyramid.levels),
                    { context, index, _ in
                        guard let work = context?.assumingMemoryBound(to: Work.self) else { return }
                        work.pointee.filter.run(work.pointee.levels[Int(index)], work.pointee.table, work.pointee.exec)
                    }, work)
            }
        }
    }

    private func run(_ level: ProposalLevel, _ table: UnsafePointer<uk_table>, _ exec: UnsafePointer<uk_exec>) {
        level.kept.pointee = 0
        let count = candidates(level)
        guard !uk_is_stopping(exec) else { return }
        level.kept.pointee =
            NonMaximumSuppression.suppress(
                level.boxes, order: level.order, count: count, threshold: nmsThreshold, limit: postNMS,
                scratch: level.suppression, table, exec) ?? 0
    }

    /// The best by objectness, decoded and clipped; `order` is set to theirs.
    private func candidates(_ level: ProposalLevel) -> Int {
        let head = level.head, perLocation = anchors.perLocation, logits = level.logits
        for location in 0..<head.pixels {
            let row = head.data + location * head.channels
            for index in 0..<perLocation { logits[location * perLocation + index] = row[index] }
        }
        let best = Ranking.greatest(
            logits, count: head.pixels * perLocation, limit: preNMS, order: level.order, scratch: level.ranking)

        let strideX = anchors.stride(level: level.level, padded: level.size.paddedWidth, cells: head.width)
        let strideY = anchors.stride(level: level.level, padded: level.size.paddedHeight, cells: head.height)
        let width = Float(level.size.width), height = Float(level.size.height)
        var count = 0
        for place in 0..<best {
            let candidate = Int(level.order[place])
            let (location, index) = candidate.quotientAndRemainder(dividingBy: perLocation)
            let (y, x) = location.quotientAndRemainder(dividingBy: head.width)
            let anchor = anchors.anchor(level: level.level, x: x, y: y, index: index, strideX: strideX, strideY: strideY)
            let deltas = head.data + location * head.channels + perLocation + index * 4
            let box = coder.decode(deltas, relativeTo: anchor).clipped(width: width, height: height)
            let score = sigmoid(logits[candidate])
            guard box.isAtLeast(minSize), score >= scoreThreshold, box.isFinite else { continue }
            level.boxes[count] = box
            level.scores[count] = score
            count += 1
        }
        // The sigmoid is monotonic, so the order by logit is the order by score.
        for index in 0..<count { level.order[index] = Int32(truncatingIfNeeded: index) }
        return count
    }
}

/// One level's input and memory: each level has its own, so that they may be filtered at the same time.
private struct ProposalLevel: BitwiseCopyable {
    let head: FeatureMap
    let level: Int
    let size: InputSize
    /// For each anchor.
    let logits: UnsafeMutablePointer<Float>
    let order, ranking: UnsafeMutablePointer<Int32>
    /// For each of the best.
    let boxes: UnsafeMutablePointer<Box>
    let scores, suppression: UnsafeMutablePointer<Float>
    /// How many were kept: the first of `order`, indices into `boxes`.
    let kept: UnsafeMutablePointer<Int>

    init(
        _ filter: ProposalFilter, _ head: FeatureMap, level: Int, _ size: InputSize, kept: UnsafeMutablePointer<Int>,
        _ execution: Execution
    ) throws(ULDorError) {
        let candidates = head.pixels * filter.anchors.perLocation
        guard candidates < Int(Int32.max) else { throw .tooLarge("objectness") }
        self.head = head
        self.level = level
        self.size = size
        self.kept = kept
        let best = Swift.min(candidates, filter.preNMS)
        logits = try execution.take(count: candidates)
        order = try execution.take(count: candidates)
        ranking = try execution.take(count: Ranking.scratchCount(candidates))
        boxes = try execution.take(count: best)
        scores = try execution.take(count: best)
        suppression = try execution.take(count: NonMaximumSuppression.scratchCount(Swift.min(best, filter.postNMS)))
    }
}
