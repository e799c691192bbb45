import Testing
import ULDorKernels

@testable import ULDorImpl

private func execution(isExact: Bool = true) -> Execution {
    Execution(allocator: .system, table: uk_table_for(0)!, threads: 2, isExact: isExact, isGentle: true, progress: nil)
}

/// Each layer's backward pass beside central differences of its own forward pass, both as the network runs them.
@Suite struct FiniteDifferenceTests {
    private static let shapes = [
        LayerShape(batch: 2, height: 5, width: 4, channels: 5, out: 7, kernel: 1),
        LayerShape(height: 5, width: 4, channels: 6, out: 3, kernel: 1, stride: 2, hasNorm: true),
        LayerShape(batch: 2, height: 5, width: 4, channels: 3, out: 5, kernel: 3, hasNorm: true),
        LayerShape(height: 6, width: 7, channels: 5, out: 3, kernel: 3, stride: 2),
        // The stem's, with a border of zeros.
        LayerShape(height: 9, width: 8, channels: 3, out: 2, kernel: 7, stride: 2, hasNorm: true),
        // Fully connected.
        LayerShape(batch: 9, height: 1, width: 1, channels: 17, out: 11, kernel: 1),
        // By Winograd's algorithm, where sums need not be exact.
        winograd,
    ]
    private static let winograd = LayerShape(height: 40, width: 40, channels: 16, out: 16, kernel: 3, hasNorm: true)

    @Test func isByWinograd() {
        let shape = Self.winograd, values = Numbers(shape.height * shape.width * shape.channels, seed: 0)
        var work = uk_conv()
        work.input = values.map(1, shape.height, shape.width).map
        work.output = work.input
        (work.batch, work.channels, work.out_channels) = (1, Int32(shape.channels), Int32(shape.out))
        (work.kernel_h, work.kernel_w, work.stride, work.pad) = (3, 3, 1, 1)
        #expect(uk_plan_convolution(uk_table_for(0)!, &work, 2, Int32(UK_GENTLE)).winograd_side == 2)
    }

    @Test(arguments: shapes, [false, true]) func convolution(_ shape: LayerShape, isExact: Bool) throws {
        let layer = try SingleLayer(shape), execution = execution(isExact: isExact)
        let (height, width) = (layer.layer.outputSize(shape.height), layer.layer.outputSize(shape.width))
        let x = Numbers(shape.batch * shape.height * shape.width * shape.channels, seed: 2)
        let y = Numbers(shape.batch * height * width * shape.out, seed: 0)
        let wanted = Numbers(y.count, seed: 3), back = Numbers(x.count, seed: 0)
        let input = x.map(shape.batch, shape.height, shape.width), output = y.map(shape.batch, height, width)
        func loss() throws -> Double {
            try execution.pass { () throws(ULDorError) in try layer.layer.forward(input, into: output, relu: false, execution) }
            return wanted.loss(of: output)
        }
        try execution.pass { () throws(ULDorError) in
            try layer.layer.backward(
                input, wanted.map(shape.batch, height, width), into: back.map(shape.batch, shape.height, shape.width), execution)
        }
        try expectDifferences("input", of: x.values, are: Array(back.values), loss: loss)
        try expectDifferences("weight", of: layer.values(layer.weight), are: layer.gradient(layer.weight), loss: loss)
        if !shape.hasNorm {
            try expectDifferences("bias", of: layer.values(layer.bias), are: layer.gradient(layer.bias), loss: loss)
        }
    }

