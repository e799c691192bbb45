import ULDorKernels

/// The image that results refer to, and how the network's input was cut from it (nil: it is the input itself).
struct ImageFrame {
    var width, height: Int
    var geometry: InputGeometry?
    var spacing: (x: Double, y: Double)?

    /// From pixels of the network's input to pixels of the image.
    func box(_ box: Box) -> Box {
        guard let geometry else { return box }
        func x(_ value: Float) -> Float { Float(Double(value) / geometry.scaleX + Double(geometry.cropLeft)) }
        func y(_ value: Float) -> Float { Float(Double(value) / geometry.scaleY + Double(geometry.cropTop)) }
        return Box(x1: x(box.x1), y1: y(box.y1), x2: x(box.x2), y2: y(box.y2)).clipped(width: Float(width), height: Float(height))
    }
}

/// One finding as the header's uldor_detection has it, with its contours' place among all.
public struct Finding: BitwiseCopyable {
    public var classIndex: Int32 = 0
    public var hasRecist = false, hasMillimetres = false
    public var score: Float = 0, lesion: Float = 0, falsePositive: Float = 0
    public var x1 = 0.0, y1 = 0.0, x2 = 0.0, y2 = 0.0
    public var area = 0.0, areaMillimetres = 0.0
    public var long = Diameter(), short = Diameter()
    var box = Box(x1: 0, y1: 0, x2: 0, y2: 0)
    var firstContour = 0, contourCount = 0

    public struct Diameter: BitwiseCopyable {
        public var a = Point(x: 0, y: 0), b = Point(x: 0, y: 0)
        public var pixels = 0.0, millimetres = 0.0
    }
}

/// Pastes, outlines and measures the network's masks in the image; keeps its memory from call to call.
struct Findings: ~Copyable {
    var list: GrowableBuffer<Finding>
    var points: GrowableBuffer<Point>
    var spans: GrowableBuffer<ContourSpan>
    private var pasted: GrowableBuffer<Float>
    private var tracer: ContourTracer
    private var ruler: RecistMeasurer

    init(allocator: Allocator) {
        list = GrowableBuffer(allocator: allocator)
        points = GrowableBuffer(allocator: allocator)
        spans = GrowableBuffer(allocator: allocator)
        pasted = GrowableBuffer(allocator: allocator)
        tracer = ContourTracer(allocator: allocator)
        ruler = RecistMeasurer(allocator: allocator)
    }

    var bytes: Int { list.bytes + points.bytes + spans.bytes + pasted.bytes + tracer.bytes + ruler.bytes }

    mutating func collect(
        _ output: NetworkOutput, _ frame: ImageFrame, _ model: Model, _ execution: Execution
    ) throws(ULDorError) {
        list.removeAll()
        points.removeAll()
        spans.removeAll()
        let cells = model.mask.size * model.mask.size
        for index in 0..<output.count {
            try execution.checkCancelled()
            let detection = output.detections[index]
            var finding = Finding()
            finding.classIndex = detection.classIndex
            finding.score = detection.score
            finding.lesion = detection.lesion
            finding.falsePositive = detection.falsePositive
            finding.box = frame.box(detection.box)
            // What lay in the last, rounded-up row or column of the input may have no extent in the image.
            guard finding.box.width > 0, finding.box.height > 0 else { continue }
            (finding.x1, finding.y1) = (Double(finding.box.x1), Double(finding.box.y1))
            (finding.x2, finding.y2) = (Double(finding.box.x2), Double(finding.box.y2))
            finding.hasMillimetres = frame.spacing != nil
            // Masks close ranks with the findings.
            let mask = output.masks + list.count * cells
            if index > list.count { mask.update(from: output.masks + index * cells, count: cells) }
            try measure(&finding, mask: mask, frame, model, execution)
            try list.append(finding)
        }
    }

