import ULDorKernels

/// What a host sets on a session (uldor_session_options); nil stands for the model's own value.
public struct SessionOptions {
    public typealias ProgressFunction = @convention(c) (UnsafeMutableRawPointer?, Double, UnsafePointer<CChar>?) -> Int32
    public typealias LogFunction = @convention(c) (UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?) -> Void

    public var allocator: Allocator?
    public var log: LogFunction?
    public var logUser: UnsafeMutableRawPointer?
    public var progress: ProgressFunction?
    public var progressUser: UnsafeMutableRawPointer?
    /// 0: all cores that the process may use.
    public var threads: Int32 = 0
    /// UK_BEST, UK_PORTABLE, UK_AVX2, UK_AVX512.
    public var instructions: Int32 = 0
    public var scoreThreshold, nmsThreshold: Float?
    public var detections, proposals: Int?
    public var classRule: ClassRule?
    public var noResampling = false, noBodyCrop = false
    /// Neither Winograd nor Strassen.
    public var exact = false
    /// Detections of the class of false positives are results, too.
    public var keepsFalsePositives = false
    /// Bytes that the session may hold; nil: no limit.
    public var memoryLimit: Int?

    public init() {}
}

/// How many threads may be used: 1 where starting OpenMP would abort the process. OpenMP is started here, so that no other
/// runtime can come in between.
public func usableThreads(_ requested: Int32) -> (count: Int32, conflict: String?) {
    let count = requested > 0 ? requested : uk_available_cores()
    guard count > 1 else { return (count, nil) }
    if let reason = uk_openmp_conflict() { return (1, String(cString: reason)) }
    uk_start_openmp()
    return (count, nil)
}
