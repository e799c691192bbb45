import ULDorKernels

/// Steps of the pipeline, in their order; raw values are the header's ULDOR_INPUT_*.
public enum InputStep: Int32, Comparable {
    case hu = 0, windowed, cropped, scaled, normalised, padded
    public static func < (a: InputStep, b: InputStep) -> Bool { a.rawValue < b.rawValue }
}

/// How the image became the network's input: x_input = (x_image - cropLeft) * scaleX.
public struct InputGeometry {
    public var cropLeft = 0, cropTop = 0, cropWidth = 0, cropHeight = 0
    public var scaleX = 1.0, scaleY = 1.0
    /// Before padding.
    public var width = 0, height = 0
    public var paddedWidth = 0, paddedHeight = 0
    public var missingNeighbours = 0
}

/// From a CT slice with its neighbours to the network's input, method, section 2, step by step in the order given there:
/// neighbours in HU, window, body crop, scale, mean, padding.
struct InputPipeline {
    let config: InputConfig
    let resamples, crops: Bool

    init(_ model: Model, _ options: SessionOptions) {
        config = model.config.input
        resamples = !options.noResampling
        crops = config.bodyCrop && !options.noBodyCrop
    }

    /// Runs the steps up to `last`. The result is `channels` planes of the step's height x width, in the arena.
    func run(
        _ description: ImageDescription, upTo last: InputStep, _ execution: Execution
    ) throws(ULDorError) -> (planes: UnsafeMutablePointer<Float>, height: Int, width: Int, geometry: InputGeometry) {
        let image = try description.validated(needsSpacing: resamples)
        let channels = config.slices
        let area = try checkedProduct(image.width, image.height)
        var geometry = InputGeometry()

        let hu: UnsafeMutablePointer<Float> = try execution.take(count: try checkedProduct(area, channels))
        try readSlices(image, into: hu, &geometry, execution)
        // The crop is decided in HU, before the window overwrites them.
        try findCrop(image, keySlice: hu + channels / 2 * area, &geometry, execution)
        findScale(image, &geometry, isMeasuring: execution.isMeasuring)
        if last == .hu { return (hu, image.height, image.width, geometry) }

        if !execution.isMeasuring {
            uk_window(
                hu, Int64(area * channels), config.windowLow, config.windowHigh, config.rangeLow, config.rangeHigh, hu)
        }
        if last == .windowed { return (hu, image.height, image.width, geometry) }

        if last == .cropped {
            let cropped: UnsafeMutablePointer<Float> = try execution.take(count: area * channels)
            if !execution.isMeasuring { copyCrop(hu, image, geometry, into: cropped) }
            return (cropped, geometry.cropHeight, geometry.cropWidth, geometry)
        }

        let padded = last == .padded
        let rows = padded ? geometry.paddedHeight : geometry.height, columns = padded ? geometry.paddedWidth : geometry.width
        let output: UnsafeMutablePointer<Float> = try execution.take(count: try checkedProduct(rows, columns, channels))
        let plane: UnsafeMutablePointer<Float> = try execution.take(count: try checkedProduct(geometry.height, geometry.width))
        if !execution.isMeasuring {
            for channel in 0..<channels {
                let from = hu + channel * area + geometry.cropTop * image.width + geometry.cropLeft
                uk_resize_bilinear(
                    from, Int32(geometry.cropHeight), Int32(geometry.cropWidth), Int64(image.width), 1 / geometry.scaleY,
                    1 / geometry.scaleX, Int32(geometry.height), Int32(geometry.width), plane)
                if last >= .normalised { normalise(plane, count: geometry.height * geometry.width, channel) }
                copy(plane, geometry.height, geometry.width, into: output + channel * rows * columns, rows, columns)
            }
        }
        return (output, rows, columns, geometry)
    }

    // MARK: Steps

    private func readSlices(
        _ image: ImageDescription, into hu: UnsafeMutablePointer<Float>, _ geometry: inout InputGeometry, _ execution: Execution
    ) throws(ULDorError) {
        let sampling = SliceSampling(config, interval: image.sliceInterval)
        let area = image.width * image.height
        let other: UnsafeMutablePointer<Float> = try execution.take(count: area)
        guard !execution.isMeasuring else { return }
        for channel in 0..<config.slices {
            let source = sampling.source(ofChannel: channel)
            let near = present(image, source.near), far = present(image, source.far)
            if near != source.near || far != source.far || (sampling.isUnknown && channel != config.slices / 2) {
                geometry.missingNeighbours += 1
            }
            let plane = hu + channel * area
            try read(image, image.keySlice + near, into: plane, execution)
            if far != near {
                try read(image, image.keySlice + far, into: other, execution)
                uk_blend(plane, other, source.fraction, Int64(area), plane)
            }
        }
    }

    /// The offset itself, or the nearest one towards the key slice whose slice is there.
    private func present(_ image: ImageDescription, _ offset: Int) -> Int {
        var offset = Swift.min(Swift.max(offset, -image.keySlice), image.depth - 1 - image.keySlice)
        while offset != 0, image.origin(ofSlice: image.keySlice + offset) == nil { offset -= offset.signum() }
        return offset
    }

