/// A window for each series: a CSV with the columns series, x1, y1, x2, y2, 1-based, both ends included.
final class WindowTable {
    struct Entry: BitwiseCopyable {
        var series: TextPool.Text
        var window: Window
        var line: Int
    }

    let name: String
    private var texts: TextPool
    private var entries: GrowableBuffer<Entry>
    private var table: NameTable

    init(path: String, allocator: Allocator) throws(ULDorError) {
        let csv = try CSVReader(path: path, allocator: allocator)
        name = csv.name
        texts = TextPool(allocator: allocator)
        entries = GrowableBuffer(allocator: allocator)
        table = NameTable(allocator: allocator)
        let header = try CSVHeader(csv)
        let columns =
            [try header.require("series"), try header.require("x1"), try header.require("y1")]
            + [try header.require("x2"), try header.require("y2")]
        while try csv.next() {
            try header.checkCount()
            try add(csv, columns)
        }
    }

    private func add(_ csv: CSVReader, _ columns: [Int]) throws(ULDorError) {
        func side(_ index: Int, _ name: StaticString) throws(ULDorError) -> Int {
            let field = csv.field(columns[index])
            guard let value = FieldText.integer(field, 1...ImageDescription.maximalSide) else {
                throw csv.error("\(name) is \(FieldText.shown(field)), not within 1...\(ImageDescription.maximalSide)")
            }
            return value
        }
        let series = FieldText.trimmed(csv.field(columns[0]))
        let x1 = try side(1, "x1"), y1 = try side(2, "y1"), x2 = try side(3, "x2"), y2 = try side(4, "y2")
        guard x1 <= x2, y1 <= y2 else { throw csv.error("the window \(x1), \(y1), \(x2), \(y2) has no area") }
        if let known = find(series) {
            throw csv.error("series \(FieldText.shown(series)) has a window already, on line \(known.line)")
        }
        let window = Window(left: x1 - 1, top: y1 - 1, width: x2 - x1 + 1, height: y2 - y1 + 1)
        try table.insert(NameTable.hash(series), entries.count)
        try entries.append(Entry(series: try texts.add(series), window: window, line: csv.line))
    }

    func find(_ series: UnsafeBufferPointer<UInt8>) -> Entry? {
        table.find(NameTable.hash(series)) { texts[entries.elements[$0].series].elementsEqual(series) }.map {
            entries.elements[$0]
        }
    }
}

/// The first record of a CSV: which column is which.
struct CSVHeader {
    private let csv: CSVReader
    private var names: [String] = []

    /// DeepLesion has 18 columns; a thousand are not a table of lesions.
    private static let largestCount = 1000

    init(_ csv: CSVReader) throws(ULDorError) {
        self.csv = csv
        guard try csv.next() else { throw ULDorError(.format, "\(csv.name): an empty file") }
        guard csv.fieldCount <= Self.largestCount else { throw csv.error("\(csv.fieldCount) columns") }
        for index in 0..<csv.fieldCount {
            names.append(String(decoding: FieldText.trimmed(csv.field(index)), as: UTF8.self))
        }
    }

    func find(_ name: String) -> Int? { names.firstIndex(of: name) }

    func require(_ name: String) throws(ULDorError) -> Int {
        guard let index = find(name) else {
            throw ULDorError(.format, "\(csv.name): there is no column \(name) in its first line")
        }
        return index
    }

    /// A row has as many fields as there are columns.
    func checkCount() throws(ULDorError) {
        guard csv.fieldCount == names.count else {
            throw csv.error("\(csv.fieldCount) fields, but there are \(names.count) columns")
        }
    }
}
