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
        let masksOffset = try place(findings.list.count * cells, MemoryLayout<Float>.stride)
        let spansOffset = try place(findings.spanCount, MemoryLayout<ContourSpan>.stride)
        let pointsOffset = try place(findings.pointCount, MemoryLayout<Point>.stride)
        let block = ResultBlock(
            allocatorUser: allocator.user, bytes: total, count: findings.list.count, width: frame.width, height: frame.height,
            missingNeighbours: frame.geometry?.missingNeighbours ?? 0, maskSize: model.mask.size,
            isContinuous: model.config.paste == .continuous, threshold: model.config.maskThreshold,
            findingsOffset: findingsOffset, masksOffset: masksOffset, spansOffset: spansOffset, pointsOffset: pointsOffset)
        let memory = try allocator.allocate(bytes: total)
        memory.bindMemory(to: Stored.self, capacity: 1).initialize(
            to: Stored(block: block, deallocate: allocator.deallocateFunction))
        copy(findings.list.elements, to: memory + findingsOffset)
        copy(UnsafeMutableBufferPointer(start: output.masks, count: findings.list.count * cells), to: memory + masksOffset)
        findings.copyContours(
            spans: (memory + spansOffset).bindMemory(to: ContourSpan.self, capacity: findings.spanCount),
            points: (memory + pointsOffset).bindMemory(to: Point.self, capacity: findings.pointCount))
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

    /// Pixels that are pasted at a time when nothing but the stack holds them: rows of most regions, since neighbours are interpolated
    /// from the same two lines of the mask.
    private static let chunk = 4096

    /// Horizontal runs of set pixels, row by row; a long one may come in pieces.
    private func forEachRun(_ index: Int, _ body: (_ x: Int, _ y: Int, _ length: Int) -> Void) {
        let paste = paste(index), region = paste.region
        guard paste.area > 0 else { return }
        let width = Swift.min(paste.width, Self.chunk), rows = Self.chunk / width
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.chunk) { buffer in
            guard let pixels = buffer.baseAddress else { return }
            for top in stride(from: region.y0, to: region.y1, by: rows) {
                let bottom = Swift.min(top + Int32(rows), region.y1)
                for first in stride(from: region.x0, to: region.x1, by: width) {
                    let part = uk_region(x0: first, y0: top, x1: Swift.min(first + Int32(width), region.x1), y1: bottom)
                    paste.fill(part, pixels)
                    let count = Int(part.x1 - part.x0)
                    for y in Int(top)..<Int(bottom) {
                        runs(of: pixels + (y - Int(top)) * count, count) { body(Int(first) + $0, y, $1) }
                    }
                }
            }
        }
    }

    /// Where pixels are set: first and length.
    private func runs(of pixels: UnsafePointer<Float>, _ count: Int, _ body: (_ x: Int, _ length: Int) -> Void) {
        var x = 0
        while x < count {
            let start = x
            while x < count, pixels[x] > block.threshold { x += 1 }
            if x > start { body(start, x - start) } else { x += 1 }
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
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.chunk) { buffer in
            guard let pixels = buffer.baseAddress else { return }
            // The piece of a column that is pasted now; pixels are asked for column by column, downwards.
            var column = -1
            var first = 0
            do throws(ULDorError) {
                try RunLength.encode(
                    placement,
                    isSet: { x, y in
                        if x != column || y >= first + Self.chunk {
                            (column, first) = (x, y)
                            let left = paste.region.x0 + Int32(x)
                            let top = paste.region.y0 + Int32(y)
                            let bottom = Swift.min(top + Int32(Self.chunk), paste.region.y1)
                            paste.fill(uk_region(x0: left, y0: top, x1: left + 1, y1: bottom), pixels)
                        }
                        return pixels[y - first] > threshold
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
