import ULDorKernels

/// What a pass runs with: scratch memory, threads, kernels, the flag that cancels it and the host's progress callback.
///
/// Layers call kernels only through its methods, which do nothing while the arena measures.
final class Execution {
    var arena: Arena
    let table: UnsafePointer<uk_table>
    let threads: Int32
    /// UK_FAST, UK_GENTLE or UK_DIRECT: what convolutions may be computed by, and what their gradients.
    private(set) var algorithms: Int32
    let gradientAlgorithms: Int32
    private let keepsGroups: Bool
    /// UK_IDLE, UK_RUNNING or UK_STOPPING: one word, so that a cancel reaches the call that runs and no other.
    private let state: UnsafeMutablePointer<Int32>
    private let progress: Progress?
    /// The input that was planned for last, and what its pass takes.
    private var planned: (size: InputSize, bytes: Int)?

    struct Progress {
        let function: @convention(c) (UnsafeMutableRawPointer?, Double, UnsafePointer<CChar>?) -> Int32
        let user: UnsafeMutableRawPointer?
    }

    /// `isGentle`, for learning: convolutions round hardly more than direct sums, but for their gradients and what is run
    /// ``freely(_:)``, and all maps are dense.
    init(
        allocator: Allocator, table: UnsafePointer<uk_table>, threads: Int32, isExact: Bool, isGentle: Bool = false,
        memoryLimit: Int? = nil, progress: Progress?
    ) {
        arena = Arena(allocator: allocator, limit: memoryLimit)
        self.table = table
        self.threads = threads
        algorithms = Int32(isExact ? UK_DIRECT : isGentle ? UK_GENTLE : UK_FAST)
        gradientAlgorithms = Int32(isExact ? UK_DIRECT : UK_FAST)
        keepsGroups = !isGentle
        self.progress = progress
        state = .allocate(capacity: 1)
        state.initialize(to: Int32(UK_IDLE))
    }

    deinit { state.deallocate() }

    var isMeasuring: Bool { arena.isMeasuring }

    /// Runs `body` with convolutions as fast as gradients are: for what is not learnt from.
    func freely<Value>(_ body: () throws(ULDorError) -> Value) throws(ULDorError) -> Value {
        let before = algorithms
        algorithms = gradientAlgorithms
        defer { algorithms = before }
        return try body()
    }

    // MARK: Cancellation and progress

    /// False where a call runs already.
    func begin() -> Bool { uk_flag_exchange(state, Int32(UK_IDLE), Int32(UK_RUNNING)) }
    func end() { uk_flag_store(state, Int32(UK_IDLE)) }
    func cancel() { _ = uk_flag_exchange(state, Int32(UK_RUNNING), Int32(UK_STOPPING)) }

    func checkCancelled() throws(ULDorError) {
        guard uk_flag_load(state) != Int32(UK_STOPPING) else { throw .cancelled }
    }

    func report(_ fraction: Double, _ stage: StaticString) throws(ULDorError) {
        guard !isMeasuring else { return }
        if let progress {
            let stop = stage.withUTF8Buffer { name in
                progress.function(
                    progress.user, fraction, UnsafeRawPointer(name.baseAddress)?.assumingMemoryBound(to: CChar.self))
            }
            if stop != 0 { throw .cancelled }
        }
        try checkCancelled()
    }

    // MARK: Memory

    func take<Element: BitwiseCopyable>(
        _ type: Element.Type = Element.self, count: Int
    ) throws(ULDorError) -> UnsafeMutablePointer<Element> {
        try arena.take(type, count: count)
    }

    func map(_ batch: Int, _ height: Int, _ width: Int, _ channels: Int) throws(ULDorError) -> FeatureMap {
        let count = try checkedProduct(try checkedProduct(batch, height, width, of: "feature map"), channels, of: "feature map")
        return FeatureMap(data: try take(count: count), batch: batch, height: height, width: width, channels: channels)
    }

    /// A map that only convolutions read and write: in groups of channels, where they fit and no gradient reads it. A 1 x 1 convolution
    /// then reads its pixels where they lie. The values are the same.
    func hiddenMap(_ batch: Int, _ height: Int, _ width: Int, _ channels: Int) throws(ULDorError) -> FeatureMap {
        guard keepsGroups, channels % Int(UK_PANEL) == 0 else { return try map(batch, height, width, channels) }
        let pixels = try checkedProduct(batch, height, width, of: "feature map")
        // Lines between groups: at powers of two all would fall into the same sets of a cache.
        let stride = try checkedProduct(pixels + 33, Int(UK_PANEL), of: "feature map")
        let count = try checkedProduct(channels / Int(UK_PANEL), stride, of: "feature map")
        return FeatureMap(
            data: try take(count: count), batch: batch, height: height, width: width, channels: channels, groupStride: stride)
    }

    /// Runs `body` and gives back the scratch memory that it took.
    func scratch<Value>(_ body: () throws(ULDorError) -> Value) throws(ULDorError) -> Value {
        let mark = arena.mark
        defer { arena.release(to: mark) }
        return try body()
    }

    /// Runs a pass twice: to measure its scratch memory, and for real. Its memory is valid until the next pass. An input of
    /// the `size` that was measured last takes the same memory, whatever is in it: its pass runs once.
    func pass<Value>(of size: InputSize? = nil, _ body: () throws(ULDorError) -> Value) throws(ULDorError) -> Value {
        if let size, let planned, size == planned.size, planned.bytes <= arena.capacity {
            arena.restart()
        } else {
            try plan(body)
            if let size { planned = (size, arena.peak) }
        }
        return try body()
    }

    private func plan<Value>(_ body: () throws(ULDorError) -> Value) throws(ULDorError) {
        arena.beginMeasuring()
        do throws(ULDorError) {
            _ = try body()
        } catch {
            arena.abandonMeasuring()
            throw error
        }
        try arena.endMeasuring()
    }

    /// Bytes of scratch memory that a pass would take.
    func measure<Value>(_ body: () throws(ULDorError) -> Value) throws(ULDorError) -> Int {
        arena.beginMeasuring()
        defer { arena.abandonMeasuring() }
        _ = try body()
        return arena.peak
    }

    // MARK: Kernels

    func run(_ kernel: (UnsafePointer<uk_exec>) -> Int32) throws(ULDorError) {
        guard !isMeasuring else { return }
        var exec = uk_exec(threads: threads, state: state)
        guard kernel(&exec) == UK_OK else { throw .cancelled }
    }
}
