import CULDor
import ULDorImpl
import ULDorKernels

/// Runs a call's body and turns what it throws into a status and this thread's message.
func boundary(_ body: () throws(ULDorError) -> Void) -> uldor_status {
    do throws(ULDorError) {
        try body()
        return Status.ok.rawValue
    } catch {
        return fail(error)
    }
}

func fail(_ error: ULDorError) -> uldor_status {
    uk_set_last_error(error.message)
    return error.status.rawValue
}

/// An argument that must not be NULL.
func require<Value>(_ value: Value?, _ name: StaticString) throws(ULDorError) -> Value {
    guard let value else { throw .invalidArgument("\(name) is NULL") }
    return value
}

func requireIndex(_ index: Int32, _ count: Int, _ name: StaticString) throws(ULDorError) -> Int {
    guard index >= 0, Int(index) < count else { throw .invalidArgument("\(name) is \(index), not within 0..<\(count)") }
    return Int(index)
}

// MARK: Structs that carry their size

/// Reads an input struct of a caller that may be older (a shorter struct: the rest keeps its defaults) or newer (a longer
/// one: what this library does not know must be zero). `struct_size` is the first field.
func readStruct<Value>(
    _ pointer: UnsafePointer<Value>, defaults: Value, minimum: Int, _ name: StaticString
) throws(ULDorError) -> Value {
    let raw = UnsafeRawPointer(pointer)
    let size = raw.loadUnaligned(as: Int.self)
    guard size >= minimum, size <= 1 << 16 else {
        throw .invalidArgument("\(name).struct_size is \(UInt(bitPattern: size)); use \(name)_init or sizeof")
    }
    for offset in Swift.min(MemoryLayout<Value>.size, size)..<size where raw.load(fromByteOffset: offset, as: UInt8.self) != 0 {
        throw .invalidArgument("\(name) has a field, at byte \(offset), that this version of the library does not know")
    }
    var value = defaults
    withUnsafeMutableBytes(of: &value) {
        $0.copyMemory(from: UnsafeRawBufferPointer(start: raw, count: Swift.min(size, $0.count)))
    }
    return value
}

/// Fills a caller's struct as far as the caller knows it; bytes beyond what this library knows become zero.
func writeStruct<Value>(
    _ value: Value, to pointer: UnsafeMutablePointer<Value>, minimum: Int, _ name: StaticString
) throws(ULDorError) {
    let raw = UnsafeMutableRawPointer(pointer)
    let size = raw.loadUnaligned(as: Int.self)
    guard size >= minimum, size <= 1 << 16 else {
        throw .invalidArgument("\(name).struct_size is \(UInt(bitPattern: size)); set it to sizeof(*\(name))")
    }
    withUnsafeBytes(of: value) { bytes in
        guard let base = bytes.baseAddress else { return }
        // The caller's struct_size stays what it is.
        let known = Swift.min(size, bytes.count), header = MemoryLayout<Int>.size
        (raw + header).copyMemory(from: base + header, byteCount: known - header)
        if size > known { (raw + known).initializeMemory(as: UInt8.self, repeating: 0, count: size - known) }
    }
}

/// An `_init` function: the caller's struct of `size` bytes gets the defaults as far as it reaches.
func initialise<Value>(
    _ pointer: UnsafeMutablePointer<Value>?, _ size: Int, _ defaults: Value, minimum: Int, _ name: StaticString
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let pointer = try require(pointer, name)
        guard size >= minimum, size <= 1 << 16 else {
            throw .invalidArgument("struct_size is \(UInt(bitPattern: size)), not that of a \(name)")
        }
        UnsafeMutableRawPointer(pointer).storeBytes(of: size, as: Int.self)
        try writeStruct(defaults, to: pointer, minimum: minimum, name)
    }
}

// MARK: Buffers

/// The two-call pattern: NULL with capacity 0 asks for the size; true where there is a buffer to fill, large enough.
func hasRoom<Element>(
    _ buffer: UnsafeMutablePointer<Element>?, capacity: Int, needed: Int, _ name: StaticString
) throws(ULDorError) -> Bool {
    guard buffer != nil else {
        guard capacity == 0 else { throw .invalidArgument("\(name) is NULL, but its capacity is \(UInt(bitPattern: capacity))") }
        return false
    }
    guard capacity >= needed || capacity < 0 else {
        throw ULDorError(.bufferTooSmall, "\(name) has room for \(capacity), \(needed) are needed")
    }
    return true
}

/// A height x width bitmap with a row stride: checked to reach its last pixel. Returns the stride.
func bitmapStride(
    width: Int, height: Int, capacity: Int, rowStride: Int
) throws(ULDorError) -> Int {
    let stride = rowStride == 0 ? width : rowStride
    guard stride >= width else { throw .invalidArgument("row_stride_bytes is \(rowStride), less than the width of \(width)") }
    let (rows, overflow1) = stride.multipliedReportingOverflow(by: height - 1)
    let (needed, overflow2) = rows.addingReportingOverflow(width)
    guard !overflow1, !overflow2, capacity < 0 || capacity >= needed else {
        throw ULDorError(
            .bufferTooSmall, "out has room for \(capacity) bytes, \(overflow1 || overflow2 ? "more" : "\(needed)") are needed")
    }
    return stride
}
