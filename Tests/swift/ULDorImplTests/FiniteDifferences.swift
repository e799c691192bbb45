import Testing

@testable import ULDorImpl

/// Numbers of -1...1 that a test changes one by one.
final class Numbers {
    let values: UnsafeMutableBufferPointer<Float>

    init(_ count: Int, seed: UInt64) {
        values = .allocate(capacity: count)
        var random = SeededGenerator(seed)
        for index in 0..<count { values.initializeElement(at: index, to: Float(random.uniform(-1...1))) }
    }

    deinit { values.deallocate() }

    var count: Int { values.count }

    func map(_ batch: Int, _ height: Int, _ width: Int) -> FeatureMap {
        FeatureMap(
            data: values.baseAddress!, batch: batch, height: height, width: width, channels: count / (batch * height * width))
    }

    /// The loss whose gradient with respect to `map` these are, in double precision.
    func loss(of map: FeatureMap) -> Double {
        (0..<count).reduce(0) { $0 + Double(values[$1]) * Double(map.data[$1]) }
    }
}

extension Pyramid {
    /// Of one image; heights and widths of P2...P6.
    init(_ maps: [Numbers], _ sizes: [(Int, Int)]) {
        let maps = zip(maps, sizes).map { $0.map(1, $1.0, $1.1) }
        self.init(p2: maps[0], p3: maps[1], p4: maps[2], p5: maps[3], p6: maps[4])
    }
}

/// Central differences of `loss` as single `values` change are their `gradient`, within `limit` of its largest: of all where they
/// are few, else of some. A `step` of order 1 is exact for what is linear, and far above float32's rounding.
func expectDifferences(
    _ what: String, of values: UnsafeMutableBufferPointer<Float>, are gradient: [Float], step: Float = 0.5,
    limit: Double = 5e-5, loss: () throws -> Double
) throws {
    let largest = gradient.reduce(0) { max($0, abs($1)) }
    #expect(gradient.count == values.count && largest > 0, "\(what)")
    var random = SeededGenerator(UInt64(values.count))
    let places =
        values.count <= 300 ? Array(values.indices) : (0..<60).map { _ in values.indices.randomElement(using: &random)! }
    for place in places {
        let value = values[place], below = value - step, above = value + step
        values[place] = above
        let more = try loss()
        values[place] = below
        let slope = (more - (try loss())) / (Double(above) - Double(below))
        values[place] = value
        #expect(abs(slope - Double(gradient[place])) <= limit * Double(largest), "\(what)[\(place)]")
    }
}
