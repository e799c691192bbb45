import ULDorKernels

/// Mines the images of a split with a model (uldor_mine, and a trainer between epochs).
public final class Miner {
    private let model: Model
    private let options: MiningOptions
    private let list: MiningList
    private let origin: MinedText.Origin
    public private(set) var counts = Counts()

    public struct Counts {
        public var images = 0, imagesFound = 0, resumed = 0, skippedImages = 0
        public var detections = 0, good = 0, spared = 0, candidates = 0, mined = 0
    }

    /// The most streams where their number is left open: each has the memory of a pass.
    private static let mostStreams = 8

    /// The images of `dataset`'s split, as the model's input has them.
    public convenience init(_ model: Model, _ dataset: Dataset, _ options: MiningOptions) throws(ULDorError) {
        let options = try options.validated()
        let examples = DatasetExamples(dataset, ExampleSettings(model.config.input))
        let images = try ImageList(examples, split: options.split, limit: 0, allocator: options.allocator)
        try self.init(model, images, examples, options)
        guard list.count > 0 else {
            throw .invalidArgument("the data set has no image with lesions in split \(options.split.rawValue)")
        }
    }

    /// Every `step`th of the images that have lesions, from the one at `first` on.
    init(
        _ model: Model, _ images: ImageList, _ examples: DatasetExamples, _ options: MiningOptions, first: Int = 0, step: Int = 1
    ) throws(ULDorError) {
        self.model = model
        self.options = options
        list = try MiningList(images, examples, first: first, step: step, allocator: options.allocator)
        origin = MinedText.origin(data: images.fingerprint, model: model.fingerprint, images: list.count, options)
    }

    /// Mines, and writes the file. `path`.part is there while it runs.
    public func mine(to path: String) throws(ULDorError) {
        let mined = MinedSet(allocator: options.allocator)
        try fill(mined, path: path, foreign: options.resume == .never ? .allIsOverwritten : .isError)
    }

    /// The same for a trainer: what an earlier mining left at `path`.part is overwritten where it is of another epoch.
    func mineAnew(to path: String) throws(ULDorError) -> MinedSet {
        let mined = MinedSet(allocator: options.allocator)
        try fill(mined, path: path, foreign: .isOverwritten)
        return mined
    }

    private func fill(_ mined: MinedSet, path: String, foreign: MiningJournal.Foreign) throws(ULDorError) {
        // A directory that may not be written is named before the work, not after.
        try AtomicFile(path).discard()
        let journal = try MiningJournal(path, mustBeThere: options.resume == .always && foreign == .isError)
        try journal.begin(origin, list, split: options.split, foreign, into: mined)
        counts.resumed = mined.images.count
        try look(into: mined, journal)
        try finish(mined)
        let file = try AtomicFile(path)
        try write(mined, to: file)
        try file.commit()
        journal.remove()
    }

    func write(_ mined: MinedSet, to sink: any ByteSink) throws(ULDorError) {
        let examples = list.examples
        try MinedText.write(mined, origin, to: sink) { examples.name(of: $0) }
    }

    /// Draws from the candidates.
    func finish(_ mined: MinedSet) throws(ULDorError) {
        try mined.decide(options)
        mined.boxesOnly = options.boxesOnly
        count(mined)
    }

    private func count(_ mined: MinedSet) {
        counts.images = mined.images.count
        counts.imagesFound = mined.images.elements.count { $0.isFound }
        counts.detections = mined.detections.count
        for detection in mined.detections.elements {
            switch detection.verdict {
            case .good: counts.good += 1
            case .spared: counts.spared += 1
            case .chosen:
                counts.mined += 1
                counts.candidates += 1
            case .candidate, .notDrawn: counts.candidates += 1
            case .low: break
            }
        }
    }

    // MARK: Looking

    /// Looks at the images behind the last one in `mined`. Candidates are not drawn from yet.
    func look(into mined: MinedSet, _ journal: MiningJournal? = nil) throws(ULDorError) {
        var first = 0
        if let last = mined.images.elements.last { while first < list.count, list[first] <= last.index { first += 1 } }
        let (threads, conflict) = usableThreads(options.threads)
        if let conflict { options.warn("\(conflict): mining on \(threads)") }
        let wanted = options.streams > 0 ? options.streams : Swift.min(Int(threads), Self.mostStreams)
        let streams = Swift.max(Swift.min(wanted, list.count - first), 1)
        let threadsOfEach = Swift.max(threads / Int32(streams), 1)
        var all: [MiningStream] = []
        let model = model, list = list, options = options
        let work = try OrderedWork(count: list.count - first, threads: streams, ahead: 2 * streams) {
            () throws(ULDorError) in
            let stream = try MiningStream(model, list, first: first, options, threads: threadsOfEach)
            all.append(stream)
            return stream
        }
        do throws(ULDorError) {
            for number in first..<list.count {
                try tell(number)
                let image: MinedSet
                do throws(ULDorError) {
                    let made = try work.next { () throws(ULDorError) in try self.tell(number) }
                    guard let made else { throw ULDorError(.internal, "there are fewer images than were listed") }
                    image = made
                } catch {
                    let isBad = error.status == .io || error.status == .format || error.status == .image
                    guard options.skipsBadImages, isBad else { throw error }
                    options.warn("left out: \(error.message)")
                    counts.skippedImages += 1
                    continue
                }
                try mined.append(image.images.elements[0], of: image)
                if let journal {
                    let one = image.images.elements[0]
                    try MinedText.write(
                        MinedText.line(one, of: image, name: list.examples.name(of: one.index)), to: journal)
                }
            }
            try tell(list.count)
        } catch {
            for stream in all { stream.cancel() }
            work.cancel()
            throw error
        }
    }

    private func tell(_ done: Int) throws(ULDorError) {
        guard let progress = options.progress else { return }
        let name = list.count > 0 ? list.examples.name(of: list[Swift.min(done, list.count - 1)]) : ""
        guard progress(done, list.count, name) else { throw .cancelled }
    }
}
