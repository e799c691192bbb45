/// Everything that `uldor_froc_compute` finds.
public final class FrocResults {
    public struct Value: BitwiseCopyable {
        public var sensitivity: Double
        public var low = Double.nan, high = Double.nan
        public var samples = 0
        public var isReached = true
    }
    public struct Precision: BitwiseCopyable, Sendable {
        public var value: Double
        public var low = Double.nan, high = Double.nan

        public static let none = Precision(value: .nan)
    }
    public struct Total: BitwiseCopyable {
        public var lesions, hits: Int
    }

    private let subsets: FrocSubsets
    public let levels: Buffer<Double>
    private let values: Buffer<Value>
    private let totals: Buffer<Total>
    private var points: GrowableBuffer<Double>
    public private(set) var averagePrecision: (sampled: Precision, all: Precision, coco: Precision)

    init(_ froc: Froc, _ given: UnsafeBufferPointer<Double>) throws(ULDorError) {
        let allocator = froc.options.allocator
        levels = try Buffer(count: given.count, allocator: allocator)
        for (index, level) in given.enumerated() { levels.base[index] = level }
        subsets = try FrocSubsets(froc)
        let strata = froc.kinds.count * froc.sizeSlots, width = given.count + 1, subsetCount = subsets.list.count
        let timeline = try FrocTimeline(froc)
        points = GrowableBuffer(allocator: allocator)
        let order = try Buffer<Int>(count: given.count, allocator: allocator)
        for index in 0..<given.count { order.base[index] = index }
        heapSort(order.elements) { (given[$0], $0) < (given[$1], $1) }
        let tally = FrocTally(
            timeline: timeline, levels: UnsafeBufferPointer(start: levels.base, count: given.count),
            order: UnsafeBufferPointer(order.elements), strata: strata)
        values = try Buffer(count: try checkedProduct(subsetCount, width, of: "results"), allocator: allocator)
        totals = try Buffer(count: subsetCount, allocator: allocator)
        let sums = try Buffer<Int>(count: try checkedProduct(tally.lines, subsetCount, of: "results"), allocator: allocator)
        let counts = try Buffer<Int>(count: tally.counters, allocator: allocator)
        let once = try Buffer<UInt32>(count: froc.patients.count, allocator: allocator)
        once.elements.update(repeating: 1)
        let (images, wrong) = tally.run(froc, once.base, counts.base)
        subsets.add(counts.base, count: strata, lines: tally.lines, into: sums.base)
        for subset in 0..<subsetCount {
            let lesions = sums.base[width * subsetCount + subset]
            totals.base[subset] = Total(lesions: lesions, hits: sums.base[given.count * subsetCount + subset])
            for level in 0..<width {
                let isReached = level == given.count || froc.isReached(given[level], images: images, falsePositives: wrong)
                values.base[subset * width + level] = Value(
                    sensitivity: lesions > 0 && isReached
                        ? Double(sums.base[level * subsetCount + subset]) / Double(lesions) : .nan, isReached: isReached)
            }
        }
        let precision = try AveragePrecision(froc, timeline)
        let found = precision.run(once.base, lesions: froc.lesions.count)
        averagePrecision = (Precision(value: found.sampled), Precision(value: found.all), Precision(value: found.coco))
        try draw(timeline, froc)
        guard froc.options.samples > 0 else { return }
        let bootstrap = try FrocBootstrap(froc, tally, subsets, precision)
        let scratch = try Buffer<Double>(count: froc.options.samples, allocator: allocator)
        for subset in 0..<subsetCount {
            for level in 0..<width where values.base[subset * width + level].isReached {
                let interval = bootstrap.interval(subset: subset, level: level, scratch: scratch.elements)
                let place = subset * width + level
                (values.base[place].low, values.base[place].high) = (interval.low, interval.high)
                values.base[place].samples = interval.samples
            }
        }
        func withInterval(_ value: Double, _ index: Int) -> Precision {
            let interval = bootstrap.interval(precision: index, scratch: scratch.elements)
            return Precision(value: value, low: interval.low, high: interval.high)
        }
        averagePrecision = (withInterval(found.sampled, 0), withInterval(found.all, 1), withInterval(found.coco, 2))
    }

    /// The curve's points.
    private func draw(_ timeline: FrocTimeline, _ froc: Froc) throws(ULDorError) {
        let images = Double(froc.images), lesions = Double(froc.lesions.count)
        var hits = 0, wrong = 0, index = 0
        while index < timeline.count {
            let key = timeline.keys.base[index]
            for isHit in [true, false] {
                let first = index
                while index < timeline.count, timeline.keys.base[index] == key,
                    (timeline.events.base[index].stratum != FrocTimeline.wrong) == isHit
                { index += 1 }
                guard index > first else { continue }
                if isHit { hits += index - first } else { wrong += index - first }
                for value in [ImageMatcher.score(of: key), Double(wrong) / images, Double(hits) / lesions] {
                    try points.append(value)
                }
            }
        }
    }

    var bytes: Int { levels.bytes + values.bytes + totals.bytes + points.bytes }
    public var subsetCount: Int { subsets.list.count }
    /// `index` 0..<subsetCount.
    public func subset(_ index: Int) -> FrocSubset { subsets.list.elements[index] }
    public var pointCount: Int { points.count / 3 }
    public func copyPoints(to out: UnsafeMutablePointer<Double>) {
        if let base = points.elements.baseAddress { out.update(from: base, count: points.count) }
    }
    public func level(_ index: Int) -> Double { levels.base[index] }
    public func total(_ subset: Int) -> Total { totals.base[subset] }
    public func value(_ subset: Int, level: Int) -> Value { values.base[subset * (levels.count + 1) + level] }
    public func maximum(_ subset: Int) -> Value { value(subset, level: levels.count) }
}
