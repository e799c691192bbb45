import ULDorKernels

/// A result as one block from the session's allocator: header, findings, mask probabilities, contour spans, points. No
/// Swift object, so that a host's loop of detections allocates nothing else.
public struct ResultBlock: BitwiseCopyable {
    /// What the C boundary recognises a result by.
    public static let magic: UInt64 = 0x554c_446f_7252_6573

    var magic = ResultBlock.magic
    let allocatorUser: UnsafeMutableRawPointer?
    let bytes: Int
    public let count, width, height, missingNeighbours, maskSize: Int
    let isContinuous: Bool
    let threshold: Float
    let findingsOffset, masksOffset, spansOffset, pointsOffset: Int

    /// The pointer is the handle; free with ``free(_:)``.
    static func make(
        _ findings: borrowing Findings, _ output: NetworkOutput, _ frame: ImageFrame, _ model: Model, _ allocator: Allocator
    ) throws(ULDorError) -> UnsafeMutableRawPointer {
        let cells = model.mask.size * model.mask.size
        var total = MemoryLayout<Stored>.stride
        func place(_ count: Int, _ stride: Int) throws(ULDorError) -> Int {
            let start = (total + 15) / 16 * 16
            total = start + (try checkedProduct(count, stride, of: "result"))
            return start
        }
        let findingsOffset = try place(findings.list.count, MemoryLayout<Finding>.stride)
        let masksOffset = try place(output.count * cells, MemoryLayout<Float>.stride)
        let spansOffset = try place(findings.spans.count, MemoryLayout<ContourSpan>.stride)
        let pointsOffset = try place(findings.points.count, MemoryLayout<Point>.stride)
        let block = ResultBlock(
            allocatorUser: allocator.user, bytes: total, count: findings.list.count, width: frame.width, height: frame.height,
            missingNeighbours: frame.geometry?.missingNeighbours ?? 0, maskSize: model.mask.size,
            isContinuous: model.config.paste == .continuous, threshold: model.config.maskThreshold,
            findingsOffset: findingsOffset, masksOffset: masksOffset, spansOffset: spansOffset, pointsOffset: pointsOffset)
        let memory = try allocator.allocate(bytes: total)
        memory.bindMemory(to: Stored.self, capacity: 1).initialize(
            to: Stored(block: block, deallocate: allocator.deallocateFunction))
        copy(findings.list.elements, to: memory + findingsOffset)
        copy(UnsafeMutableBufferPointer(start: output.masks, count: output.count * cells), to: memory + masksOffset)
        copy(findings.spans.elements, to: memory + spansOffset)
        copy(findings.points.elements, to: memory + pointsOffset)
        return memory
    }

    private static func copy<Element: BitwiseCopyable>(
        _ from: UnsafeMutableBufferPointer<Element>, to: UnsafeMutableRawPointer
    ) {
        guard let base = from.baseAddress, from.count > 0 else { return }
        to.copyMemory(from: base, byteCount: from.count * MemoryLayout<Element>.stride)
    }

    private struct Stored {
        var block: ResultBlock
        let deallocate: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int) -> Void
    }

    public static func free(_ pointer: UnsafeMutableRawPointer) {
        let stored = pointer.assumingMemoryBound(to: Stored.self)
        let (user, bytes, deallocate) = (
            stored.pointee.block.allocatorUser, stored.pointee.block.bytes, stored.pointee.deallocate
        )
        stored.pointee.block.magic = 0
        deallocate(user, pointer, bytes)
    }
}

/// Reads a result; valid as long as its block.
public struct ResultView {
    private let memory: UnsafeRawPointer
    public let block: ResultBlock

    public init(_ memory: UnsafeRawPointer) {
        self.memory = memory
        block = memory.load(as: ResultBlock.self)
    }

    public func finding(_ index: Int) -> Finding {
        (memory + block.findingsOffset).assumingMemoryBound(to: Finding.self)[index]
    }

    public func probabilities(_ index: Int) -> UnsafePointer<Float> {
        (memory + block.masksOffset).assumingMemoryBound(to: Float.self) + index * block.maskSize * block.maskSize
    }

    public func contourCount(_ index: Int) -> Int { finding(index).contourCount }

    public func contour(_ index: Int, _ contour: Int) -> UnsafeBufferPointer<Point> {
        let spans = (memory + block.spansOffset).assumingMemoryBound(to: ContourSpan.self)
        let span = spans[finding(index).firstContour + contour]
        let points = (memory + block.pointsOffset).assumingMemoryBound(to: Point.self)
        return UnsafeBufferPointer(start: points + span.start, count: span.count)
    }

    private func paste(_ index: Int) -> MaskPaste {
        MaskPaste(
            mask: probabilities(index), size: block.maskSize, box: finding(index).box, isContinuous: block.isContinuous,
            width: block.width, height: block.height)
    }

    /// Bitmap of the whole image, 0 or 1; the caller has checked the buffer.
    public func fillBitmap(_ index: Int, into out: UnsafeMutablePointer<UInt8>, rowStride: Int) {
        for y in 0..<block.height { (out + y * rowStride).update(repeating: 0, count: block.width) }
        forEachRun(index) { x, y, length in (out + y * rowStride + x).update(repeating: 1, count: length) }
    }

    /// Horizontal runs of set pixels, row by row. Pastes a row at a time, so no memory is needed.
    private func forEachRun(_ index: Int, _ body: (_ x: Int, _ y: Int, _ length: Int) -> Void) {
        let paste = paste(index)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Swift.max(paste.width, 1)) { row in
            guard let base = row.baseAddress, paste.area > 0 else { return }
            for y in Int(paste.region.y0)..<Int(paste.region.y1) {
                paste.fill(row: y, base)
                var x = 0
                while x < paste.width {
                    let start = x
                    while x < paste.width, base[x] > block.threshold { x += 1 }
                    if x > start { body(Int(paste.region.x0) + start, y, x - start) } else { x += 1 }
                }
            }
        }
    }

    /// COCO's run lengths; returns how many there are, of which at most `capacity` are written.
    public func runLengths(
        _ index: Int, into counts: UnsafeMutablePointer<UInt32>?, capacity: Int
    ) throws(ULDorError) -> Int {
        let paste = paste(index)
        let placement = RunLength.Placement(
            width: paste.width, height: paste.height, originX: Int(paste.region.x0), originY: Int(paste.region.y0),
            imageWidth: block.width, imageHeight: block.height)
        let threshold = block.threshold
        var written = 0
        var failure: ULDorError?
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Swift.max(paste.height, 1)) { pixels in
            guard let column = pixels.baseAddress else { return }
            var filled = -1
            do throws(ULDorError) {
                try RunLength.encode(
                    placement,
                    isSet: { x, y in
                        if x != filled {
                            paste.fill(column: Int(paste.region.x0) + x, column)
                            filled = x
                        }
                        return column[y] > threshold
                    },
                    emit: { run in
                        if let counts, written < capacity { counts[written] = run }
                        written += 1
                    })
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return written
    }
}

extension MaskPaste {
    func fill(row y: Int, _ pixels: UnsafeMutablePointer<Float>) {
        fill(uk_region(x0: region.x0, y0: Int32(y), x1: region.x1, y1: Int32(y) + 1), pixels)
    }

    func fill(column x: Int, _ pixels: UnsafeMutablePointer<Float>) {
        fill(uk_region(x0: Int32(x), y0: region.y0, x1: Int32(x) + 1, y1: region.y1), pixels)
    }
}
