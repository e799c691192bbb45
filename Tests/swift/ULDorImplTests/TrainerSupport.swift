import Foundation
import ULDorKernels

@testable import ULDorImpl

/// Weights w, and an image i that pulls them to a target of its own: the loss is the mean of (w - t)^2 / 2, which a test can
/// follow by hand. The normalisers are the images' number, as in a detector summed over processes.
final class FakeLearner: Learning {
    let parameters: ParameterStore
    let execution: Execution
    var memoryBytes: Int { parameters.bytes }
    /// Batches that were asked for, and the one that fails.
    var calls = 0
    var failing: (call: Int, error: ULDorError, afterNormalisers: Bool)?
    /// Indices of the images of each batch.
    var seen: [[Int]] = []
    var calibrated: [Int] = []

    init(_ file: Safetensors, threads: Int32 = 1, keepsSquares: Bool = false) throws(ULDorError) {
        parameters = try ParameterStore(file, trainableLayers: 5, keepsSquares: keepsSquares, allocator: .system)
        for record in file.allRecords {
            let name = String(decoding: record.name, as: UTF8.self)
            guard Safetensors.isPart(name) else { continue }
            let tensor = try parameters.add(name, dims: (0..<record.rank).map(record.dim), cells: name.contains("fc6") ? 4 : 1)
            let values = try Buffer<Float>(count: tensor.count, allocator: .system)
            try file.source.read(at: record.offset, length: tensor.count * 4, into: values.base)
            // One row at most: files have channels x cells, the store cells x channels.
            let channels = tensor.count / tensor.cells
            for place in 0..<tensor.count {
                let from = tensor.cells == 1 ? place : place % channels * tensor.cells + place / channels
                parameters.pointer(tensor)[place] = values.base[from]
            }
        }
        execution = Execution(
            allocator: .system, table: uk_table_for(0)!, threads: threads, isExact: true, progress: nil)
    }

    static func target(_ image: Int, _ place: Int) -> Float { Float((image * 7 + place * 3) % 11) / 11 }

    func addGradients(
        _ examples: [Example], seed: UInt64, epoch: Int, normalise: (inout Normalisers) throws(ULDorError) -> Void
    ) throws(ULDorError) -> Losses {
        calls += 1
        seen.append(examples.map(\.index))
        if let failing, failing.call == calls, !failing.afterNormalisers { throw failing.error }
        var normalisers = Normalisers(anchors: Double(examples.count), regions: 1, masks: 0)
        try normalise(&normalisers)
        if let failing, failing.call == calls { throw failing.error }
        var losses = Losses()
        for example in examples {
            for place in 0..<parameters.trainedCount {
                let off = parameters.values.base[place] - Self.target(example.index, place)
                parameters.gradients[place] += off / Float(normalisers.anchors)
                losses.objectness += Double(off * off) / 2 / normalisers.anchors
            }
        }
        return losses
    }

    func losses(_ example: Example, seed: UInt64) throws(ULDorError) -> Losses {
        var losses = Losses()
        for place in 0..<parameters.trainedCount {
            let off = parameters.values.base[place] - Self.target(example.index, place)
            losses.classifier += Double(off * off) / 2
        }
        return losses
    }

    func calibrateBatchNorm(_ examples: [Example]) throws(ULDorError) { calibrated = examples.map(\.index) }
}

final class FakeSource: ExampleSource, @unchecked Sendable {
    let trainImages, validationImages: Int
    var bad: Set<Int> = []

    init(train: Int, validation: Int) { (trainImages, validationImages) = (train, validation) }

    var count: Int { trainImages + validationImages }
    func split(of index: Int) -> Split { index < trainImages ? .train : .validation }
    func name(of index: Int) -> String { "image/\(index)" }
    func makeWorker() throws(ULDorError) -> any ExampleWorker { Worker(bad) }

    final class Worker: ExampleWorker {
        let bad: Set<Int>
        init(_ bad: Set<Int>) { self.bad = bad }
        func example(_ index: Int, augmentation: Augmentation?, seed: UInt64, epoch: Int) throws(ULDorError) -> Example {
            if bad.contains(index) { throw ULDorError(.io, "image/\(index).png: gone") }
            let size = InputSize(height: 1, width: 1, paddedHeight: 32, paddedWidth: 32)
            return try Example(index: index, channels: 1, size: size, allocator: .system)
        }
    }
}

/// A run on fakes, in a directory of its own.
final class FakeRun {
    let directory: String
    var options = TrainerOptions()
    let source: FakeSource
    var events: [TrainingEvent] = []

