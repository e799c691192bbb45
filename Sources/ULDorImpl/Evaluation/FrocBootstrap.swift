import ULDorKernels

/// Sensitivities and average precisions of samples drawn from the patients with replacement (docs/evaluation.md gives the draw).
final class FrocBootstrap {
    private let froc: Froc
    private let tally: FrocTally
    private let subsets: FrocSubsets
    private let precision: AveragePrecision
    /// sample x subset x (levels and the maximum): NaN where a sample has none.
    private let values: Buffer<Double>
    private let precisions: Buffer<AveragePrecision.Values>
    private let weights: Buffer<UInt32>
    private let counts, sums: Buffer<Int>
    /// Patients by ascending key: a draw must not depend on the order in which they came.
    private let sorted: Buffer<UInt32>

    init(
        _ froc: Froc, _ tally: FrocTally, _ subsets: FrocSubsets, _ precision: AveragePrecision
    ) throws(ULDorError) {
        let allocator = froc.options.allocator, options = froc.options, patients = froc.patients.count
        (self.froc, self.tally, self.subsets, self.precision) = (froc, tally, subsets, precision)
        let workers = Int(options.threads)
        values = try Buffer(
            count: try checkedProduct(options.samples, subsets.list.count, tally.levels.count + 1, of: "bootstrap"),
            allocator: allocator)
        precisions = try Buffer(count: options.samples, allocator: allocator)
        weights = try Buffer(count: try checkedProduct(workers, patients, of: "bootstrap"), allocator: allocator)
        counts = try Buffer(count: try checkedProduct(workers, tally.counters, of: "bootstrap"), allocator: allocator)
        sums = try Buffer(
            count: try checkedProduct(workers, tally.lines, subsets.list.count, of: "bootstrap"), allocator: allocator)
        sorted = try Buffer(count: patients, allocator: allocator)
        for index in 0..<patients { sorted.base[index] = UInt32(index) }
        let keys = froc.patients.keys.elements
        heapSort(sorted.elements) { keys[Int($0)] < keys[Int($1)] }
        var exec = uk_exec(threads: options.threads, state: nil)
        _ = uk_parallel_for(
            &exec, Int64(options.samples),
            { context, sample, worker in
                guard let context else { return }
                Unmanaged<FrocBootstrap>.fromOpaque(context).takeUnretainedValue().draw(Int(sample), Int(worker))
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func draw(_ sample: Int, _ worker: Int) {
        let patients = froc.patients.count, weight = weights.base + worker * patients
        let counts = counts.base + worker * tally.counters
        weight.update(repeating: 0, count: patients)
        var random = SeededRandom(seed: froc.options.seed, image: sample, purpose: .bootstrap)
        for _ in 0..<patients { weight[Int(sorted.base[random.below(patients)])] += 1 }
        let (images, wrong) = tally.run(froc, weight, counts)
        let levels = tally.levels.count, width = subsets.list.count
        let sums = sums.base + worker * tally.lines * width
        subsets.add(counts, count: tally.strata, lines: tally.lines, into: sums)
        for subset in 0..<width {
            let row = values.base + (sample * width + subset) * (levels + 1)
            let lesions = sums[(levels + 1) * width + subset]
            for level in 0...levels {
                let isReached = level == levels || froc.isReached(tally.levels[level], images: images, falsePositives: wrong)
                row[level] = lesions > 0 && isReached ? Double(sums[level * width + subset]) / Double(lesions) : .nan
            }
        }
        // The first subset is that of all lesions.
        precisions.base[sample] = precision.run(weight, lesions: sums[(levels + 1) * width])
    }

    /// Of a sensitivity; the level after the last is the maximum.
    func interval(subset: Int, level: Int, scratch: UnsafeMutableBufferPointer<Double>) -> Interval {
        let width = tally.levels.count + 1
        return Interval(of: froc.options, scratch) { values.base[($0 * subsets.list.count + subset) * width + level] }
    }

    /// Of an average precision, by its place in ``AveragePrecision/Values``.
    func interval(precision index: Int, scratch: UnsafeMutableBufferPointer<Double>) -> Interval {
        Interval(of: froc.options, scratch) { precisions.base[$0][index] }
    }
}

/// Percentiles as numpy has them (method "linear"), over the samples that have a value.
struct Interval: BitwiseCopyable {
    var low = Double.nan, high = Double.nan
    var samples = 0

    /// `value` of each sample of the bootstrap, NaN where it has none; `scratch` has room for all.
    init(of options: FrocOptions, _ scratch: UnsafeMutableBufferPointer<Double>, _ value: (Int) -> Double) {
        for sample in 0..<options.samples {
            let found = value(sample)
            guard !found.isNaN else { continue }
            scratch[samples] = found
            samples += 1
        }
        let count = samples
        guard count > 0 else { return }
        let found = UnsafeMutableBufferPointer(rebasing: scratch[0..<count])
        heapSort(found, by: <)
        func percentile(_ fraction: Double) -> Double {
            let place = Double(count - 1) * fraction
            let below = Swift.min(Int(place), count - 1), above = Swift.min(below + 1, count - 1)
            return found[below] + (found[above] - found[below]) * (place - Double(below))
        }
        let tail = (1 - options.confidence) / 2
        (low, high) = (percentile(tail), percentile(1 - tail))
    }
}

extension Froc {
    /// Whether the curve gets as far as the level; one of the DeepLesion convention goes on for ever.
    func isReached(_ level: Double, images: Int, falsePositives: Int) -> Bool {
        options.convention == .deepLesion || level <= Double(falsePositives) / Double(images)
    }
}
