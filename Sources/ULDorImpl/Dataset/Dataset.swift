/// What a host sets on a dataset (uldor_dataset_options).
public struct DatasetOptions {
    public typealias LogFunction = SessionOptions.LogFunction

    public enum MaskRule: Int32, Sendable {
        case pseudo = 0, given = 1, givenOrPseudo = 2, none = 3
    }

    public var allocator = Allocator.system
    public var log: LogFunction?
    public var logUser: UnsafeMutableRawPointer?
    public var csvPath, imageDirectory, maskDirectory, boxesPath, windowsPath: String?
    public var masks = MaskRule.pseudo
    public var keepsNoisy = false, skipsBadRows = false, skipsBadImages = false
    /// Slices without a row and without a mask become images without lesions.
    public var addsUnmasked = false

    public init() {}

    func warn(_ message: String) {
        if let log { log(logUser, 1, message) }
    }
}

/// Pixels of the stored image that an image consists of.
struct Window: BitwiseCopyable, Equatable {
    var left = 0, top = 0, width = 0, height = 0
}

/// An image of a dataset, without its pixels.
struct DatasetImage: BitwiseCopyable {
    var name: TextPool.Text
    /// Of ``Dataset/series``; -1: a host's own.
    var series: Int
    var slice: Int
    var patient: Int64
    var line: Int
    var split: Split
    /// Of the stored image.
    var width, height: Int
    var window: Window
    /// 0: not known.
    var spacingX, spacingY, interval: Double
    /// Range of ``Dataset/lesions``.
    var firstLesion = 0, lesionCount = 0
    /// While it is built: lesions that lie outside of the window; a slice without a row.
    var outside = 0
    var isNegative = false
    /// `line` is one of the table of further boxes.
    var isBoxOnly = false
}

/// An annotated lesion, in pixels of the window.
struct DatasetLesion: BitwiseCopyable {
    var x1, y1, x2, y2: Double
    var recist: InlineArray<8, Double>
    var hasRecist: Bool
    /// A host gives one, or the data set has a directory of masks.
    var hasGivenMask: Bool
    var type: Int
    var classIndex: Int
    var line: Int
    var image: Int

    func length(_ diameter: Int, scaleX: Double = 1, scaleY: Double = 1) -> Double {
        guard hasRecist else { return 0 }
        let x = (recist[4 * diameter + 2] - recist[4 * diameter]) * scaleX
        let y = (recist[4 * diameter + 3] - recist[4 * diameter + 1]) * scaleY
        return (x * x + y * y).squareRoot()
    }
}

/// A series of stored slices.
struct DatasetSeries: BitwiseCopyable {
    var name: TextPool.Text
    var patient: Int64
    var line: Int
    var split: Split
    var width, height: Int
    var window: Window
    var spacingX, spacingY, interval: Double
}

/// What was found, and what was left out (uldor_dataset_info).
public struct DatasetCounts: Sendable {
    public var images = 0, lesions = 0, negatives = 0
    public var imagesOfSplit: InlineArray<4, Int> = InlineArray(repeating: 0)
    public var lesionsOfSplit: InlineArray<4, Int> = InlineArray(repeating: 0)
    public var rows = 0, noisyRows = 0, badRows = 0, badImages = 0, repeatedBoxes = 0
    public var lesionsOutsideWindow = 0, imagesOutsideWindow = 0
}

/// Annotated slices. Immutable once opened: any number of threads may read it.
public final class Dataset: @unchecked Sendable {
    // Unchecked: its builders are done with it before anybody else sees it.
    enum Storage {
        case files(SliceFiles)
        case host(HostSource)
    }

    let allocator: Allocator
    let options: DatasetOptions
    let storage: Storage
    var images: GrowableBuffer<DatasetImage>
    var lesions: GrowableBuffer<DatasetLesion>
    var series: GrowableBuffer<DatasetSeries>
    var texts: TextPool
    /// Images by (series, slice) or by name.
    var table: NameTable
    var seriesTable: NameTable
    public internal(set) var counts = DatasetCounts()

    init(_ options: DatasetOptions, _ storage: Storage) {
        allocator = options.allocator
        self.options = options
        self.storage = storage
        images = GrowableBuffer(allocator: allocator)
        lesions = GrowableBuffer(allocator: allocator)
        series = GrowableBuffer(allocator: allocator)
        texts = TextPool(allocator: allocator)
        table = NameTable(allocator: allocator)
        seriesTable = NameTable(allocator: allocator)
    }

    // MARK: What it holds

    public var count: Int { images.count }

    /// `index` 0..<count.
    func image(_ index: Int) -> DatasetImage { images.elements[index] }
    func lesion(_ image: DatasetImage, _ index: Int) -> DatasetLesion { lesions.elements[image.firstLesion + index] }
    func name(of index: Int) -> String { texts.string(images.elements[index].name) }

    /// What messages call an image: its file and, where it has one, the line that names it.
    func place(of index: Int) -> String {
        let image = images.elements[index]
        guard case .files(let files) = storage else { return "source image \(index) (\(texts.string(image.name)))" }
        return "\(files.imagePath(texts.string(series.elements[image.series].name), image.slice))\(files.row(of: image))"
    }

    // MARK: Names

    public func find(_ name: UnsafeBufferPointer<UInt8>) -> Int? {
        switch storage {
        case .host:
            return table.find(NameTable.hash(name)) { texts[images.elements[$0].name].elementsEqual(name) }
        case .files:
            guard let parts = SliceName(name) else { return nil }
            guard let series = findSeries(parts.series) else { return nil }
            return find(series: series, slice: parts.slice)
        }
    }

    func findSeries(_ name: UnsafeBufferPointer<UInt8>) -> Int? {
        seriesTable.find(NameTable.hash(name)) { texts[series.elements[$0].name].elementsEqual(name) }
    }

    func find(series: Int, slice: Int) -> Int? {
        table.find(Self.hash(series: series, slice: slice)) {
            images.elements[$0].series == series && images.elements[$0].slice == slice
        }
    }

    static func hash(series: Int, slice: Int) -> UInt64 {
        NameTable.hash(UnsafeBufferPointer(start: nil, count: 0), series &* 0x1_0000_0000 &+ slice)
    }
}

/// "000001_03_01_088.png", "000001_03_01/088.png" or "000001_03_01/088".
struct SliceName {
    let series: UnsafeBufferPointer<UInt8>
    let slice: Int

    static let largestSlice = 999_999

    init?(_ text: UnsafeBufferPointer<UInt8>) {
        var name = text[...]
        let ending: StaticString = ".png"
        if name.count > 4, ending.withUTF8Buffer({ name.suffix(4).elementsEqual($0) }) { name = name.dropLast(4) }
        let slash = name.lastIndex(of: UInt8(ascii: "/"))
        guard let separator = slash ?? name.lastIndex(of: UInt8(ascii: "_")) else { return nil }
        let digits = name[(separator + 1)...], series = name[..<separator]
        guard (1...6).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        // A name of a directory here, not a way out of it.
        guard !series.isEmpty, series.count <= 200, series.first != UInt8(ascii: "."),
            series.allSatisfy({ $0 > 32 && $0 != 127 && $0 != UInt8(ascii: "/") })
        else { return nil }
        slice = digits.reduce(0) { $0 * 10 + Int($1 - 48) }
        self.series = UnsafeBufferPointer(rebasing: series)
    }
}
