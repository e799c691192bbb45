import ULDorKernels

/// Statistics of frozen batch norm for a random start (method, section 6): layer by layer, each normalised before the next
/// one is measured, over the first images.
///
/// What torchvision's batch norm would have as its batch's statistics in training mode; without, activations of a deep random network
/// explode or vanish, and nothing is learnt at any sensible rate.
extension Learner {
    func calibrateBatchNorm(_ examples: [Example]) throws(ULDorError) {
        let execution = execution, backbone = model.backbone
        try execution.pass { () throws(ULDorError) in
            var maps: [FeatureMap] = []
            for example in examples { maps.append(try input(example)) }
            try measure(backbone.stem, maps)
            for index in maps.indices {
                let pooled = try execution.map(1, maps[index].height / 4, maps[index].width / 4, backbone.stem.outChannels)
                let map = maps[index]
                try execution.scratch { () throws(ULDorError) in
                    try backbone.pool(try backbone.stemFeatures(map, execution), into: pooled, execution)
                }
                maps[index] = pooled
            }
            for stage in backbone.stages { maps = try calibrate(stage, maps) }
        }
    }

    /// The stage's outputs, one for each of its inputs.
    private func calibrate(_ blocks: [ResidualBlock], _ inputs: [FeatureMap]) throws(ULDorError) -> [FeatureMap] {
        var maps = inputs, outputs: [FeatureMap] = [], others: [FeatureMap] = []
        let stride = blocks[0].stride
        for input in inputs {
            let height = input.height / stride, width = input.width / stride
            outputs.append(try execution.map(1, height, width, blocks[0].outChannels))
            others.append(try execution.map(1, height, width, blocks[0].outChannels))
        }
        for block in blocks {
            try calibrate(block, maps)
            for index in maps.indices { try block.forward(maps[index], into: outputs[index], execution) }
            maps = outputs
            swap(&outputs, &others)
        }
        return maps
    }

    private func calibrate(_ block: ResidualBlock, _ inputs: [FeatureMap]) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            if let projection = block.projection { try measure(projection, inputs) }
            var maps = inputs
            for convolution in [block.first, block.second] {
                try measure(convolution, maps)
                guard convolution === block.first || block.third != nil else { break }
                for index in maps.indices { maps[index] = try convolution.forward(maps[index], relu: true, execution) }
            }
            if let third = block.third { try measure(third, maps) }
        }
    }

    /// Mean and variance of what the convolution alone makes of `inputs`, channel by channel, become its norm's.
    private func measure(_ convolution: Convolution, _ inputs: [FeatureMap]) throws(ULDorError) {
        guard let norm = convolution.learned?.norm else { return }
        if !execution.isMeasuring { norm.clear() }
        var sums = [Double](repeating: 0, count: convolution.outChannels), squares = sums, count = 0.0
        for input in inputs {
            try execution.scratch { () throws(ULDorError) in
                let output = try convolution.forward(input, relu: false, execution)
                guard !execution.isMeasuring else { return }
                for pixel in 0..<output.pixels {
                    let row = output.data + pixel * output.channels
                    for channel in 0..<output.channels {
                        let value = Double(row[channel])
                        sums[channel] += value
                        squares[channel] += value * value
                    }
                }
                count += Double(output.pixels)
            }
        }
        guard !execution.isMeasuring, count > 0 else { return }
        for channel in sums.indices {
            let mean = sums[channel] / count
            norm.set(channel, mean: Float(mean), variance: Float(Swift.max(squares[channel] / count - mean * mean, 1e-12)))
        }
        norm.fold()
    }
}
