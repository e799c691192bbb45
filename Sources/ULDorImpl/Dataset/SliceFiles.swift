import Glibc
import ULDorPNG

/// The directories of a stored data set: slices and masks as PNG files.
final class SliceFiles: Sendable {
    let csvName: String
    let boxesName: String?
    let imageDirectory: String
    let maskDirectory: String?

    init(csvName: String, boxesName: String?, imageDirectory: String, maskDirectory: String?) {
        self.csvName = csvName
        self.boxesName = boxesName
        self.imageDirectory = imageDirectory
        self.maskDirectory = maskDirectory
    }

    /// " (DL_info.csv:17)": which row asks for an image; "" where none does.
    func row(of image: DatasetImage) -> String {
        guard image.line > 0, !image.isNegative else { return "" }
        return " (\(image.isBoxOnly ? boxesName ?? csvName : csvName):\(image.line))"
    }

    /// "DIRECTORY/000001_03_01/088.png".
    func imagePath(_ series: String, _ slice: Int) -> String { "\(imageDirectory)/\(Self.stem(series, slice)).png" }
    func maskPath(_ series: String, _ slice: Int) -> String? { maskDirectory.map { "\($0)/\(Self.stem(series, slice)).png" } }

    /// "000001_03_01/088".
    static func stem(_ series: String, _ slice: Int) -> String {
        let digits = String(slice)
        return "\(series)/\(String(repeating: "0", count: Swift.max(3 - digits.utf8.count, 0)))\(digits)"
    }

    /// Whether an image or a mask may lie at a path without symbolic links.
    func holdsImage(at place: String) -> Bool {
        place.hasSuffix(".png")
            && [imageDirectory, maskDirectory].contains { directory in
                directory.flatMap(FilePath.resolved).map { place.hasPrefix("\($0)/") } ?? false
            }
    }

    /// A directory whose name is mistyped would be one without masks.
    func checkMaskDirectory() throws(ULDorError) {
        guard let maskDirectory else { return }
        guard let directory = opendir(maskDirectory) else {
            throw ULDorError(.io, "\(maskDirectory): cannot read the masks' directory: \(systemReason(errno))")
        }
        closedir(directory)
    }

    // MARK: PNG

    /// Grey values of `bits` a pixel, width x height of them; false where there is no such file.
    static func read(
        _ path: String, bits: Int32, width: Int, height: Int, into pixels: UnsafeMutableRawPointer, allocator: Allocator
    ) throws(ULDorError) -> Bool {
        var memory = up_memory(
            user: allocator.user, allocate: allocator.allocateFunction, deallocate: allocator.deallocateFunction)
        var report = up_report()
        let status = up_read(path, bits, Int32(clamping: width), Int32(clamping: height), &memory, pixels, &report)
        return try isThere(path, status, report, width, height)
    }

    /// Looks at the header alone.
    static func check(_ path: String, bits: Int32, width: Int, height: Int) throws(ULDorError) -> Bool {
        var report = up_report()
        let status = up_check(path, bits, Int32(clamping: width), Int32(clamping: height), &report)
        return try isThere(path, status, report, width, height)
    }

    private static func isThere(
        _ path: String, _ status: Int32, _ report: up_report, _ width: Int, _ height: Int
    ) throws(ULDorError) -> Bool {
        var text = report.text
        let message = withUnsafeBytes(of: &text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        switch Int(status) {
        case UP_OK: return true
        case UP_MISSING: return false
        case UP_SYSTEM: throw ULDorError(.io, "\(path): cannot read: \(systemReason(report.number))")
        case UP_DAMAGED: throw ULDorError(.format, "\(path): damaged PNG: \(message)")
        case UP_KIND: throw ULDorError(.image, "\(path): \(message)")
        case UP_SIZE:
            throw ULDorError(.image, "\(path): \(report.width) x \(report.height) pixels, not \(width) x \(height)")
        default: throw ULDorError(.noMemory, "\(path): out of memory")
        }
    }

    static func missing(_ place: String) -> ULDorError { ULDorError(.io, "\(place): there is no such file") }

    // MARK: Directories

    /// Numbers of the slices that a series has, in their order; none where there is no such directory.
    func slices(of series: String, allocator: Allocator) throws(ULDorError) -> GrowableBuffer<Int> {
        var found = GrowableBuffer<Int>(allocator: allocator)
        let path = "\(imageDirectory)/\(series)"
        guard let directory = opendir(path) else {
            if errno == ENOENT { return found }
            throw ULDorError(.io, "\(path): cannot read: \(systemReason(errno))")
        }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            guard let slice = Self.number(entry) else { continue }
            try found.append(slice)
        }
        heapSort(found.elements) { $0 < $1 }
        return found
    }

    /// 88 for "088.png"; nil for names of another form.
    private static func number(_ entry: UnsafeMutablePointer<dirent>) -> Int? {
        withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            let name = bytes.prefix { $0 != 0 }
            guard (7...10).contains(name.count) else { return nil }
            let digits = name.dropLast(4), ending = name.suffix(4)
            guard ending.elementsEqual([46, 112, 110, 103]), digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
            // "0088" is not how slice 88 is spelt.
            guard digits.count == 3 || digits.first != 48 else { return nil }
            return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
        }
    }
}
