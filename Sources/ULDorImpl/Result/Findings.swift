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

/// The network's masks pasted, outlined and measured in the image; keeps its memory from call to call.
struct Findings: ~Copyable {
    var list: GrowableBuffer<Finding>
    /// Each has every so manieth finding, whatever thread it runs on: what memory is needed does not depend on threads' luck.
    private let measurers: [FindingMeasurer]

    init(allocator: Allocator, threads: Int32) {
        list = GrowableBuffer(allocator: allocator)
        measurers = (0..<Swift.max(threads, 1)).map { _ in FindingMeasurer(allocator: allocator) }
    }

    var bytes: Int { measurers.reduce(list.bytes) { $0 + $1.bytes } }

    var spanCount: Int { measurers.reduce(0) { $0 + $1.spans.count } }
    var pointCount: Int { measurers.reduce(0) { $0 + $1.points.count } }

    mutating func collect(
        _ output: NetworkOutput, _ frame: ImageFrame, _ model: Model, _ execution: Execution
    ) throws(ULDorError) {
        list.removeAll()
        let cells = model.mask.size * model.mask.size
        for index in 0..<output.count {
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
            try list.append(finding)
        }
        try measure(output, frame, model, execution)
        // Contours lie measurer by measurer from here on, as copyContours() lays them.
        let findings = list.elements
        var before = 0
        for (first, measurer) in measurers.enumerated() {
            for index in stride(from: first, to: findings.count, by: measurers.count) { findings[index].firstContour += before }
            before += measurer.spans.count
        }
    }

    /// Writes ``spanCount`` spans, which count from `points` on, and ``pointCount`` points.
    func copyContours(spans: UnsafeMutablePointer<ContourSpan>, points: UnsafeMutablePointer<Point>) {
        var span = 0, point = 0
        for measurer in measurers {
            for from in measurer.spans.elements {
                spans[span] = ContourSpan(start: point + from.start, count: from.count, signedArea: from.signedArea)
                span += 1
            }
            for from in measurer.points.elements {
                points[point] = from
                point += 1
            }
        }
    }

    /// What the measurers' jobs share; on the caller's stack.
    private struct Work {
        let findings: UnsafeMutableBufferPointer<Finding>
        let masks: UnsafePointer<Float>
        let measurers: [FindingMeasurer]
        let frame: ImageFrame
        let model: Model
        let exec: UnsafePointer<uk_exec>
    }

    private func measure(
        _ output: NetworkOutput, _ frame: ImageFrame, _ model: Model, _ execution: Execution
    ) throws(ULDorError) {
        let findings = list.elements, measurers = measurers
        for measurer in measurers { measurer.begin() }
        try execution.run { exec in
            let work = Work(findings: findings, masks: output.masks, measurers: measurers, frame: frame, model: model, exec: exec)
            return withUnsafePointer(to: work) { work in
                uk_parallel_for(
                    exec, Int64(measurers.count),
                    { context, job, _ in
                        guard let work = context?.assumingMemoryBound(to: Work.self).pointee else { return }
                        work.measurers[Int(job)].measure(
                            work.findings, work.masks, first: Int(job), step: work.measurers.count, work.frame, work.model,
                            work.exec)
                    }, work)
            }
        }
        for measurer in measurers { if let failure = measurer.failure { throw failure } }
    }
}