    @Test(arguments: [false, true]) func transposedConvolution(isExact: Bool) throws {
        let layer = try SingleLayer(LayerShape(height: 3, width: 4, channels: 5, out: 6, kernel: 2), isTransposed: true)
        let execution = execution(isExact: isExact)
        let x = Numbers(2 * 12 * 5, seed: 2), y = Numbers(2 * 48 * 6, seed: 0)
        let wanted = Numbers(y.count, seed: 3), back = Numbers(x.count, seed: 0)
        func loss() throws -> Double {
            try execution.pass { () throws(ULDorError) in
                try layer.layer.forwardTransposed(x.map(2, 3, 4), into: y.map(2, 6, 8), relu: false, execution)
            }
            return wanted.loss(of: y.map(2, 6, 8))
        }
        try execution.pass { () throws(ULDorError) in
            try layer.layer.backwardTransposed(x.map(2, 3, 4), wanted.map(2, 6, 8), into: back.map(2, 3, 4), execution)
        }
        try expectDifferences("input", of: x.values, are: Array(back.values), loss: loss)
        try expectDifferences("weight", of: layer.values(layer.weight), are: layer.gradient(layer.weight), loss: loss)
        try expectDifferences("bias", of: layer.values(layer.bias), are: layer.gradient(layer.bias), loss: loss)
    }

    /// No unit changes sign within a step.
    @Test func relu() throws {
        let layer = try SingleLayer(LayerShape(height: 3, width: 4, channels: 2, out: 3, kernel: 3)), execution = execution()
        let x = Numbers(24, seed: 5), y = Numbers(36, seed: 0), wanted = Numbers(36, seed: 3), back = Numbers(24, seed: 0)
        let slopes = Numbers(36, seed: 3), step: Float = 1 / 256
        func forward(relu: Bool) throws {
            try execution.pass { () throws(ULDorError) in
                try layer.layer.forward(x.map(1, 3, 4), into: y.map(1, 3, 4), relu: relu, execution)
            }
        }
        func loss() throws -> Double {
            try forward(relu: true)
            return wanted.loss(of: y.map(1, 3, 4))
        }
        try forward(relu: false)
        #expect(y.values.allSatisfy { abs($0) > step } && y.values.contains { $0 < 0 })
        try forward(relu: true)
        try execution.pass { () throws(ULDorError) in
            try execution.maskGradient(slopes.map(1, 3, 4), by: y.map(1, 3, 4))
            try layer.layer.backward(x.map(1, 3, 4), slopes.map(1, 3, 4), into: back.map(1, 3, 4), execution)
        }
        try expectDifferences("input", of: x.values, are: Array(back.values), step: step, loss: loss)
        try expectDifferences("weight", of: layer.values(layer.weight), are: layer.gradient(layer.weight), step: step, loss: loss)
    }

    /// No value overtakes another within a step.
    @Test(arguments: [(6, 8), (5, 7), (1, 1)]) func maxPool(_ height: Int, _ width: Int) throws {
        let channels = 3, (tall, wide) = ((height + 1) / 2, (width + 1) / 2)
        let x = Numbers(height * width * channels, seed: 2), wanted = Numbers(tall * wide * channels, seed: 3)
        let y = Numbers(wanted.count, seed: 0), back = Numbers(x.count, seed: 0), execution = execution()
        for (rank, index) in x.values.indices.sorted(by: { x.values[$0] < x.values[$1] }).enumerated() {
            x.values[index] = Float(rank)
        }
        let (input, output) = (x.map(1, height, width), y.map(1, tall, wide))
        try execution.run {
            uk_max_pool_gradient(
                $0, input.data, Int32(height), Int32(width), Int32(channels), wanted.values.baseAddress, back.values.baseAddress)
        }
        try expectDifferences("input", of: x.values, are: Array(back.values), step: 0.25) {
            try execution.run {
                uk_max_pool($0, execution.table, input.data, Int32(height), Int32(width), Int32(channels), output.data)
            }
            return wanted.loss(of: output)
        }
    }

