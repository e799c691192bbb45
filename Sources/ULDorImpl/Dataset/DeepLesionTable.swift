/// Reads DL_info.csv into a dataset: its 18 published columns by their names, 1-based coordinates, noisy rows, splits.
///
/// Every row is checked; what cannot be used is an error or, where the options say so, a counted warning.
final class DeepLesionTable {
    private let dataset: Dataset
    private let windows: WindowTable?
    private let csv: CSVReader
    private let header: CSVHeader
    private let name, recist, box, spacing, size, split: Int
    private let patient, keySlice, type, noisy: Int?

    init(_ path: String, _ windows: WindowTable?, _ dataset: Dataset) throws(ULDorError) {
        self.dataset = dataset
        self.windows = windows
        csv = try CSVReader(path: path, allocator: dataset.allocator)
        header = try CSVHeader(csv)
        name = try header.require("File_name")
        recist = try header.require("Measurement_coordinates")
        box = try header.require("Bounding_boxes")
        spacing = try header.require("Spacing_mm_px_")
        size = try header.require("Image_size")
        split = try header.require("Train_Val_Test")
        patient = header.find("Patient_index")
        keySlice = header.find("Key_slice_index")
        type = header.find("Coarse_lesion_type")
        noisy = header.find("Possibly_noisy")
    }

    func read() throws(ULDorError) {
        try dataset.readRows(csv, header, counting: true) { () throws(ULDorError) in try addRow() }
    }

    // MARK: A row

    private func addRow() throws(ULDorError) {
        let series = try readSeries()
        let image = try dataset.image(series.index, series.slice, DatasetImageSeed(series.row, csv))
        if let noisy {
            let field = csv.field(noisy)
            guard let value = FieldText.integer(field, 0...1) else { throw bad("Possibly_noisy", field, "0 or 1 is expected") }
            if value == 1, !dataset.options.keepsNoisy {
                dataset.counts.noisyRows += 1
                return
            }
        }
        try dataset.addLesion(try readLesion(image, series.row), to: image, series.row)
    }

    private func bad(_ column: StaticString, _ field: FieldText.Bytes, _ why: String) -> ULDorError {
        csv.error("\(column) is \(FieldText.shown(field)): \(why)")
    }

    /// What a row says of its slice, checked against what other rows of the series said.
    private func readSeries() throws(ULDorError) -> (index: Int, slice: Int, row: DatasetSeries) {
        let field = FieldText.trimmed(csv.field(name))
        guard let parts = SliceName(field) else { throw bad("File_name", field, "SERIES_SLICE.png is expected") }
        if let keySlice {
            let field = csv.field(keySlice)
            guard FieldText.integer(field, parts.slice...parts.slice) != nil else {
                throw bad("Key_slice_index", field, "File_name says \(parts.slice)")
            }
        }
        var row = DatasetSeries(
            name: TextPool.Text(), patient: try readPatient(parts), line: csv.line, split: try readSplit(), width: 0, height: 0,
            window: Window(), spacingX: 0, spacingY: 0, interval: 0)
        try readSize(&row)
        try readSpacing(&row)
        row.window = try readWindow(parts.series, row)
        if let known = dataset.findSeries(parts.series) {
            let first = dataset.series.elements[known]
            guard first.split == row.split else {
                throw bad(
                    "Train_Val_Test", csv.field(split), "line \(first.line) of the same series says \(first.split.rawValue)")
            }
            return (known, parts.slice, row)
        }
        return (try dataset.addSeries(row, parts.series), parts.slice, row)
    }

    private func readPatient(_ parts: SliceName) throws(ULDorError) -> Int64 {
        if let patient {
            let field = csv.field(patient)
            guard let value = FieldText.integer(field, 0...1 << 52) else {
                throw bad("Patient_index", field, "a whole number is expected")
            }
            return Int64(value)
        }
        let digits = parts.series.prefix { $0 != UInt8(ascii: "_") }
        guard let value = FieldText.integer(UnsafeBufferPointer(rebasing: digits), 0...1 << 52) else {
            throw bad("File_name", csv.field(name), "it should begin with the patient's number")
        }
        return Int64(value)
    }

