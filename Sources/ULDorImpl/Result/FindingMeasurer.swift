import ULDorKernels

/// Pastes, outlines and measures some of a call's findings, one after another; keeps its memory from call to call.
final class FindingMeasurer: @unchecked Sendable {
    // Unchecked: one thread at a time runs it.
    /// Contours of its findings, one finding's behind another's.
    private(set) var points: GrowableBuffer<Point>
    private(set) var spans: GrowableBuffer<ContourSpan>
    private(set) var failure: ULDorError?
    private var pasted: GrowableBuffer<Float>
    private var tracer: ContourTracer
    private var ruler: RecistMeasurer

    /// Rows that are pasted between two looks at whether to stop.
    private static let rows = 64

    init(allocator: Allocator) {
        points = GrowableBuffer(allocator: allocator)
        spans = GrowableBuffer(allocator: allocator)
        pasted = GrowableBuffer(allocator: allocator)
        tracer = ContourTracer(allocator: allocator)
        ruler = RecistMeasurer(allocator: allocator)
    }

    var bytes: Int { points.bytes + spans.bytes + pasted.bytes + tracer.bytes + ruler.bytes }

    /// Before a call.
    func begin() {
        points.removeAll()
        spans.removeAll()
        failure = nil
    }

    /// Findings `first`, `first + step` ...; the first error ends it and is kept in ``failure``. `firstContour` becomes a
    /// place among its own ``spans``.
    func measure(
        _ findings: UnsafeMutableBufferPointer<Finding>, _ masks: UnsafePointer<Float>, first: Int, step: Int,
        _ frame: ImageFrame, _ model: Model, _ exec: UnsafePointer<uk_exec>
    ) {
        let cells = model.mask.size * model.mask.size
        do throws(ULDorError) {
            for index in stride(from: first, to: findings.count, by: step) {
                try measure(&findings[index], mask: masks + index * cells, frame, model, exec)
            }
        } catch {
            failure = error
        }
    }

    private func measure(
        _ finding: inout Finding, mask: UnsafePointer<Float>, _ frame: ImageFrame, _ model: Model, _ exec: UnsafePointer<uk_exec>
    ) throws(ULDorError) {
        let paste = MaskPaste(mask: mask, box: finding.box, model: model, width: frame.width, height: frame.height)
        try pasted.renew(paste.area)
        guard paste.area > 0, let pixels = pasted.elements.baseAddress else { return }
        for row in stride(from: 0, to: paste.height, by: Self.rows) {
            guard !uk_is_stopping(exec) else { throw .cancelled }
            paste.fill(rows: row..<Swift.min(row + Self.rows, paste.height), pixels + row * paste.width)
        }
        let threshold = model.config.maskThreshold
        finding.area = Double(uk_count_above(pixels, Int64(paste.area), threshold))
        guard finding.area > 0 else { return }

        try tracer.trace(
            pixels, width: paste.width, height: paste.height, originX: Int(paste.region.x0), originY: Int(paste.region.y0),
            threshold: threshold)
        finding.firstContour = spans.count
        finding.contourCount = tracer.contours.count
        for span in tracer.contours.elements {
            let start = points.count
            try points.append(tracer.points.elements[span.start..<span.start + span.count])
            try spans.append(ContourSpan(start: start, count: span.count, signedArea: span.signedArea))
        }
        try measureDiameters(&finding, frame)
    }

    /// RECIST diameters of the largest contour.
    private func measureDiameters(_ finding: inout Finding, _ frame: ImageFrame) throws(ULDorError) {
        guard finding.contourCount > 0 else { return }
        let spacing = frame.spacing ?? (x: 1, y: 1)
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
