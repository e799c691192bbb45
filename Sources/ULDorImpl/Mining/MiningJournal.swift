import Glibc

/// PATH.part: what was mined so far, line by line as it comes, so that a run that is cancelled or killed goes on from there.
final class MiningJournal: ByteSink {
    private let path: String
    private let file: Int32

    /// Opens PATH.part, which is made where it is not there. Another process that writes it is an error.
    init(_ target: String, mustBeThere: Bool) throws(ULDorError) {
        let path = "\(target).part"
        self.path = path
        func bad(_ reason: String) -> ULDorError { ULDorError(.io, "\(path): cannot write: \(reason)") }
        let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | (mustBeThere ? 0 : O_CREAT)
        let file = open(path, flags, 0o666)
        guard file >= 0 else { throw bad(systemReason(errno)) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(file)
            throw bad("not a regular file")
        }
        if flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
            close(file)
            throw bad("another process is writing it")
        }
        self.file = file
    }

    deinit { close(file) }

    enum Foreign {
        /// What belongs to another run is an error.
        case isError
        /// It is overwritten.
        case isOverwritten
        /// So is everything.
        case allIsOverwritten
    }

    /// Takes over what an earlier run left: images are appended to `mined`. A line that a kill cut off is forgotten.
    func begin(
        _ origin: MinedText.Origin, _ list: MiningList, split: Split, _ foreign: Foreign, into mined: MinedSet
    ) throws(ULDorError) {
        var end = 0
        if foreign != .allIsOverwritten {
            let bytes = try MinedFile.read(path, allocator: mined.allocator)
            do throws(ULDorError) {
                end = try takeOver(UnsafeBufferPointer(bytes.elements), origin, list, split, into: mined)
            } catch {
                guard foreign == .isOverwritten, error.status == .invalidArgument || error.status == .format else { throw error }
                mined.removeAll()
            }
        }
        guard ftruncate(file, off_t(end)) == 0, lseek(file, off_t(end), SEEK_SET) >= 0 else {
            throw ULDorError(.io, "\(path): cannot write: \(systemReason(errno))")
        }
        if end == 0 { try MinedText.write(MinedText.first(origin), to: self) }
    }

    private func takeOver(
        _ text: UnsafeBufferPointer<UInt8>, _ origin: MinedText.Origin, _ list: MiningList, _ split: Split,
        into mined: MinedSet
    ) throws(ULDorError) -> Int {
        guard text.contains(UInt8(ascii: "\n")) else {
            // Killed while it wrote the first line, or somebody else's file.
            guard MinedText.first(origin).utf8.starts(with: text) else {
                throw ULDorError(.format, "\(path):1: not what a mining left behind")
            }
            return 0
        }
        var reader = MinedReader(
            text, name: path, dataset: list.examples.dataset, split: split, allocator: mined.allocator)
        try reader.compare(try reader.origin(), origin)
        var end = reader.end, number = 0
        while try reader.next(into: mined, isWhole: false) == .image {
            // Images that could not be read are left out of the file.
            let index = mined.images.elements[mined.images.count - 1].index
            while number < list.count, list[number] < index { number += 1 }
            guard number < list.count, list[number] == index else {
                throw ULDorError(.format, "\(path): image \(list.examples.name(of: index)) is not one to be mined")
            }
            end = reader.end
        }
        return end
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(ULDorError) {
        try SystemWrite.all(file, bytes, at: nil, path: path)
    }

    /// The finished file is in its place.
    func remove() { unlink(path) }
}