    private func readSplit() throws(ULDorError) -> Split {
        let field = csv.field(split)
        guard let value = FieldText.integer(field, 1...3), let split = Split(rawValue: Int32(value)) else {
            throw bad("Train_Val_Test", field, "1 (train), 2 (validation) or 3 (test) is expected")
        }
        return split
    }

    /// Rows, columns.
    private func readSize(_ row: inout DatasetSeries) throws(ULDorError) {
        let field = csv.field(size)
        let limit = ImageDescription.maximalSide
        var values: InlineArray<2, Double> = InlineArray(repeating: 0)
        guard Self.numbers(field, &values), let height = Int(exactly: values[0]), let width = Int(exactly: values[1]),
            (1...limit).contains(height), (1...limit).contains(width)
        else { throw bad("Image_size", field, "rows and columns within 1...\(limit) are expected") }
        (row.height, row.width) = (height, width)
    }

    private func readSpacing(_ row: inout DatasetSeries) throws(ULDorError) {
        let field = csv.field(spacing)
        var values: InlineArray<3, Double> = InlineArray(repeating: 0)
        let plausible = 1e-3...1e3
        guard Self.numbers(field, &values), plausible.contains(abs(values[0])), plausible.contains(abs(values[1])),
            plausible.contains(abs(values[2]))
        else { throw bad("Spacing_mm_px_", field, "three lengths within 0.001...1000 mm are expected") }
        // Some published slice intervals are negative: the direction of the series.
        (row.spacingX, row.spacingY, row.interval) = (abs(values[0]), abs(values[1]), abs(values[2]))
    }

    private func readWindow(_ series: UnsafeBufferPointer<UInt8>, _ row: DatasetSeries) throws(ULDorError) -> Window {
        guard let windows else { return Window(left: 0, top: 0, width: row.width, height: row.height) }
        guard let entry = windows.find(series) else {
            throw csv.error("series \(FieldText.shown(series)) has no window in \(windows.name)")
        }
        let window = entry.window
        guard window.left + window.width <= row.width, window.top + window.height <= row.height else {
            throw csv.error(
                "Image_size is \(FieldText.shown(csv.field(size))): the window of \(windows.name):\(entry.line) reaches beyond")
        }
        return window
    }

    // MARK: Annotations

    private static func numbers<let count: Int>(
        _ field: FieldText.Bytes, _ values: inout InlineArray<count, Double>
    ) -> Bool {
        var span = values.mutableSpan
        return span.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { FieldText.numbers(field, count, into: $0) } ?? false
        }
    }

    /// In pixels of the stored image.
    private func readLesion(_ image: Int, _ row: DatasetSeries) throws(ULDorError) -> DatasetLesion {
        var lesion = DatasetLesion(
            x1: 0, y1: 0, x2: 0, y2: 0, recist: InlineArray(repeating: 0), hasRecist: false,
            hasGivenMask: dataset.options.maskDirectory != nil, type: -1, classIndex: 1, line: csv.line, image: image)
        if let type {
            let field = csv.field(type)
            guard let value = FieldText.integer(field, -1...8), value != 0 else {
                throw bad("Coarse_lesion_type", field, "1...8 or -1 is expected")
            }
            lesion.type = value
        }
        try readRecist(&lesion, row)
        try readBox(&lesion, row)
        return lesion
    }

    private func readRecist(_ lesion: inout DatasetLesion, _ row: DatasetSeries) throws(ULDorError) {
        let field = csv.field(recist)
        guard !FieldText.isEmpty(field) else { return }
        guard Self.numbers(field, &lesion.recist) else {
            throw bad("Measurement_coordinates", field, "8 numbers are expected")
        }
        // 1-based pixels: the end points are pixel centres (method, section 3).
        for index in 0..<8 { lesion.recist[index] -= 0.5 }
        if let reason = RecistCheck.problem(lesion.recist, width: row.width, height: row.height) {
            throw bad("Measurement_coordinates", field, reason)
        }
        lesion.hasRecist = true
    }

    private func readBox(_ lesion: inout DatasetLesion, _ row: DatasetSeries) throws(ULDorError) {
        let field = csv.field(box)
        if FieldText.isEmpty(field), lesion.hasRecist {
            lesion.surroundRecist()
        } else {
            try BoxField.read(field, &lesion) { bad("Bounding_boxes", field, $0) }
        }
        guard lesion.clip(Window(left: 0, top: 0, width: row.width, height: row.height)) else {
            throw bad("Bounding_boxes", field, "it lies outside of the image of \(row.width) x \(row.height)")
        }
    }
}

