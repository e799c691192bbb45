/// Decides what each detection of one image hits. Its memory is kept from image to image.
///
/// No other image has a say in it: where detections of several images are ranked together, those of one image keep their order.
struct ImageMatcher: ~Copyable {
    /// A detection in the image's ranking.
    struct Ranked: BitwiseCopyable {
        var key: UInt64
        var best: Double
        var box: OverlapBox
        var index: Int
        /// Index of the lesion hit, or one of ``Froc``'s negative outcomes.
        var match: Int32
        /// Bit 0: right at the FROC's threshold, bits 1...10: at COCO's, for average precision.
        var precise: UInt32
    }
    struct Truth: BitwiseCopyable {
        var box: OverlapBox
        var type, group: Int32
        var size: Double
        var index: Int
        /// Of the detection that hits it; UInt64.max: none.
        var key: UInt64
        var taken: UInt32
    }

    private(set) var ranked: GrowableBuffer<Ranked>
    private(set) var truths: GrowableBuffer<Truth>
    private var overlaps: GrowableBuffer<Double>
    private let convention: FrocConvention
    private let rule: FalsePositiveRule
    private let threshold: Double
    static let none: Int32 = .min

    init(_ options: FrocOptions) {
        ranked = GrowableBuffer(allocator: options.allocator)
        truths = GrowableBuffer(allocator: options.allocator)
        overlaps = GrowableBuffer(allocator: options.allocator)
        (convention, rule, threshold) = (options.convention, options.falsePositives, options.threshold)
    }

    var bytes: Int { ranked.bytes + truths.bytes + overlaps.bytes }

    /// Ascending where detections are ranked from the best on: lesions by falling score, then what is appended.
    static func key(_ score: Double, isAppended: Bool) -> UInt64 {
        // Bits of doubles from 0 to 1 have their order, and the topmost two are free.
        ((1.0).bitPattern - (score + 0).magnitude.bitPattern) | (isAppended ? 1 << 63 : 0)
    }

    static func score(of key: UInt64) -> Double { Double(bitPattern: (1.0).bitPattern - (key & ~(1 << 63))) }

    mutating func match(_ image: FrocImage) throws(ULDorError) {
        try order(image)
        let count = truths.count
        try overlaps.renew(try checkedProduct(ranked.count, count, of: "overlaps"))
        let truths = truths.elements
        // Overlaps are in the order of the arrays; the ranking needs each detection's best first.
        for row in 0..<ranked.count {
            var best = 0.0
            for column in 0..<count { best = Swift.max(best, ranked.elements[row].box.overlap(truths[column].box, convention)) }
            ranked.elements[row].best = best
        }
        heapSort(ranked.elements) { a, b in
            a.key != b.key ? a.key < b.key : a.best != b.best ? a.best > b.best : OverlapBox.isBefore(a.box, b.box)
        }
        for row in 0..<ranked.count {
            for column in 0..<count {
                overlaps.elements[row * count + column] = ranked.elements[row].box.overlap(truths[column].box, convention)
            }
        }
        for row in 0..<ranked.count { hit(row, count) }
        precise(0, threshold)
        for step in 0..<10 { precise(step + 1, step == 9 ? 0.95 : 0.5 + Double(step) * ((0.95 - 0.5) / 9)) }
    }

    private mutating func order(_ image: FrocImage) throws(ULDorError) {
        ranked.removeAll()
        truths.removeAll()
        for index in 0..<image.lesions {
            guard let box = image.lesionBox(index) else { continue }
            try truths.append(
                Truth(
                    box: box, type: image.lesionTypes?[index] ?? Self.none, group: image.lesionGroups?[index] ?? Self.none,
                    size: image.lesionSizes?[index] ?? .nan, index: index, key: .max, taken: 0))
        }
        heapSort(truths.elements) { a, b in
            if OverlapBox.isBefore(a.box, b.box) { return true }
            if OverlapBox.isBefore(b.box, a.box) { return false }
            let sizes = (a.size.isNaN ? -1 : a.size, b.size.isNaN ? -1 : b.size)
            return (a.type, sizes.0, a.group, a.index) < (b.type, sizes.1, b.group, b.index)
        }
        for index in 0..<image.detections {
            let isAppended = image.isFalsePositive(index)
            guard !isAppended || rule != .ignore, let box = image.box(index), var score = image.scores?[index] else { continue }
            if isAppended, rule == .appendByLesionScore, let lesionScore = image.lesionScores?[index] { score = lesionScore }
            try ranked.append(
                Ranked(
                    key: Self.key(score, isAppended: isAppended), best: 0, box: box, index: index, match: Froc.falsePositive,
                    precise: 0))
        }
    }

    /// Of the lesions not hit yet that the detection overlaps enough: the one that it overlaps most (paper), or all.
    private func hit(_ row: Int, _ count: Int) {
        let truths = truths.elements
        let line = UnsafeMutableBufferPointer(rebasing: overlaps.elements[row * count..<(row + 1) * count])
        var best = -1
        var isRepeat = false
        for column in 0..<count {
            guard convention == .paper ? line[column] > threshold : line[column] >= threshold else { continue }
            guard truths[column].key == .max else {
                isRepeat = true
                continue
            }
            if best < 0 || line[column] > line[best] { best = column }
            if convention == .deepLesion { truths[column].key = ranked.elements[row].key }
        }
        if best >= 0 {
            truths[best].key = ranked.elements[row].key
            ranked.elements[row].match = Int32(truths[best].index)
        } else if isRepeat {
            ranked.elements[row].match = Froc.repeated
        }
    }

    /// COCO's matching: the best lesion not taken yet, IoU >= threshold.
    private func precise(_ bit: Int, _ threshold: Double) {
        let truths = truths.elements, count = truths.count, mask = UInt32(1) << UInt32(bit)
        let least = Swift.min(threshold, 1 - 1e-10)
        for row in 0..<ranked.count where ranked.elements[row].best >= least {
            var best = -1
            for column in 0..<count where truths[column].taken & mask == 0 {
                let overlap = overlaps.elements[row * count + column]
                if overlap >= least, best < 0 || overlap > overlaps.elements[row * count + best] { best = column }
            }
            guard best >= 0 else { continue }
            truths[best].taken |= mask
            ranked.elements[row].precise |= mask
        }
    }
}
