import Testing
import ULDorKernels

/// Where values lie whose channels are in groups of UK_PANEL, with some lines between the groups.
struct Groups {
    let pixels, channels: Int

    var stride: Int { (pixels + 3) * Int(UK_PANEL) }
    var count: Int { channels / Int(UK_PANEL) * stride }

    private func place(_ index: Int) -> Int {
        let (pixel, channel) = (index / channels, index % channels)
        return channel / Int(UK_PANEL) * stride + pixel * Int(UK_PANEL) + channel % Int(UK_PANEL)
    }

    func grouped(_ dense: Guarded) -> Guarded {
        let all = Guarded(count: count)
        for index in 0..<pixels * channels { all.base[place(index)] = dense.base[index] }
        return all
    }

    func dense(_ grouped: Guarded) -> Guarded {
        let all = Guarded(count: pixels * channels)
        for index in 0..<all.count { all.base[index] = grouped.base[place(index)] }
        return all
    }

    func isBetweenUntouched(_ grouped: Guarded) -> Bool {
        (0..<count).allSatisfy { $0 % stride < pixels * Int(UK_PANEL) || grouped.isUntouched($0) }
    }
}

/// Shapes whose channels fit, in and out: all that a convolution does otherwise than with dense maps.
private let groupShapes: [ConvolutionCase] =
    (winogradShapes + [
        .init(height: 8, width: 97, channels: 16, out: 16, kernel: 1, relu: true),
        .init(height: 16, width: 20, channels: 64, out: 48, kernel: 1, residual: (8, 10)),
        .init(height: 32, width: 24, channels: 272, out: 64, kernel: 1, relu: true, residual: (32, 24)),
        .init(height: 17, width: 31, channels: 512, out: 256, kernel: 1, relu: true, residual: (9, 16)),
        .init(height: 31, width: 33, channels: 128, out: 160, kernel: 1),
        .init(batch: 3, height: 14, width: 14, channels: 48, out: 32, kernel: 1, relu: true),
        .init(batch: 230, height: 1, width: 1, channels: 1024, out: 128, kernel: 1, relu: true),
        .init(height: 11, width: 12, channels: 64, out: 80, kernel: 1, stride: 2),
        .init(height: 19, width: 6, channels: 32, out: 48, stride: 2, relu: true),
        .init(batch: 2, height: 7, width: 9, channels: 32, out: 32, kernel: 1, relu: true, isStrided: true),
    ]).filter { $0.channels % 16 == 0 }

@Suite struct GroupTests {
    @Test(arguments: groupShapes, Algorithms.allCases)
    func sameBitsAsDense(_ shape: ConvolutionCase, _ algorithms: Algorithms) {
        let convolution = Convolution(shape)
        for table in tables() {
            let dense = bits(convolution.run(table, by: algorithms))
            for (input, output) in [(true, false), (false, true), (true, true)] where !output || shape.out % 16 == 0 {
                for threads: Int32 in input && output ? [1, 3] : [3] {
                    let grouped = convolution.runInGroups(table, threads: threads, by: algorithms, input: input, output: output)
                    #expect(bits(grouped) == dense, "\(name(table)), \(threads) threads, input \(input), output \(output)")
                }
            }
        }
    }

    /// ResNet-18's first block adds a dense map; a block's end is added to what lies where it goes.
    @Test(arguments: groupShapes.filter { $0.residual != nil && $0.out % 16 == 0 }, Convolution.ResidualPlace.allCases)
    func residualsWhereverTheyLie(_ shape: ConvolutionCase, _ place: Convolution.ResidualPlace) {
        guard place != .output || shape.residual! == (shape.outHeight, shape.outWidth) else { return }
        let convolution = Convolution(shape)
        for table in tables() {
            for algorithms in Algorithms.allCases {
                let grouped = convolution.runInGroups(
                    table, threads: 3, by: algorithms, input: true, output: true, residual: place)
                #expect(bits(grouped) == bits(convolution.run(table, by: algorithms)), "\(name(table)), \(algorithms)")
            }
        }
    }

    @Test(arguments: [16, 48]) func planesThereAndBack(_ channels: Int) {
        var generator = Generator(seed: UInt64(channels))
        let (height, width) = (5, 7), groups = Groups(pixels: 35, channels: channels)
        let planes = generator.floats(channels * height * width), map = Guarded(count: groups.count)
        var back = [Float](repeating: 0, count: planes.count)
        var grouped = uk_map(
            data: map.base, image_stride: 0, row_stride: Int64(width) * 16, pixel_stride: 16, height: Int32(height),
            width: Int32(width), group_stride: Int64(groups.stride))
        uk_from_planes(planes, Int32(channels), &grouped)
        uk_to_planes(&grouped, Int32(channels), &back)
        #expect(back == planes && map.isIntact && groups.isBetweenUntouched(map))
        #expect(groups.dense(map).values == (0..<planes.count).map { planes[$0 % channels * 35 + $0 / channels] })
    }
}