/// What a further table of boxes says: File_name and Bounding_boxes, slices of series that are known.
final class BoxTable {
    private let dataset: Dataset
    private let csv: CSVReader
    private let header: CSVHeader
    private let name, box: Int

    init(_ path: String, _ dataset: Dataset) throws(ULDorError) {
        self.dataset = dataset
        csv = try CSVReader(path: path, allocator: dataset.allocator)
        header = try CSVHeader(csv)
        name = try header.require("File_name")
        box = try header.require("Bounding_boxes")
    }

    func read() throws(ULDorError) {
        try dataset.readRows(csv, header, counting: false) { () throws(ULDorError) in try addRow() }
    }

    private func addRow() throws(ULDorError) {
        let file = FieldText.trimmed(csv.field(name)), field = csv.field(box)
        func bad(_ why: String) -> ULDorError { csv.error("Bounding_boxes is \(FieldText.shown(field)): \(why)") }
        guard let parts = SliceName(file) else {
            throw csv.error("File_name is \(FieldText.shown(file)): SERIES_SLICE.png is expected")
        }
        guard let series = dataset.findSeries(parts.series) else {
            throw csv.error("File_name is \(FieldText.shown(file)): no row of the first table is of this series")
        }
        let row = dataset.series.elements[series]
        var lesion = DatasetLesion(
            x1: 0, y1: 0, x2: 0, y2: 0, recist: InlineArray(repeating: 0), hasRecist: false,
            hasGivenMask: dataset.options.maskDirectory != nil, type: -1, classIndex: 1, line: csv.line, image: 0)
        try BoxField.read(field, &lesion, bad)
        guard lesion.clip(Window(left: 0, top: 0, width: row.width, height: row.height)) else {
            throw bad("it lies outside of the image of \(row.width) x \(row.height)")
        }
        let image = try dataset.image(series, parts.slice, DatasetImageSeed(row, csv, isBoxOnly: true))
        lesion.image = image
        if dataset.repeats(lesion, image) {
            dataset.counts.repeatedBoxes += 1
        } else {
            try dataset.addLesion(lesion, to: image, row)
        }
    }
}

/// DeepLesion's 1-based boxes become [x1 - 1, x2) (method, section 3).
enum BoxField {
    static func read(
        _ field: FieldText.Bytes, _ lesion: inout DatasetLesion, _ bad: (String) -> ULDorError
    ) throws(ULDorError) {
        var values = (0.0, 0.0, 0.0, 0.0)
        let isRead = withUnsafeMutablePointer(to: &values) {
            $0.withMemoryRebound(to: Double.self, capacity: 4) { FieldText.numbers(field, 4, into: $0) }
        }
        guard isRead else { throw bad("4 numbers are expected") }
        guard values.0 < values.2, values.1 < values.3 else { throw bad("it has no area") }
        (lesion.x1, lesion.y1, lesion.x2, lesion.y2) = (values.0 - 1, values.1 - 1, values.2, values.3)
    }
}

/// Whether a lesion's diameters can be used.
enum RecistCheck {
    /// Why not; nil where they can.
    static func problem(_ recist: InlineArray<8, Double>, width: Int, height: Int) -> String? {
        for index in stride(from: 0, to: 8, by: 2) {
            let (x, y) = (recist[index], recist[index + 1])
            // Written so that NaN fails.
            guard x >= 0, x <= Double(width), y >= 0, y <= Double(height) else {
                return "end point \(index / 2 + 1) lies outside of the image of \(width) x \(height)"
            }
        }
        return recist.span.withUnsafeBufferPointer { buffer in
            do throws(ULDorError) {
                _ = try PseudoMask(recist: buffer)
                return nil
            } catch {
                return error.message
            }
        }
    }
}
