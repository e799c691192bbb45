import ULDorKernels

/// Steps of the pipeline, in their order; raw values are the header's ULDOR_INPUT_*.
public enum InputStep: Int32, Comparable {
    case hu = 0, windowed, cropped, scaled, normalised, padded
    public static func < (a: InputStep, b: InputStep) -> Bool { a.rawValue < b.rawValue }
}

/// How an input differs from what the image alone makes it: training's augmentation.
struct InputVariation: BitwiseCopyable, Equatable {
    /// Factor on the scale, before the long side is capped.
    var scale = 1.0
    /// By how many image pixels the crop's left and top edge move, within the image; right and bottom stay.
    var shiftLeft = 0, shiftTop = 0
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

    init(_ config: InputConfig, resamples: Bool, crops: Bool) {
        self.config = config
        self.resamples = resamples
        self.crops = crops
    }

    /// Runs the steps up to `last`. The result is `channels` planes of the step's height x width, in the arena.
    func run(
        _ description: ImageDescription, upTo last: InputStep, variation: InputVariation = InputVariation(),
        _ execution: Execution
    ) throws(ULDorError) -> (planes: UnsafeMutablePointer<Float>, height: Int, width: Int, geometry: InputGeometry) {
        let image = try description.validated(needsSpacing: resamples)
        let channels = config.slices
        let area = try checkedProduct(image.width, image.height)
        var geometry = InputGeometry()

        let hu: UnsafeMutablePointer<Float> = try execution.take(count: try checkedProduct(area, channels))
        try readSlices(image, into: hu, &geometry, execution)
        // The crop is decided in HU, before the window overwrites them.
        try findCrop(image, keySlice: hu + channels / 2 * area, &geometry, execution)
        if !execution.isMeasuring { shiftCrop(variation, &geometry) }
        findScale(image, variation, &geometry, isMeasuring: execution.isMeasuring)
        if last == .hu { return (hu, image.height, image.width, geometry) }

        try execution.run {
            uk_window(
                $0, hu, Int64(area * channels), config.windowLow, config.windowHigh, config.rangeLow, config.rangeHigh, hu)
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
        for channel in 0..<channels {
            let from = hu + channel * area + geometry.cropTop * image.width + geometry.cropLeft
            let isNormalised = last >= .normalised
            var resize = uk_resize(
                from: from, height: Int32(geometry.cropHeight), width: Int32(geometry.cropWidth), row_stride: Int64(image.width),
                scale_y: 1 / geometry.scaleY, scale_x: 1 / geometry.scaleX, out_height: Int32(geometry.height),
                out_width: Int32(geometry.width), mean: isNormalised ? config.mean(of: channel) : 0,
                std: isNormalised ? config.std(of: channel) : 1, to: output + channel * rows * columns, rows: Int32(rows),
                columns: Int32(columns))
            try execution.run { uk_resize_bilinear($0, &resize) }
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
        var bad: Int64 = -1
        try execution.run {
            uk_read_slice(
                $0, image.type.rawValue, origin, image.strideY, image.strideX, Int32(image.height), Int32(image.width),
                Float(image.slope), Float(image.intercept), plane, &bad)
        }
        guard bad < 0 else {
            let (y, x) = Int(bad).quotientAndRemainder(dividingBy: image.width)
            throw ULDorError(.image, "pixel x \(x), y \(y) of slice \(slice) is \(plane[Int(bad)]) HU")
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
            guard !execution.isMeasuring else { return }
            uk_threshold(keySlice, Int64(width * height), config.bodyThreshold, body)
            try execution.run {
                uk_binary_open($0, body, Int32(height), Int32(width), Int32(config.bodyOpening), scratch)
            }
            let bounds = uk_bounds(body, Int32(height), Int32(width))
            guard bounds.x1 > 0 else { return }
            (geometry.cropLeft, geometry.cropTop) = (Int(bounds.x0), Int(bounds.y0))
            (geometry.cropWidth, geometry.cropHeight) = (Int(bounds.x1 - bounds.x0), Int(bounds.y1 - bounds.y0))
        }
    }

    private func shiftCrop(_ variation: InputVariation, _ geometry: inout InputGeometry) {
        // At least a pixel is left.
        let left = Swift.min(Swift.max(geometry.cropLeft + variation.shiftLeft, 0), geometry.cropLeft + geometry.cropWidth - 1)
        let top = Swift.min(Swift.max(geometry.cropTop + variation.shiftTop, 0), geometry.cropTop + geometry.cropHeight - 1)
        geometry.cropWidth += geometry.cropLeft - left
        geometry.cropHeight += geometry.cropTop - top
        (geometry.cropLeft, geometry.cropTop) = (left, top)
    }

    /// Scale = spacing / 0.8 mm, then the long side capped; sizes rounded as OpenCV's resize(fx, fy) does.
    /// While measuring the crop is not known yet; without the cap on the long side each side is as long as any crop makes it.
    private func findScale(
        _ image: ImageDescription, _ variation: InputVariation, _ geometry: inout InputGeometry, isMeasuring: Bool
    ) {
        geometry.scaleX = (resamples ? image.spacingX / config.spacing : 1) * variation.scale
        geometry.scaleY = (resamples ? image.spacingY / config.spacing : 1) * variation.scale
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
}
