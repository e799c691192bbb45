import ULDorKernels

/// The host's allocator, or the system's.
///
/// Everything whose size depends on input is allocated through one (docs/architecture.md, "Memory").
public struct Allocator: @unchecked Sendable {
    // Unchecked: the host promises that its functions may be called from several threads (uldor.h).
    let user: UnsafeMutableRawPointer?
    let allocateFunction: @convention(c) (UnsafeMutableRawPointer?, Int, Int) -> UnsafeMutableRawPointer?
    let deallocateFunction: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int) -> Void

    public init(
        user: UnsafeMutableRawPointer?,
        allocate: @escaping @convention(c) (UnsafeMutableRawPointer?, Int, Int) -> UnsafeMutableRawPointer?,
        deallocate: @escaping @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int) -> Void
    ) {
        self.user = user
        self.allocateFunction = allocate
        self.deallocateFunction = deallocate
    }

    public static let system = Allocator(
        user: nil,
        allocate: { _, bytes, alignment in uk_system_allocate(bytes, alignment) },
        deallocate: { _, pointer, bytes in uk_system_free(pointer, bytes) })

    /// Cache line, and a whole AVX-512 vector.
    static let alignment = 64

    func allocate(bytes: Int) throws(ULDorError) -> UnsafeMutableRawPointer {
        guard bytes > 0 else { throw .tooLarge("an empty allocation") }
        guard let pointer = allocateFunction(user, bytes, Self.alignment) else { throw .noMemory(bytes: bytes) }
        return pointer
    }

    func deallocate(_ pointer: UnsafeMutableRawPointer, bytes: Int) { deallocateFunction(user, pointer, bytes) }
}

/// Product of sizes, or an error where it does not fit in half the address space.
func checkedProduct(_ a: Int, _ b: Int, _ c: Int = 1, of what: String = "buffer") throws(ULDorError) -> Int {
    let (ab, overflow1) = a.multipliedReportingOverflow(by: b)
    let (abc, overflow2) = ab.multipliedReportingOverflow(by: c)
    guard !overflow1, !overflow2, a >= 0, b >= 0, c >= 0, abc <= Int.max / 2 else { throw .tooLarge(what) }
    return abc
}