    private mutating func measure(
        _ finding: inout Finding, mask: UnsafePointer<Float>, _ frame: ImageFrame, _ model: Model, _ execution: Execution
    ) throws(ULDorError) {
        let paste = MaskPaste(mask: mask, box: finding.box, model: model, width: frame.width, height: frame.height)
        try pasted.resize(paste.area)
        guard paste.area > 0, let pixels = pasted.elements.baseAddress else { return }
        for row in 0..<paste.height {
            try execution.checkCancelled()
            paste.fill(row: row, pixels + row * paste.width)
        }
        let threshold = model.config.maskThreshold
        for index in 0..<paste.area where pixels[index] > threshold { finding.area += 1 }
        guard finding.area > 0 else { return }

        try tracer.trace(
            pixels, width: paste.width, height: paste.height, originX: Int(paste.region.x0), originY: Int(paste.region.y0),
            threshold: threshold)
        finding.firstContour = spans.count
        finding.contourCount = tracer.contours.count
        for index in 0..<tracer.contours.count {
            var span = tracer.contours.elements[index]
            let start = points.count
            for place in span.start..<span.start + span.count { try points.append(tracer.points.elements[place]) }
            span.start = start
            try spans.append(span)
        }

        let spacing = frame.spacing ?? (x: 1, y: 1)
        guard finding.contourCount > 0 else { return }
        let first = spans.elements[finding.firstContour]
        let outline = UnsafeBufferPointer(rebasing: points.elements[first.start..<first.start + first.count])
        guard let diameters = try ruler.measure(points: outline, spacingX: spacing.x, spacingY: spacing.y) else { return }
        finding.hasRecist = true
        finding.long = Finding.Diameter(a: diameters.longStart, b: diameters.longEnd, pixels: diameters.longPixels)
        finding.short = Finding.Diameter(a: diameters.shortStart, b: diameters.shortEnd, pixels: diameters.shortPixels)
        if frame.spacing != nil {
            finding.long.millimetres = diameters.longMillimetres
            finding.short.millimetres = diameters.shortMillimetres
            finding.areaMillimetres = finding.area * spacing.x * spacing.y
        }
    }
}

/// A mask pasted at its box in the image (method, section 8; docs/weights.md, `mask.paste`).
struct MaskPaste {
    let mask: UnsafePointer<Float>
    let size: Int32
    let box: Box
    let isContinuous: Bool
    let region: uk_region

    init(mask: UnsafePointer<Float>, box: Box, model: Model, width: Int, height: Int) {
        self.init(
            mask: mask, size: model.mask.size, box: box, isContinuous: model.config.paste == .continuous, width: width,
            height: height)
    }

    init(mask: UnsafePointer<Float>, size: Int, box: Box, isContinuous: Bool, width: Int, height: Int) {
        self.mask = mask
        self.size = Int32(size)
        self.box = box
        self.isContinuous = isContinuous
        region = uk_paste_region(Int32(size), box.corners, isContinuous, Int32(height), Int32(width))
    }

    var width: Int { Swift.max(0, Int(region.x1 - region.x0)) }
    var height: Int { Swift.max(0, Int(region.y1 - region.y0)) }
    var area: Int { width * height }

    /// Probabilities of the region's pixels, row by row.
    func fill(_ pixels: UnsafeMutablePointer<Float>) { fill(region, pixels) }

    /// The same for one of its rows.
    func fill(row: Int, _ pixels: UnsafeMutablePointer<Float>) {
        let y = region.y0 + Int32(row)
        fill(uk_region(x0: region.x0, y0: y, x1: region.x1, y1: y + 1), pixels)
    }

    /// The same for a part of the region.
    func fill(_ region: uk_region, _ pixels: UnsafeMutablePointer<Float>) {
        uk_paste(mask, size, box.corners, isContinuous, region, pixels)
    }
}

extension Box {
    var corners: uk_box { uk_box(x1: x1, y1: y1, x2: x2, y2: y2) }
}