    init(train: Int = 7, validation: Int = 3) {
        directory = NSTemporaryDirectory() + "uldor-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        source = FakeSource(train: train, validation: validation)
        options.initPath = "unused"
        options.outputPath = directory + "/out.safetensors"
        options.checkpointPath = directory + "/checkpoint.safetensors"
        options.epochs = 3
        options.rate = 0.1
        options.patience = 0
        options.calibrationImages = 0
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// 15 weights of which 3 are not trained, one tensor in rows of 4 cells x 2 channels.
    static func initial() throws(ULDorError) -> MemorySink {
        var writer = try SafetensorsWriter(metadata: [("uldor", "{}")], allocator: .system)
        try writer.add("backbone.body.bn1.weight", .float32, dims: [3])
        try writer.add("roi_heads.box_head.fc6.weight", .float32, dims: [1, 8])
        try writer.add("rpn.head.cls_logits.weight", .float32, dims: [2, 2])
        let bytes = writer.dataBytes, header = try writer.finish()
        let sink = try MemorySink(bytes: header.count + bytes, allocator: .system)
        try sink.write(UnsafeRawBufferPointer(header.elements))
        for index in 0..<15 {
            let value = Float(index) / 7 - 1
            withUnsafeBytes(of: value) { try? sink.write($0) }
        }
        return sink
    }

    func trainer(
        calibrationImages: Int = 0, configure: ((FakeLearner) -> Void)? = nil
    ) throws(ULDorError) -> (Trainer, FakeLearner) {
        let options = try self.options.validated()
        let train = try ImageList(source, split: .train, limit: 0, allocator: .system)
        let validation = try ImageList(source, split: options.validationSplit, limit: 0, allocator: .system)
        let identity = options.identity(config: "{}", train, validation)
        var state = TrainingState(), file: Safetensors
        state.calibrationImages = calibrationImages
        let memory = try Self.initial()
        defer { withExtendedLifetime(memory) {} }
        let checkpoint = options.checkpointPath.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
        if let checkpoint {
            file = try Safetensors(try Self.open(checkpoint), allocator: .system)
            guard let training = file.training else { throw ULDorError(.format, "no state") }
            state = try CheckpointText.read(training, of: checkpoint, identity, allocator: .system)
        } else {
            file = try Safetensors(ByteSource(memory: memory.buffer.base, count: memory.buffer.count), allocator: .system)
        }
        let learner = try FakeLearner(
            file, threads: options.threads == 0 ? 1 : options.threads, keepsSquares: options.optimiser == .adamw)
        if checkpoint != nil { try Checkpoint.readOptimiser(file, into: learner.parameters) }
        configure?(learner)
        let trainer = try Trainer(
            options, learner, train: train, validation: validation, config: "{}", identity: identity, state: state,
            isResumed: checkpoint != nil, report: [])
        return (trainer, learner)
    }

    static func open(_ path: String) throws(ULDorError) -> ByteSource {
        var source: ByteSource?, failure: ULDorError?
        path.withCString {
            do throws(ULDorError) { source = try ByteSource(path: $0, memoryMap: false) } catch { failure = error }
        }
        guard let source else { throw failure ?? ULDorError(.io, path) }
        return source
    }

    func bytes(_ name: String) -> Data { FileManager.default.contents(atPath: directory + "/" + name) ?? Data() }
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted() }
}

extension FakeLearner {
    var weights: [Float] { Array(parameters.values.elements) }
    var speeds: [Float] { Array(parameters.momentum.elements) }
}

/// Processes of one run as threads of this one: whoever comes last sums what all brought, in the order of their ranks.
final class Meeting: @unchecked Sendable {
    private let condition = NSCondition()
    private var brought: [Int: [Double]] = [:]
    private var result: [Double] = []
    private var round = 0
    private var left = 0
    let size: Int
    var sums = 0

    init(size: Int) { self.size = size }

    /// nil: somebody did not come.
    func sum(_ rank: Int, _ values: [Double]) -> [Double]? {
        condition.lock()
        defer { condition.unlock() }
        let mine = round
        brought[rank] = values
        if brought.count == size {
            result = Array(repeating: 0, count: values.count)
            for rank in 0..<size {
                guard brought[rank]?.count == values.count else { return nil }
                for (place, value) in (brought[rank] ?? []).enumerated() { result[place] += value }
            }
            brought = [:]
            round += 1
            sums += 1
            condition.broadcast()
            return result
        }
        let deadline = Date().addingTimeInterval(20)
        while round == mine { guard condition.wait(until: deadline) else { return nil } }
        return result
    }

    final class Seat: @unchecked Sendable {
        let meeting: Meeting, rank: Int
        init(_ meeting: Meeting, _ rank: Int) { (self.meeting, self.rank) = (meeting, rank) }
        var reduction: Reduction {
            func seat(_ user: UnsafeMutableRawPointer?) -> Seat { Unmanaged<Seat>.fromOpaque(user!).takeUnretainedValue() }
            return Reduction(
                rank: rank, size: meeting.size, user: Unmanaged.passUnretained(self).toOpaque(),
                doubles: { user, values, count in
                    let seat = Unmanaged<Seat>.fromOpaque(user!).takeUnretainedValue()
                    let buffer = UnsafeMutableBufferPointer(start: values, count: Int(count))
                    guard let sums = seat.meeting.sum(seat.rank, Array(buffer)) else { return 1 }
                    _ = buffer.update(from: sums)
                    return 0
                },
                floats: { user, values, count in
                    let seat = Unmanaged<Seat>.fromOpaque(user!).takeUnretainedValue()
                    let buffer = UnsafeMutableBufferPointer(start: values, count: Int(count))
                    guard let sums = seat.meeting.sum(seat.rank, buffer.map(Double.init)) else { return 1 }
                    _ = buffer.update(from: sums.map { Float($0) })
                    return 0
                })
        }
    }
}
