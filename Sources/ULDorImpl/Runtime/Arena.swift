/// One block of scratch memory, handed out as a stack.
///
/// A forward pass is run twice: while `isMeasuring`, addresses are handed out that nobody touches, and the peak is noted;
/// then the block is made that large and the pass runs for real. So the plan of buffers is the code of the pass
/// itself, and the memory of a session is that of the largest input it has seen.
struct Arena: ~Copyable {
    private let allocator: Allocator
    private var base: UnsafeMutableRawPointer?
    private(set) var capacity = 0
    private var used = 0
    private(set) var peak = 0
    private let limit: Int?
    private(set) var isMeasuring = false

    /// `limit`: bytes that it may hold at most, nil: any number.
    init(allocator: Allocator, limit: Int?) {
        self.allocator = allocator
        self.limit = limit
    }

    deinit { if let base { allocator.deallocate(base, bytes: capacity) } }

    /// Gives the block back; what was taken from it is gone.
    mutating func discard() {
        if let base { allocator.deallocate(base, bytes: capacity) }
        base = nil
        capacity = 0
    }

    /// Takes everything back that was handed out.
    mutating func restart() { used = 0 }

    mutating func beginMeasuring() {
        isMeasuring = true
        used = 0
        peak = 0
    }

    /// Ends measuring and makes the block as large as was asked for.
    mutating func endMeasuring() throws(ULDorError) {
        isMeasuring = false
        used = 0
        guard peak > capacity else { return }
        if let limit, peak > limit {
            throw ULDorError(.noMemory, "the call takes \(peak) bytes of scratch memory, options.memory_limit is \(limit)")
        }
        discard()
        base = try allocator.allocate(bytes: peak)
        capacity = peak
    }

    mutating func abandonMeasuring() {
        isMeasuring = false
        used = 0
    }

    mutating func take<Element: BitwiseCopyable>(
        _ type: Element.Type = Element.self, count: Int
    ) throws(ULDorError) -> UnsafeMutablePointer<Element> {
        let bytes = try checkedProduct(Swift.max(count, 1), MemoryLayout<Element>.stride, of: "scratch memory")
        let start = used
        let rounded = (bytes + Allocator.alignment - 1) / Allocator.alignment * Allocator.alignment
        let (end, overflow) = used.addingReportingOverflow(rounded)
        guard !overflow else { throw .tooLarge("scratch memory") }
        used = end
        if isMeasuring {
            peak = Swift.max(peak, used)
            // Never dereferenced; any address but zero will do.
            guard let pointer = UnsafeMutableRawPointer(bitPattern: Allocator.alignment + start) else {
                throw .tooLarge("scratch memory")
            }
            return pointer.assumingMemoryBound(to: type)
        }
        guard let base, used <= capacity else {
            throw ULDorError(.internal, "scratch memory: \(used) bytes were asked for, \(capacity) were planned")
        }
        return (base + start).bindMemory(to: type, capacity: Swift.max(count, 1))
    }

    var mark: Int { used }
    mutating func release(to mark: Int) { used = mark }
}
