/// What a row says of the slice that it is about.
struct DatasetImageSeed {
    let row: DatasetSeries
    let line: Int
    let isBoxOnly: Bool
    let csv: CSVReader

    init(_ row: DatasetSeries, _ csv: CSVReader, isBoxOnly: Bool = false) {
        self.row = row
        self.line = csv.line
        self.csv = csv
        self.isBoxOnly = isBoxOnly
    }
}

extension DatasetLesion {
    /// RECIST extent and 5 pixels around: DeepLesion's boxes.
    mutating func surroundRecist() {
        (x1, y1, x2, y2) = (recist[0], recist[1], recist[0], recist[1])
        for index in stride(from: 2, to: 8, by: 2) {
            x1 = Swift.min(x1, recist[index])
            x2 = Swift.max(x2, recist[index])
            y1 = Swift.min(y1, recist[index + 1])
            y2 = Swift.max(y2, recist[index + 1])
        }
        // In DeepLesion's numbers, end points +- 5, which are pixels of which the last one counts.
        (x1, y1, x2, y2) = (x1 - 5.5, y1 - 5.5, x2 + 5.5, y2 + 5.5)
    }

    var area: Double { (x2 - x1) * (y2 - y1) }

    /// Clips the box; false where nothing is left.
    mutating func clip(_ window: Window) -> Bool {
        x1 = Swift.max(x1, Double(window.left))
        y1 = Swift.max(y1, Double(window.top))
        x2 = Swift.min(x2, Double(window.left + window.width))
        y2 = Swift.min(y2, Double(window.top + window.height))
        return x1 < x2 && y1 < y2
    }

    mutating func move(left: Int, top: Int) {
        x1 -= Double(left)
        x2 -= Double(left)
        y1 -= Double(top)
        y2 -= Double(top)
        guard hasRecist else { return }
        for index in 0..<8 { recist[index] -= Double(index % 2 == 0 ? left : top) }
    }

    func overlap(_ other: DatasetLesion) -> Double {
        let width = Swift.min(x2, other.x2) - Swift.max(x1, other.x1), height = Swift.min(y2, other.y2) - Swift.max(y1, other.y1)
        guard width > 0, height > 0 else { return 0 }
        return width * height / (area + other.area - width * height)
    }
}

/// How a dataset is put together, before anybody else sees it.
extension Dataset {
    /// Rows of a table, bad ones as the options say.
    func readRows(
        _ csv: CSVReader, _ header: CSVHeader, counting: Bool, _ add: () throws(ULDorError) -> Void
    ) throws(ULDorError) {
        while true {
            do throws(ULDorError) {
                guard try csv.next() else { return }
                if counting { counts.rows += 1 }
                try header.checkCount()
                try add()
            } catch {
                guard error.status == .format, options.skipsBadRows else { throw error }
                counts.badRows += 1
                options.warn("\(error.message); the row is left out")
            }
        }
    }

    func addSeries(_ row: DatasetSeries, _ name: UnsafeBufferPointer<UInt8>) throws(ULDorError) -> Int {
        var row = row
        row.name = try texts.add(name)
        let index = series.count
        try series.append(row)
        try seriesTable.insert(NameTable.hash(name), index)
        return index
    }

    /// The image of a slice, new where there is none; what the row says must be what others said.
    func image(_ seriesIndex: Int, _ slice: Int, _ seed: DatasetImageSeed) throws(ULDorError) -> Int {
        let row = seed.row
        if let known = find(series: seriesIndex, slice: slice) {
            let first = images.elements[known]
            guard
                seed.isBoxOnly
                    || (first.width == row.width && first.height == row.height && first.spacingX == row.spacingX
                        && first.spacingY == row.spacingY && first.interval == row.interval && first.patient == row.patient)
            else {
                throw seed.csv.error("patient, size or spacing differ from line \(first.line), which is of the same slice")
            }
            return known
        }
        let index = try addImage(seriesIndex, slice, row, line: seed.line)
        images.elements[index].isBoxOnly = seed.isBoxOnly
        return index
    }

    private func addImage(_ seriesIndex: Int, _ slice: Int, _ row: DatasetSeries, line: Int) throws(ULDorError) -> Int {
        let stem = SliceFiles.stem(texts.string(series.elements[seriesIndex].name), slice)
        let image = DatasetImage(
            name: try addText(stem), series: seriesIndex, slice: slice, patient: row.patient, line: line, split: row.split,
            width: row.width, height: row.height, window: row.window, spacingX: row.spacingX, spacingY: row.spacingY,
            interval: row.interval)
        let index = images.count
        try images.append(image)
        try table.insert(Self.hash(series: seriesIndex, slice: slice), index)
        return index
    }

    func addText(_ text: String) throws(ULDorError) -> TextPool.Text {
        var text = text
        var result: Result<TextPool.Text, ULDorError> = .success(TextPool.Text())
        text.withUTF8 { bytes in
            do throws(ULDorError) { result = .success(try texts.add(bytes)) } catch { result = .failure(error) }
        }
        return try result.get()
    }

    /// A lesion in pixels of the stored image: kept where at least half of its box lies in the window.
    func addLesion(_ lesion: DatasetLesion, to image: Int, _ row: DatasetSeries) throws(ULDorError) {
        var lesion = lesion
        let whole = lesion.area
        guard lesion.clip(row.window), 2 * lesion.area >= whole else {
            counts.lesionsOutsideWindow += 1
            images.elements[image].outside += 1
            return
        }
        lesion.move(left: row.window.left, top: row.window.top)
        lesion.image = image
        try lesions.append(lesion)
        images.elements[image].lesionCount += 1
    }