    private func read(
        _ image: ImageDescription, _ slice: Int, into plane: UnsafeMutablePointer<Float>, _ execution: Execution
    ) throws(ULDorError) {
        guard let origin = image.origin(ofSlice: slice) else { throw ULDorError(.image, "slice \(slice) is not there") }
        for y in 0..<image.height {
            try execution.checkCancelled()
            let bad = uk_read_row(
                image.type.rawValue, origin + y * image.strideY, image.strideX, Int32(image.width), Float(image.slope),
                Float(image.intercept), plane + y * image.width)
            guard bad < 0 else {
                throw ULDorError(.image, "pixel x \(bad), y \(y) of slice \(slice) is \(plane[y * image.width + Int(bad)]) HU")
            }
        }
    }

    /// Bounding box of the body: above the threshold in the key slice, opened; the whole image where that is empty.
    private func findCrop(
        _ image: ImageDescription, keySlice: UnsafePointer<Float>, _ geometry: inout InputGeometry, _ execution: Execution
    ) throws(ULDorError) {
        let (width, height) = (image.width, image.height)
        (geometry.cropLeft, geometry.cropTop, geometry.cropWidth, geometry.cropHeight) = (0, 0, width, height)
        guard crops else { return }
        try execution.scratch { () throws(ULDorError) in
            let body: UnsafeMutablePointer<UInt8> = try execution.take(count: width * height)
            let scratch: UnsafeMutablePointer<UInt8> = try execution.take(count: width * height)
            let counts: UnsafeMutablePointer<Int32> = try execution.take(count: width)
            guard !execution.isMeasuring else { return }
            for index in 0..<width * height { body[index] = keySlice[index] > config.bodyThreshold ? 1 : 0 }
            try execution.run {
                uk_binary_open($0, body, Int32(height), Int32(width), Int32(config.bodyOpening), scratch, counts)
            }
            var left = width, right = -1, top = height, bottom = -1
            for y in 0..<height {
                for x in 0..<width where body[y * width + x] != 0 {
                    left = Swift.min(left, x)
                    right = Swift.max(right, x)
                    top = Swift.min(top, y)
                    bottom = y
                }
            }
            guard right >= left else { return }
            (geometry.cropLeft, geometry.cropTop) = (left, top)
            (geometry.cropWidth, geometry.cropHeight) = (right - left + 1, bottom - top + 1)
        }
    }

    /// Scale = spacing / 0.8 mm, then the long side capped; sizes rounded as OpenCV's resize(fx, fy) does.
    /// While measuring the crop is not known yet; without the cap on the long side each side is as long as any crop makes it.
    private func findScale(_ image: ImageDescription, _ geometry: inout InputGeometry, isMeasuring: Bool) {
        geometry.scaleX = resamples ? image.spacingX / config.spacing : 1
        geometry.scaleY = resamples ? image.spacingY / config.spacing : 1
        let longSide = Swift.max(Double(geometry.cropWidth) * geometry.scaleX, Double(geometry.cropHeight) * geometry.scaleY)
        if longSide > Double(config.maxSize), !isMeasuring {
            geometry.scaleX *= Double(config.maxSize) / longSide
            geometry.scaleY *= Double(config.maxSize) / longSide
        }
        func size(_ count: Int, _ scale: Double) -> Int {
            Swift.min(Swift.max(Int((Double(count) * scale).rounded(.toNearestOrEven)), 1), config.maxSize)
        }
        geometry.width = size(geometry.cropWidth, geometry.scaleX)
        geometry.height = size(geometry.cropHeight, geometry.scaleY)
        let divisor = config.sizeDivisor
        geometry.paddedWidth = (geometry.width + divisor - 1) / divisor * divisor
        geometry.paddedHeight = (geometry.height + divisor - 1) / divisor * divisor
    }

    private func copyCrop(
        _ from: UnsafePointer<Float>, _ image: ImageDescription, _ geometry: InputGeometry, into to: UnsafeMutablePointer<Float>
    ) {
        for channel in 0..<config.slices {
            for y in 0..<geometry.cropHeight {
                let row = from + (channel * image.height + geometry.cropTop + y) * image.width + geometry.cropLeft
                (to + (channel * geometry.cropHeight + y) * geometry.cropWidth).update(from: row, count: geometry.cropWidth)
            }
        }
    }

    private func normalise(_ plane: UnsafeMutablePointer<Float>, count: Int, _ channel: Int) {
        let mean = config.mean(of: channel), std = config.std(of: channel)
        for index in 0..<count { plane[index] = (plane[index] - mean) / std }
    }

    /// Into the top-left corner, zeros elsewhere.
    private func copy(
        _ from: UnsafePointer<Float>, _ height: Int, _ width: Int, into to: UnsafeMutablePointer<Float>, _ rows: Int,
        _ columns: Int
    ) {
        for y in 0..<rows {
            let row = to + y * columns
            let copied = y < height ? width : 0
            if copied > 0 { row.update(from: from + y * width, count: copied) }
            (row + copied).update(repeating: 0, count: columns - copied)
        }
    }
}