    /// Lateral connections, nearest upsampling (to sizes that are no multiples), the 3 x 3 convolutions and P6; every weight.
    @Test func featurePyramid() throws {
        let learner = try tinyLearner(), pyramid = learner.model.pyramid, execution = execution()
        let sizes = [(13, 9), (7, 5), (4, 3), (2, 2)]
        let x = sizes.enumerated().map { Numbers($1.0 * $1.1 * pyramid.inner[$0].channels, seed: UInt64($0)) }
        let y = (sizes + [(1, 1)]).map { Numbers($0.0 * $0.1 * pyramid.channels, seed: 0) }
        let wanted = y.enumerated().map { Numbers($1.count, seed: UInt64(7 + $0)) }
        let back = x.map { Numbers($0.count, seed: 0) }
        func features(_ maps: [Numbers]) -> BackboneFeatures {
            let maps = zip(maps, sizes).map { $0.map(1, $1.0, $1.1) }
            return BackboneFeatures(c2: maps[0], c3: maps[1], c4: maps[2], c5: maps[3])
        }
        func levels(_ maps: [Numbers]) -> Pyramid { Pyramid(maps, sizes + [(1, 1)]) }
        func loss() throws -> Double {
            try execution.pass { () throws(ULDorError) in try pyramid.forward(features(x), into: levels(y), execution) }
            return (0..<Pyramid.levels).reduce(0) { $0 + wanted[$1].loss(of: levels(y)[$1]) }
        }
        let slopes = y.enumerated().map { Numbers($1.count, seed: UInt64(7 + $0)) }
        try execution.pass { () throws(ULDorError) in
            try pyramid.backward(features(x), pyramid: levels(y), levels(slopes), into: features(back), first: 0, execution)
        }
        for level in 0..<4 {
            try expectDifferences("C\(level + 2)", of: x[level].values, are: Array(back[level].values), loss: loss)
        }
        let tensors = learner.parameters.tensors.filter { $0.name.hasPrefix("backbone.fpn.") }
        #expect(tensors.count == 16)
        for tensor in tensors {
            let range = tensor.offset..<tensor.offset + tensor.count
            try expectDifferences(
                tensor.name, of: UnsafeMutableBufferPointer(rebasing: learner.parameters.values.elements[range]),
                are: Array(learner.parameters.gradients[range]), loss: loss)
        }
    }

    /// Regions of every level, of less than a pixel, and beyond the edge.
    @Test(arguments: [2, 0], [false, true]) func roiAlign(samplingRatio: Int, aligned: Bool) throws {
        var config = try tinyLearner().model.config
        (config.samplingRatio, config.roiAligned) = (samplingRatio, aligned)
        let pooler = RegionPooler(config, pooled: 3), execution = execution()
        let boxes = [
            Box(x1: 3, y1: 5, x2: 40, y2: 31), Box(x1: 20, y1: 9, x2: 20.5, y2: 9.2), Box(x1: -20, y1: 30, x2: 60, y2: 70),
            Box(x1: 0, y1: 0, x2: 120, y2: 140), Box(x1: 10, y1: 10, x2: 300, y2: 300), Box(x1: 0, y1: 0, x2: 600, y2: 500),
        ]
        #expect(Set(boxes.map { pooler.level(of: $0) }) == [0, 1, 2, 3])
        let sizes = [(10, 12), (8, 7), (5, 6), (3, 4), (1, 1)]
        let x = sizes.enumerated().map { Numbers($1.0 * $1.1 * 2, seed: UInt64($0)) }
        let back = x.map { Numbers($0.count, seed: 0) }, y = Numbers(boxes.count * 9 * 2, seed: 0),
            wanted = Numbers(y.count, seed: 9)
        for map in back { map.values.update(repeating: 0) }
        let slopes = wanted.map(boxes.count, 3, 3)
        try execution.pass { () throws(ULDorError) in
            try pooler.backward(slopes, boxes, count: boxes.count, to: Pyramid(back, sizes), execution)
        }
        for level in 0..<4 {
            try expectDifferences("P\(level + 2)", of: x[level].values, are: Array(back[level].values)) {
                try execution.pass { () throws(ULDorError) in
                    try pooler.forward(Pyramid(x, sizes), boxes, into: y.map(boxes.count, 3, 3), execution)
                }
                return wanted.loss(of: y.map(boxes.count, 3, 3))
            }
        }
    }
}