    /// Whether a box in pixels of the stored image is a lesion of the first table: they are grouped by now.
    func repeats(_ box: DatasetLesion, _ index: Int) -> Bool {
        let image = images.elements[index]
        var moved = box
        guard moved.clip(image.window) else { return false }
        moved.move(left: image.window.left, top: image.window.top)
        return (0..<image.lesionCount).contains { offset in
            let known = lesions.elements[image.firstLesion + offset]
            return known.image == index && known.overlap(moved) > 0.5
        }
    }

    /// Puts lesions of one image together, in the order in which they came.
    func groupLesions() throws(ULDorError) {
        var first = 0
        for index in images.elements.indices {
            images.elements[index].firstLesion = first
            first += images.elements[index].lesionCount
        }
        var ordered = GrowableBuffer<DatasetLesion>(allocator: allocator)
        try ordered.resize(lesions.count)
        var next = GrowableBuffer<Int>(allocator: allocator)
        try next.resize(images.count)
        for index in images.elements.indices { next.elements[index] = images.elements[index].firstLesion }
        for lesion in lesions.elements {
            ordered.elements[next.elements[lesion.image]] = lesion
            next.elements[lesion.image] += 1
        }
        swap(&lesions, &ordered)
    }

    /// Slices that are stored, have no row and no mask.
    func addNegatives(_ files: SliceFiles) throws(ULDorError) {
        for index in 0..<series.count {
            let row = series.elements[index], name = texts.string(row.name)
            let slices = try files.slices(of: name, allocator: allocator)
            for slice in slices.elements where find(series: index, slice: slice) == nil {
                if let mask = files.maskPath(name, slice), FilePath.exists(mask) { continue }
                let image = try addImage(index, slice, row, line: 0)
                images.elements[image].isNegative = true
            }
        }
    }

    /// Leaves out images that have lost their lesions or whose file cannot be used, and counts what is there.
    func finish() throws(ULDorError) {
        var kept = 0, keptLesions = 0
        table.removeAll()
        for index in 0..<images.count {
            var image = images.elements[index]
            guard try isKept(index, image) else { continue }
            let first = keptLesions
            for offset in 0..<image.lesionCount {
                var lesion = lesions.elements[image.firstLesion + offset]
                lesion.image = kept
                lesions.elements[keptLesions] = lesion
                keptLesions += 1
            }
            image.firstLesion = first
            images.elements[kept] = image
            try table.insert(hash(of: image), kept)
            count(image)
            kept += 1
        }
        try images.resize(kept)
        try lesions.resize(keptLesions)
    }

    private func hash(of image: DatasetImage) -> UInt64 {
        image.series >= 0 ? Self.hash(series: image.series, slice: image.slice) : NameTable.hash(texts[image.name])
    }

    private func count(_ image: DatasetImage) {
        counts.images += 1
        counts.lesions += image.lesionCount
        if image.lesionCount == 0 { counts.negatives += 1 }
        counts.imagesOfSplit[Int(image.split.rawValue)] += 1
        counts.lesionsOfSplit[Int(image.split.rawValue)] += image.lesionCount
    }

    private func isKept(_ index: Int, _ image: DatasetImage) throws(ULDorError) -> Bool {
        guard case .files(let files) = storage else { return true }
        guard image.lesionCount > 0 || image.isNegative else {
            if image.outside > 0 { counts.imagesOutsideWindow += 1 }
            return false
        }
        guard options.skipsBadImages else { return true }
        let path = files.imagePath(texts.string(series.elements[image.series].name), image.slice)
        do throws(ULDorError) {
            guard try SliceFiles.check(path, bits: 16, width: image.width, height: image.height) else {
                throw SliceFiles.missing(path)
            }
            return true
        } catch {
            guard error.status != .noMemory else { throw error }
            options.warn("\(error.message)\(files.row(of: image)); the image is left out")
            counts.badImages += 1
            return false
        }
    }
}

extension Dataset {
    /// uldor_dataset_open_deeplesion.
    public static func openDeepLesion(_ directory: String, _ options: DatasetOptions) throws(ULDorError) -> Dataset {
        let csvPath = options.csvPath ?? "\(directory)/DL_info.csv"
        let needsMasks = options.masks == .given || options.masks == .givenOrPseudo || options.addsUnmasked
        guard !needsMasks || options.maskDirectory != nil else {
            throw .invalidArgument("options.mask_directory is NULL, but options.masks or .negatives needs it")
        }
        let files = SliceFiles(
            csvName: csvPath, boxesName: options.boxesPath, imageDirectory: options.imageDirectory ?? "\(directory)/Images_png",
            maskDirectory: options.maskDirectory)
        try files.checkMaskDirectory()
        let dataset = Dataset(options, .files(files))
        var windows: WindowTable?
        if let path = options.windowsPath { windows = try WindowTable(path: path, allocator: options.allocator) }
        try DeepLesionTable(csvPath, windows, dataset).read()
        try dataset.groupLesions()
        if let path = options.boxesPath {
            try BoxTable(path, dataset).read()
            try dataset.groupLesions()
        }
        if options.addsUnmasked { try dataset.addNegatives(files) }
        try dataset.finish()
        return dataset
    }
}
