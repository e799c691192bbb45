import Glibc
import ULDorKernels

/// Where a weights file's bytes come from: the host's memory, or a file that is read piece by piece (so that
/// loading never holds the file and the packed weights at once), or mapped.
final class ByteSource {
    let count: Int
    /// What messages call it.
    let name: String
    private let memory: UnsafeRawPointer?
    private let file: Int32
    private let isMapped: Bool

    init(memory: UnsafeRawPointer, count: Int) {
        self.memory = memory
        self.count = count
        self.name = "weights in memory"
        self.file = -1
        self.isMapped = false
    }

    init(path: UnsafePointer<CChar>, memoryMap: Bool) throws(ULDorError) {
        name = String(cString: path)
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard file >= 0 else { throw ULDorError(.io, "\(name): cannot open: \(systemReason(errno))") }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            let reason = systemReason(errno)
            close(file)
            throw ULDorError(.io, "\(name): cannot read: \(reason)")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(file)
            throw ULDorError(.io, "\(name): not a regular file")
        }
        count = Int(status.st_size)
        guard memoryMap, count > 0 else {
            memory = nil
            isMapped = false
            self.file = file
            return
        }
        let mapped = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0)
        let reason = systemReason(errno)
        close(file)
        guard let mapped, mapped != MAP_FAILED else { throw ULDorError(.io, "\(name): cannot map: \(reason)") }
        memory = UnsafeRawPointer(mapped)
        isMapped = true
        self.file = -1
    }

    /// The file at a path, read piece by piece.
    static func open(_ path: String) throws(ULDorError) -> ByteSource {
        var source: ByteSource?, failure: ULDorError?
        path.withCString {
            do throws(ULDorError) { source = try ByteSource(path: $0, memoryMap: false) } catch { failure = error }
        }
        guard let source else { throw failure ?? ULDorError(.io, "\(path): cannot open") }
        return source
    }

    deinit {
        if isMapped, let memory { munmap(UnsafeMutableRawPointer(mutating: memory), count) }
        if file >= 0 { close(file) }
    }

    /// Where the file is mapped, as long as this object lives; nil where it is not.
    var mapped: UnsafeRawPointer? { isMapped ? memory : nil }

    /// Why bytes could not be read: an error number, or that the file ended before them.
    enum Failure: BitwiseCopyable {
        case system(Int32)
        case shortened
    }

    /// Copies `length` bytes at `offset`, which the caller has checked against ``count``. From any number of threads.
    func copy(at offset: Int, length: Int, into destination: UnsafeMutableRawPointer) -> Failure? {
        if let memory {
            destination.copyMemory(from: memory + offset, byteCount: length)
            return nil
        }
        var done = 0
        while done < length {
            let n = pread(file, destination + done, length - done, off_t(offset + done))
            if n < 0 && errno == EINTR { continue }
            guard n >= 0 else { return .system(errno) }
            guard n > 0 else { return .shortened }
            done += n
        }
        return nil
    }

    func error(_ failure: Failure) -> ULDorError {
        switch failure {
        case .system(let number): ULDorError(.io, "\(name): cannot read: \(systemReason(number))")
        case .shortened: ULDorError(.io, "\(name): the file became shorter while it was read")
        }
    }

    func read(at offset: Int, length: Int, into destination: UnsafeMutableRawPointer) throws(ULDorError) {
        if let failure = copy(at: offset, length: length, into: destination) { throw error(failure) }
    }
}

/// The system's text for an error number.
func systemReason(_ number: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
        guard let base = buffer.baseAddress else { return "" }
        uk_system_reason(number, base, buffer.count)
        return String(cString: base)
    }
}
