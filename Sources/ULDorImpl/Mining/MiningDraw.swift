/// The end of mining: which candidates are drawn, once all images are known.
extension MinedSet {
    /// Candidates become chosen, not drawn or spared; of a set that was decided already, nothing changes.
    func decide(_ options: MiningOptions) throws(ULDorError) {
        let bound = try spareBound(options)
        var candidates = GrowableBuffer<Int>(allocator: allocator)
        for place in images.elements.indices {
            let image = images.elements[place]
            candidates.removeAll()
            for index in image.first..<image.first + image.count where detections.elements[index].verdict == .candidate {
                let isSpared = bound.map { Double(detections.elements[index].scores.score) > $0 } ?? false
                detections.elements[index].verdict = isSpared ? .spared : .notDrawn
                if !isSpared { try candidates.append(index) }
            }
            var random = SeededRandom(seed: options.seed, epoch: options.epoch, image: image.index, purpose: .mining)
            // The beginning of a Fisher and Yates shuffle. No draw where all are taken.
            let wanted = Swift.min(options.most, candidates.count)
            for drawn in 0..<wanted {
                if candidates.count > options.most {
                    candidates.elements.swapAt(drawn, drawn + random.below(candidates.count - drawn))
                }
                detections.elements[candidates.elements[drawn]].verdict = .chosen
            }
        }
    }

    /// The score above which candidates are spared; nil: none is.
    ///
    /// The quantile of the images' best good scores, linear between two of them (numpy.quantile's default).
    private func spareBound(_ options: MiningOptions) throws(ULDorError) -> Double? {
        guard options.spareQuantile < 1 else { return nil }
        let rule = MiningRule(options)
        var best = GrowableBuffer<Float>(allocator: allocator)
        for image in images.elements where image.isFound {
            if let score = rule.bestGood(detections(of: image).map(\.scores)) { try best.append(score) }
        }
        guard best.count > 0 else { return nil }
        heapSort(best.elements) { $0 < $1 }
        let place = options.spareQuantile * Double(best.count - 1), below = Int(place)
        let low = Double(best.elements[below]), high = Double(best.elements[Swift.min(below + 1, best.count - 1)])
        return low + (high - low) * (place - Double(below))
    }
}
