import Testing

@testable import ULDorImpl

private func encode(_ values: [Float], _ p: RunLength.Placement, threshold: Float = 0.5) throws -> [UInt32] {
    var counts = GrowableBuffer<UInt32>(allocator: .system)
    let padded = values.isEmpty ? [0] : values
    try padded.withUnsafeBufferPointer { v throws(ULDorError) in
        guard let base = v.baseAddress else { return }
        try RunLength.encode(probabilities: base, threshold: threshold, p, into: &counts)
    }
    return Array(counts.elements)
}

private func whole(_ width: Int, _ height: Int) -> RunLength.Placement {
    RunLength.Placement(width: width, height: height, originX: 0, originY: 0, imageWidth: width, imageHeight: height)
}

/// As pycocotools' rleEncode counts, pixel by pixel over the whole image.
private func reference(_ columnMajor: [Bool]) -> [UInt32] {
    var counts: [UInt32] = []
    var run: UInt32 = 0
    var value = false
    for bit in columnMajor {
        if bit != value {
            counts.append(run)
            run = 0
            value = bit
        }
        run += 1
    }
    counts.append(run)
    return counts
}

@Suite struct RunLengthTests {
    @Test func knownMasks() throws {
        #expect(try encode([0, 0, 0, 0, 0, 0], whole(3, 2)) == [6])
        #expect(try encode([1, 1, 1, 1, 1, 1], whole(3, 2)) == [0, 6])
        // Rows 0 1 0 / 0 1 1: columns 00, 11, 01.
        #expect(try encode([0, 1, 0, 0, 1, 1], whole(3, 2)) == [2, 2, 1, 1])
        #expect(try encode([1, 0, 0, 0, 0, 0], whole(3, 2)) == [0, 1, 5])
        #expect(try encode([0.5, 0.6, .nan, .infinity], whole(2, 2)) == [2, 2])
        #expect(try encode([], whole(0, 0)) == [0])
        #expect(try encode([], whole(0, 7)) == [0])
        #expect(try encode([], whole(-3, 7)) == [0])
    }

    @Test func regionsAgreeWithPixelByPixel() throws {
        var random = SeededGenerator(21)
        for round in 0..<600 {
            let (w, h) = (Int.random(in: 1...9, using: &random), Int.random(in: 1...9, using: &random))
            let p = RunLength.Placement(
                width: Int.random(in: 0...10, using: &random), height: Int.random(in: 0...10, using: &random),
                originX: Int.random(in: -6...10, using: &random), originY: Int.random(in: -6...10, using: &random),
                imageWidth: w, imageHeight: h)
            let density = Double(round % 5) / 4
            let values = (0..<p.width * p.height).map { _ in Float(random.uniform(0...1) < density ? 1 : 0) }
            var bits: [Bool] = []
            for x in 0..<w {
                for y in 0..<h {
                    let (i, j) = (x - p.originX, y - p.originY)
                    let isIn = i >= 0 && j >= 0 && i < p.width && j < p.height
                    bits.append(isIn && values[j * p.width + i] > 0.5)
                }
            }
            let expected = reference(bits)
            #expect(try encode(values, p) == expected, "\(p)")
            // The same as bytes with padded rows.
            let stride = p.width + 3
            var bytes = [UInt8](repeating: 1, count: stride * p.height + 1)
            for j in 0..<p.height { for i in 0..<p.width { bytes[j * stride + i] = values[j * p.width + i] > 0.5 ? 200 : 0 } }
            var counts: [UInt32] = []
            try RunLength.encode(bitmap: bytes, rowStride: stride, p) { counts.append($0) }
            #expect(counts == expected, "\(p)")
        }
    }

    @Test func hostilePlacements() throws {
        func counts(_ p: RunLength.Placement) throws -> [UInt32] { try encode([1], p) }
        func place(_ x: Int, _ y: Int, _ w: Int = 1, _ h: Int = 1) -> RunLength.Placement {
            RunLength.Placement(width: w, height: h, originX: x, originY: y, imageWidth: 4, imageHeight: 3)
        }
        for far in [Int.max, .min, 1 << 40, -(1 << 40)] {
            #expect(try counts(place(far, 0)) == [12])
            #expect(try counts(place(0, far)) == [12])
        }
        #expect(try counts(place(0, 0, -5, 1)) == [12])
        #expect(try counts(place(0, 0, .min, .min)) == [12])
        var p = place(0, 0)
        (p.imageWidth, p.imageHeight) = (1 << 20, 1 << 13)
        #expect(throws: ULDorError.self) { try counts(p) }
        (p.imageWidth, p.imageHeight) = (.max, .max)
        #expect(throws: ULDorError.self) { try counts(p) }
        // The largest image.
        (p.imageWidth, p.imageHeight) = (16384, 16384)
        #expect(try counts(p) == [0, 1, 16384 * 16384 - 1])
    }

    @Test func errorsOfTheReceiverComeThrough() {
        let stop = ULDorError(.bufferTooSmall, "full")
        for limit in 0..<4 {
            var seen = 0
            var status = Status.ok
            do throws(ULDorError) {
                try RunLength.encode(probabilities: [0, 1, 0, 0, 1, 1], threshold: 0.5, whole(3, 2)) {
                    _ throws(ULDorError) in
                    if seen == limit { throw stop }
                    seen += 1
                }
            } catch { status = error.status }
            #expect(status == .bufferTooSmall && seen == limit)
        }
        let counter = CountingAllocator(failingFrom: 1)
        var counts = GrowableBuffer<UInt32>(allocator: counter.allocator)
        var status = Status.ok
        do throws(ULDorError) {
            try RunLength.encode(probabilities: [1], threshold: 0.5, whole(1, 1), into: &counts)
        } catch { status = error.status }
        #expect(status == .noMemory)
    }
}
