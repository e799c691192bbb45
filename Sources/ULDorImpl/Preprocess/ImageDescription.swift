import ULDorKernels

/// A host's image, described where it lies (uldor_image).
public struct ImageDescription {
    public enum PixelType: Int32 {
        case int16 = 1, uint16 = 2, float32 = 3
        var bytes: Int { self == .float32 ? 4 : 2 }
    }

    public var type: PixelType
    public var width, height, depth, keySlice: Int
    public var data: UnsafeRawPointer?
    public var slices: UnsafePointer<UnsafeRawPointer?>?
    public var dataBytes, offset: Int
    public var strideX, strideY, strideZ: Int
    public var slope, intercept: Double
    public var spacingX, spacingY, sliceInterval: Double

    public init(
        type: PixelType, width: Int, height: Int, depth: Int, keySlice: Int, data: UnsafeRawPointer?,
        slices: UnsafePointer<UnsafeRawPointer?>?, dataBytes: Int, offset: Int, strideX: Int, strideY: Int, strideZ: Int,
        slope: Double, intercept: Double, spacingX: Double, spacingY: Double, sliceInterval: Double
    ) {
        self.type = type
        self.width = width
        self.height = height
        self.depth = depth
        self.keySlice = keySlice
        self.data = data
        self.slices = slices
        self.dataBytes = dataBytes
        self.offset = offset
        self.strideX = strideX
        self.strideY = strideY
        self.strideZ = strideZ
        self.slope = slope
        self.intercept = intercept
        self.spacingX = spacingX
        self.spacingY = spacingY
        self.sliceInterval = sliceInterval
    }

    public static let maximalSide = 16384
    public static let maximalDepth = 65536

    var hasSpacing: Bool { spacingX > 0 && spacingY > 0 }

    /// Everything checked that can be without touching a pixel; packed strides filled in.
    func validated(needsSpacing: Bool) throws(ULDorError) -> ImageDescription {
        var image = self
        func bad(_ what: String) -> ULDorError { ULDorError(.image, what) }
        guard (1...Self.maximalSide).contains(width) else {
            throw bad("image.width is \(width), not within 1...\(Self.maximalSide)")
        }
        guard (1...Self.maximalSide).contains(height) else {
            throw bad("image.height is \(height), not within 1...\(Self.maximalSide)")
        }
        guard (1...Self.maximalDepth).contains(depth) else {
            throw bad("image.depth is \(depth), not within 1...\(Self.maximalDepth)")
        }
        guard (0..<depth).contains(keySlice) else { throw bad("image.key_slice is \(keySlice), not within 0..<\(depth)") }
        guard Float(slope).isFinite, Float(slope) != 0 else { throw bad("image.slope is \(slope)") }
        guard intercept.isFinite, Float(intercept).isFinite else { throw bad("image.intercept is \(intercept)") }
        try checkLengths(needsSpacing)
        if image.strideX == 0 { image.strideX = type.bytes }
        if image.strideY == 0 { image.strideY = try stride(image.strideX, width) }
        if image.strideZ == 0 { image.strideZ = try stride(image.strideY, height) }
        guard image.strideX.magnitude >= UInt(type.bytes) || width == 1 else {
            throw bad("image.stride_x_bytes is \(strideX): pixels of \(type.bytes) bytes would overlap")
        }
        try image.checkExtent()
        return image
    }

    private func checkLengths(_ needsSpacing: Bool) throws(ULDorError) {
        func bad(_ what: String) -> ULDorError { ULDorError(.image, what) }
        // Finer than any scanner, and more than a body: what lies beyond is a mistake of units.
        let plausible = 1e-3...1e3
        func check(_ name: StaticString, _ value: Double) throws(ULDorError) {
            guard value == 0 || plausible.contains(value) else {
                throw bad("image.\(name) is \(value), neither 0 (not known) nor within 0.001...1000 mm")
            }
        }
        try check("spacing_x_mm", spacingX)
        try check("spacing_y_mm", spacingY)
        try check("slice_interval_mm", sliceInterval)
        guard (spacingX > 0) == (spacingY > 0) else {
            throw bad("image.spacing_x_mm and spacing_y_mm: one is set, the other is not")
        }
        guard hasSpacing || !needsSpacing else {
            throw bad("image.spacing_x_mm is not known: set it, or ask for no_resampling")
        }
        guard sliceInterval > 0 || depth == 1 else {
            throw bad("image.slice_interval_mm is not known, but the image has \(depth) slices")
        }
    }

    private func stride(_ inner: Int, _ count: Int) throws(ULDorError) -> Int {
        let (product, overflow) = inner.multipliedReportingOverflow(by: count)
        guard !overflow else { throw ULDorError(.image, "image strides overflow") }
        return product
    }

    /// Every reachable byte lies within the buffer.
    private func checkExtent() throws(ULDorError) {
        func bad(_ what: String) -> ULDorError { ULDorError(.image, what) }
        guard (data == nil) != (slices == nil) else {
            throw bad(data == nil ? "image.data and image.slices are both NULL" : "image.data and image.slices are both set")
        }
        guard dataBytes >= 0, offset >= 0 else { throw bad("image.data_bytes or offset_bytes does not fit") }
        var low = offset
        var high = offset
        func reach(_ axis: StaticString, _ stride: Int, _ count: Int) throws(ULDorError) {
            let (span, overflow1) = stride.multipliedReportingOverflow(by: count - 1)
            let (end, overflow2) = (span < 0 ? low : high).addingReportingOverflow(span)
            guard !overflow1, !overflow2 else {
                throw bad("image.stride_\(axis)_bytes is \(stride): the image would not fit in memory")
            }
            if span < 0 { low = end } else { high = end }
        }
        try reach("x", strideX, width)
        try reach("y", strideY, height)
        if slices == nil { try reach("z", strideZ, depth) }
        let (end, overflow) = high.addingReportingOverflow(type.bytes)
        guard !overflow, low >= 0, end <= dataBytes else {
            throw bad("image: its strides reach bytes \(low)..<\(overflow ? high : end) of a buffer of \(dataBytes) (data_bytes)")
        }
        guard slices == nil || slices?[keySlice] != nil else { throw bad("image.slices[\(keySlice)], the key slice, is NULL") }
    }

    /// Address of pixel (0, 0) of a slice; nil where the slice is not there.
    func origin(ofSlice index: Int) -> UnsafeRawPointer? {
        if let slices { return slices[index].map { $0 + offset } }
        return data.map { $0 + (offset + index * strideZ) }
    }
}
