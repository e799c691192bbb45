import ULDorKernels

/// Scratch memory and settings of one stream of work; one call at a time, any further one is BUSY.
public final class Session: @unchecked Sendable {
    // Unchecked: `acquire` admits one thread at a time; `cancel` touches only an atomic state.
    public let model: Model
    let options: SessionOptions
    let execution: Execution
    let detector: Detector
    let pipeline: InputPipeline
    let allocator: Allocator
    /// The network's input as planes, between the two passes of a detection.
    var input: GrowableBuffer<Float>
    var findings: Findings
    public init(model: Model, options: SessionOptions) throws(ULDorError) {
        let allocator = options.allocator ?? model.allocator
        let (threads, conflict) = usableThreads(options.threads)
        if let conflict, let log = options.log { log(options.logUser, 1, "\(conflict): running on \(threads)") }
        guard let table = uk_table_for(options.instructions) else {
            throw ULDorError(.unsupported, "options.instructions is \(options.instructions), which this CPU lacks")
        }
        let progress = options.progress.map { Execution.Progress(function: $0, user: options.progressUser) }
        self.model = model
        self.options = options
        self.allocator = allocator
        execution = Execution(
            allocator: allocator, table: table, threads: threads, isExact: options.exact, memoryLimit: options.memoryLimit,
            progress: progress)
        detector = Detector(model, options)
        pipeline = InputPipeline(model, options)
        input = GrowableBuffer(allocator: allocator)
        findings = Findings(allocator: allocator, threads: threads)
    }

    // MARK: One call at a time

    public func acquire() -> Bool { execution.begin() }
    public func release() { execution.end() }

    /// Cancels the call that runs, if one does.
    public func cancel() { execution.cancel() }

    // MARK: What a host may ask

    public var threads: Int32 { execution.threads }
    public var instructions: UnsafePointer<CChar> { execution.table.pointee.name }
    public var memoryBytes: Int { execution.arena.capacity + input.bytes + findings.bytes }

    /// uldor_session_estimate_memory: what it holds now, or more.
    public func estimateMemory(height: Int, width: Int) throws(ULDorError) -> Int {
        let size = paddedSize(height, width)
        return Swift.max(try scratchBytes(size), execution.arena.capacity) + inputBytes(size) + findings.bytes
    }

    /// Scratch memory of the network: the pass is planned as for a real one, and no memory is taken for it.
    private func scratchBytes(_ size: InputSize) throws(ULDorError) -> Int {
        let execution = execution, detector = detector, channels = model.config.input.slices
        return try execution.measure { () throws(ULDorError) in
            let map = try execution.map(1, size.paddedHeight, size.paddedWidth, channels)
            return try detector.forward(map, size: size, execution)
        }
    }

    private func inputBytes(_ size: InputSize) -> Int {
        Swift.max(size.paddedHeight * size.paddedWidth * model.config.input.slices * MemoryLayout<Float>.stride, input.bytes)
    }

    /// Before anything is allocated for an input of this size. What findings take is not known before, and not counted: an input
    /// that was admitted once is admitted again.
    private func checkLimit(_ size: InputSize) throws(ULDorError) {
        guard let limit = options.memoryLimit else { return }
        let bytes = try scratchBytes(size) + inputBytes(size)
        guard bytes <= limit else {
            throw ULDorError(
                .noMemory,
                "an input of \(size.width) x \(size.height) takes \(bytes) bytes of scratch memory, options.memory_limit is \(limit)"
            )
        }
    }

    // MARK: Detection

    /// uldor_session_detect; the caller has acquired the session.
    public func detect(_ image: ImageDescription) throws(ULDorError) -> UnsafeMutableRawPointer {
        let pipeline = pipeline, execution = execution
        let (planes, height, width, geometry) = try execution.pass { () throws(ULDorError) in
            try pipeline.run(image, upTo: .padded, execution)
        }
        let channels = model.config.input.slices
        let size = InputSize(height: geometry.height, width: geometry.width, paddedHeight: height, paddedWidth: width)
        try checkLimit(size)
        try input.renew(height * width * channels)
        if let base = input.elements.baseAddress { base.update(from: planes, count: height * width * channels) }
        // An image may take more to prepare than its input takes to look at: what is left of the limit counts.
        if let limit = options.memoryLimit, execution.arena.capacity + input.bytes > limit { execution.arena.discard() }
        let output = try network(UnsafePointer(planesOfInput), rows: height, columns: width, size)
        let frame = ImageFrame(
            width: image.width, height: image.height, geometry: geometry,
            spacing: image.hasSpacing ? (image.spacingX, image.spacingY) : nil)
        return try result(output, frame)
    }

    /// uldor_session_forward: `tensor` is channels x height x width.
    public func forward(_ tensor: UnsafePointer<Float>, height: Int, width: Int) throws(ULDorError) -> UnsafeMutableRawPointer {
        let channels = model.config.input.slices, size = paddedSize(height, width)
        try checkLimit(size)
        let area = height * width
        let piece = 1 << 16
        for first in stride(from: 0, to: area * channels, by: piece) {
            try execution.checkCancelled()
            let bad = uk_first_not_finite(tensor + first, Int64(Swift.min(piece, area * channels - first)))
            guard bad >= 0 else { continue }
            let index = first + Int(bad)
            throw ULDorError(
                .image, "tensor holds \(tensor[index]) at channel \(index / area), y \(index % area / width), x \(index % width)")
        }
        let output = try network(tensor, rows: height, columns: width, size)
        return try result(output, ImageFrame(width: width, height: height, geometry: nil, spacing: nil))
    }

    func paddedSize(_ height: Int, _ width: Int) -> InputSize {
        let divisor = model.config.input.sizeDivisor
        return InputSize(
            height: height, width: width, paddedHeight: (height + divisor - 1) / divisor * divisor,
            paddedWidth: (width + divisor - 1) / divisor * divisor)
    }

    /// uldor_session_get_input.
    public func input(
        _ image: ImageDescription, step: InputStep
    ) throws(ULDorError) -> (planes: UnsafeMutablePointer<Float>, height: Int, width: Int, geometry: InputGeometry) {
        let pipeline = pipeline, execution = execution
        return try execution.pass { () throws(ULDorError) in try pipeline.run(image, upTo: step, execution) }
    }

    private var planesOfInput: UnsafeMutablePointer<Float> {
        // Never empty: an image has at least one pixel.
        input.elements.baseAddress.unsafelyUnwrapped
    }

    /// Planes of rows x columns into the padded input, and through the network.
    private func network(
        _ planes: UnsafePointer<Float>, rows: Int, columns: Int, _ size: InputSize
    ) throws(ULDorError) -> NetworkOutput {
        let execution = execution, detector = detector, channels = model.config.input.slices
        return try execution.pass(of: size) { () throws(ULDorError) in
            let map = try execution.map(1, size.paddedHeight, size.paddedWidth, channels)
            if !execution.isMeasuring {
                map.data.update(repeating: 0, count: map.count)
                var corner = map.map
                corner.height = Int32(rows)
                corner.width = Int32(columns)
                uk_from_planes(planes, Int32(channels), &corner)
            }
            return try detector.forward(map, size: size, execution)
        }
    }

    private func result(_ output: NetworkOutput, _ frame: ImageFrame) throws(ULDorError) -> UnsafeMutableRawPointer {
        try findings.collect(output, frame, model, execution)
        try execution.report(1, "done")
        return try ResultBlock.make(findings, output, frame, model, allocator)
    }
}
