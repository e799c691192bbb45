/// A place of the pyramid at which the RPN is learnt from.
struct PyramidPlace: BitwiseCopyable, Equatable {
    var level, location: Int32
}

extension RPNHead {
    /// Forward and backward at `places` alone: `loss` gets the outputs there, a row each, and adds their gradient to its second
    /// map. The features' gradient is added to `pyramidGradient`; without one there is no backward pass.
    ///
    /// A few hundred anchors are sampled among tens of thousands, so the gradient is zero nearly everywhere: only the neighbourhoods
    /// of those places go through the 3 x 3 convolution, as rows of a matrix. Heads of several convolutions take the long way.
    func learn(
        _ pyramid: Pyramid, _ places: UnsafePointer<PyramidPlace>, count: Int, to pyramidGradient: Pyramid?,
        _ execution: Execution, loss: (_ output: FeatureMap, _ gradient: FeatureMap) -> Void
    ) throws(ULDorError) {
        guard convolutions.count == 1, let learned = convolutions[0].learned else {
            return try learnDensely(pyramid, places, count: count, to: pyramidGradient, execution, loss: loss)
        }
        try execution.scratch { () throws(ULDorError) in
            let channels = convolutions[0].channels
            // As rows of channels x 3 x 3, in the order of the weights, the convolution is a 1 x 1 one.
            let convolution = Convolution(
                channels: channels * 9, outChannels: convolutions[0].outChannels, kernel: 1, learned: learned)
            let rows = try execution.map(count, 1, 1, channels * 9)
            if !execution.isMeasuring { gather(pyramid, places, into: rows) }
            let hidden = try convolution.forward(rows, relu: true, execution)
            let output = try predictor.forward(hidden, relu: false, execution)
            let gradient = try execution.map(like: output)
            execution.zero(gradient)
            if !execution.isMeasuring { loss(output, gradient) }
            guard let pyramidGradient else { return }
            let above = try execution.map(like: hidden), below = try execution.map(like: rows)
            try predictor.backward(hidden, gradient, into: above, execution)
            try execution.maskGradient(above, by: hidden)
            try convolution.backward(rows, above, into: below, execution)
            if !execution.isMeasuring { scatter(below, places, to: pyramidGradient) }
        }
    }

    /// The same by way of whole maps: a head of any number of convolutions.
    func learnDensely(
        _ pyramid: Pyramid, _ places: UnsafePointer<PyramidPlace>, count: Int, to pyramidGradient: Pyramid?,
        _ execution: Execution, loss: (_ output: FeatureMap, _ gradient: FeatureMap) -> Void
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            let output = try execution.map(count, 1, 1, predictor.outChannels), gradient = try execution.map(like: output)
            execution.zero(gradient)
            try forwardDensely(pyramid, places, into: output, execution)
            if !execution.isMeasuring { loss(output, gradient) }
            guard let pyramidGradient else { return }
            try backwardDensely(pyramid, places, count: count, gradient, to: pyramidGradient, execution)
        }
    }

    private func forwardDensely(
        _ pyramid: Pyramid, _ places: UnsafePointer<PyramidPlace>, into rows: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        for level in 0..<Pyramid.levels {
            try execution.scratch { () throws(ULDorError) in
                let output = try execution.map(1, pyramid[level].height, pyramid[level].width, predictor.outChannels)
                try forward(pyramid[level], into: output, execution)
                guard !execution.isMeasuring else { return }
                for row in 0..<rows.batch where Int(places[row].level) == level {
                    (rows.data + row * rows.channels).update(
                        from: output.data + Int(places[row].location) * output.channels, count: rows.channels)
                }
            }
        }
    }

    private func backwardDensely(
        _ pyramid: Pyramid, _ places: UnsafePointer<PyramidPlace>, count: Int, _ gradient: FeatureMap,
        to pyramidGradient: Pyramid,
        _ execution: Execution
    ) throws(ULDorError) {
        for level in 0..<Pyramid.levels {
            try execution.scratch { () throws(ULDorError) in
                var hidden = [pyramid[level]]
                for (index, convolution) in convolutions.enumerated() {
                    hidden.append(try convolution.forward(hidden[index], relu: true, execution))
                }
                let output = try execution.map(1, pyramid[level].height, pyramid[level].width, predictor.outChannels)
                execution.zero(output)
                if !execution.isMeasuring {
                    for row in 0..<count where Int(places[row].level) == level {
                        (output.data + Int(places[row].location) * output.channels).update(
                            from: gradient.data + row * output.channels, count: output.channels)
                    }
                }
                var above = try execution.map(like: hidden[convolutions.count])
                try predictor.backward(hidden[convolutions.count], output, into: above, execution)
                for index in convolutions.indices.reversed() {
                    try execution.maskGradient(above, by: hidden[index + 1])
                    let below = index == 0 ? pyramidGradient[level] : try execution.map(like: hidden[index])
                    try convolutions[index].backward(hidden[index], above, into: below, adds: index == 0, execution)
                    above = below
                }
            }
        }
    }

    /// Each place's 3 x 3 neighbourhood, zero outside of its map, as a row.
    private func gather(_ pyramid: Pyramid, _ places: UnsafePointer<PyramidPlace>, into rows: FeatureMap) {
        eachTap(pyramid, places, rows) { row, pixel, channels in
            for channel in 0..<channels { row[channel * 9] = pixel?[channel] ?? 0 }
        }
    }

    /// Place by place in their order, so that what falls on the same pixel is always summed up alike.
    private func scatter(_ rows: FeatureMap, _ places: UnsafePointer<PyramidPlace>, to pyramid: Pyramid) {
        eachTap(pyramid, places, rows) { row, pixel, channels in
            guard let pixel else { return }
            for channel in 0..<channels { pixel[channel] += row[channel * 9] }
        }
    }

    /// Calls `body` with where a tap's values begin in the row, nine apart, and the pixel, nil outside of the map.
    private func eachTap(
        _ pyramid: Pyramid, _ places: UnsafePointer<PyramidPlace>, _ rows: FeatureMap,
        _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>?, Int) -> Void
    ) {
        for index in 0..<rows.batch {
            let map = pyramid[Int(places[index].level)]
            let (y, x) = Int(places[index].location).quotientAndRemainder(dividingBy: map.width)
            for tap in 0..<9 {
                let yy = y + tap / 3 - 1, xx = x + tap % 3 - 1
                let isInside = yy >= 0 && yy < map.height && xx >= 0 && xx < map.width
                body(
                    rows.data + index * rows.channels + tap, isInside ? map.data + (yy * map.width + xx) * map.channels : nil,
                    map.channels)
            }
        }
    }
}
