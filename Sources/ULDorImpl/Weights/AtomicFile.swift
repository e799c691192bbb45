import Glibc
import ULDorKernels

/// A file that is there whole or not at all: written beside its place as PATH.partial, flushed to the disk, and renamed.
///
/// What is there already stays until the new one is complete, whatever happens in between. A partial file that a killed process
/// left behind is taken over by the next one; two processes that write the same path at once are told apart by a lock.
final class AtomicFile: ByteSink {
    let path: String
    /// Whether a file is in its place already.
    let replacesFile: Bool
    private let target, partial: String
    private var file: Int32

    /// Errors are IO and name the path as it was given.
    init(_ path: String) throws(ULDorError) {
        self.path = path
        // Renaming over a symbolic link would replace the link: what it points to is meant.
        target = FilePath.resolved(path) ?? path
        partial = "\(target).partial"
        var status = stat()
        replacesFile = stat(target, &status) == 0
        if replacesFile, status.st_mode & S_IFMT != S_IFREG {
            throw ULDorError(.io, "\(path): cannot write: not a regular file")
        }
        file = try Self.open(partial, path)
    }

    deinit { discard() }

    /// Closes and removes what was written so far.
    func discard() {
        guard file >= 0 else { return }
        unlink(partial)
        close(file)
        file = -1
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(ULDorError) {
        do throws(ULDorError) {
            try SystemWrite.all(file, bytes, at: nil, path: path)
        } catch {
            discard()
            throw error
        }
    }

    /// Takes the disk's room for a file of so many bytes, and for others of its size beside it, until this one is discarded. File systems
    /// that cannot do that are trusted.
    func reserve(_ bytes: Int, copies: Int) throws(ULDorError) {
        guard uk_system_reserve(file, Int64(bytes), Int32(copies)) == 0 else { throw failure(errno) }
    }

    /// Puts the file in its place.
    func commit() throws(ULDorError) {
        guard fsync(file) == 0 || errno == EINVAL else { throw failure(errno) }
        guard rename(partial, target) == 0 else { throw failure(errno) }
        close(file)
        file = -1
        flushDirectory()
    }

    // MARK: The system

    private func failure(_ number: Int32) -> ULDorError {
        discard()
        return ULDorError(.io, "\(path): cannot write: \(systemReason(number))")
    }

    private static func open(_ partial: String, _ path: String) throws(ULDorError) -> Int32 {
        func bad(_ reason: String) -> ULDorError { ULDorError(.io, "\(path): cannot write: \(reason)") }
        // Twice is enough but for a third process that does the same at the same time.
        for _ in 0..<100 {
            let file = Glibc.open(partial, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0o666)
            guard file >= 0 else { throw bad(systemReason(errno)) }
            var mine = stat(), there = stat()
            guard fstat(file, &mine) == 0, mine.st_mode & S_IFMT == S_IFREG else {
                close(file)
                throw bad("\(partial) is not a regular file")
            }
            // A file system without locks writes as well; it only cannot tell two writers apart.
            if flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
                close(file)
                throw bad("another process is writing it")
            }
            // Renamed between open and lock: it is somebody's finished file now.
            guard stat(partial, &there) == 0, there.st_ino == mine.st_ino, there.st_dev == mine.st_dev else {
                close(file)
                continue
            }
            guard ftruncate(file, 0) == 0 else {
                let reason = systemReason(errno)
                close(file)
                throw bad(reason)
            }
            return file
        }
        throw bad("\(partial) is being replaced again and again")
    }

    /// So that the new name survives a loss of power. Not every file system can; the file is in its place all the same.
    private func flushDirectory() {
        let cut = target.utf8.lastIndex(of: UInt8(ascii: "/"))
        let directory = cut.map { $0 == target.startIndex ? "/" : String(target[..<$0]) } ?? "."
        let handle = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { return }
        fsync(handle)
        close(handle)
    }
}

/// Writing that ends only with all bytes or an error, and leaves signals alone.
enum SystemWrite {
    /// `offset` nil: where the file's position is.
    static func all(_ file: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int?, path: String) throws(ULDorError) {
        guard let base = bytes.baseAddress else { return }
        var done = 0
        while done < bytes.count {
            // The system writes at most 2 GiB at once.
            let (written, error) = once(file, base + done, Swift.min(bytes.count - done, 1 << 26), offset.map { $0 + done })
            if written < 0 && error == EINTR { continue }
            guard written > 0 else {
                throw ULDorError(.io, "\(path): cannot write: \(systemReason(error == 0 ? ENOSPC : error))")
            }
            done += written
        }
    }

    /// A write past the process's limit on file sizes (RLIMIT_FSIZE) would kill the host with SIGXFSZ: it is held back and becomes
    /// an error like a full disk.
    private static func once(
        _ file: Int32, _ bytes: UnsafeRawPointer, _ count: Int, _ offset: Int?
    ) -> (Int, Int32) {
        var limit = sigset_t(), before = sigset_t(), pending = sigset_t()
        sigemptyset(&limit)
        sigaddset(&limit, SIGXFSZ)
        sigpending(&pending)
        let wasPending = sigismember(&pending, SIGXFSZ) == 1
        pthread_sigmask(SIG_BLOCK, &limit, &before)
        let written = offset.map { pwrite(file, bytes, count, off_t($0)) } ?? write(file, bytes, count)
        let error = written < 0 ? errno : 0
        if error == EFBIG, !wasPending {
            var now = timespec(tv_sec: 0, tv_nsec: 0)
            while sigtimedwait(&limit, nil, &now) < 0 && errno == EINTR {}
        }
        pthread_sigmask(SIG_SETMASK, &before, nil)
        return (written, error)
    }
}
