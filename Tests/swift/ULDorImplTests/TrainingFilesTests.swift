import Foundation
import Testing

@testable import ULDorImpl

@Suite struct AtomicFileTests {
    private func directory() throws -> String {
        let path = NSTemporaryDirectory() + "uldor-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private func write(_ text: String, to path: String, commits: Bool = true) throws(ULDorError) {
        let file = try AtomicFile(path)
        var text = text
        var failure: ULDorError?
        text.withUTF8 { bytes in
            do throws(ULDorError) { try file.write(UnsafeRawBufferPointer(bytes)) } catch { failure = error }
        }
        if let failure { throw failure }
        if commits { try file.commit() }
    }

    private func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func replacesWhole() throws {
        let path = try directory() + "/file"
        try write("one", to: path)
        #expect(read(path) == "one")
        try write("abandoned", to: path, commits: false)
        #expect(read(path) == "one")
        #expect(read(path + ".partial") == nil)
        try write("two", to: path)
        #expect(read(path) == "two")
    }

    /// What a killed process left is taken over.
    @Test func takesOverAPartialFile() throws {
        let path = try directory() + "/file"
        try "left behind, and longer than the new one".write(toFile: path + ".partial", atomically: false, encoding: .utf8)
        try write("new", to: path)
        #expect(read(path) == "new")
        #expect(read(path + ".partial") == nil)
    }

    @Test func twoWriters() throws {
        let path = try directory() + "/file"
        let first = try AtomicFile(path)
        let error = #expect(throws: ULDorError.self) { try AtomicFile(path) }
        #expect(error?.message == "\(path): cannot write: another process is writing it")
        try first.commit()
        try write("second", to: path)
        #expect(read(path) == "second")
    }

    @Test func linksAndOddPlaces() throws {
        let folder = try directory()
        try write("one", to: folder + "/target")
        try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: folder + "/target")
        try write("two", to: folder + "/link")
        #expect(read(folder + "/target") == "two")
        #expect((try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/link")) != nil)
        for place in [folder, folder + "/nowhere/file", folder + "/target/file", "/proc/file", "/dev/null"] {
            let error = #expect(throws: ULDorError.self) { try write("x", to: place) }
            #expect(error?.status == .io)
            #expect(error?.message.hasPrefix("\(place): cannot write: ") == true)
        }
        // A partial file that somebody else put there as a link is not followed.
        try FileManager.default.createSymbolicLink(atPath: folder + "/new.partial", withDestinationPath: folder + "/target")
        #expect(throws: ULDorError.self) { try write("x", to: folder + "/new") }
        #expect(read(folder + "/target") == "two")
    }

    @Test func halves() {
        // All halves, and what lies around and between them.
        for bits in UInt16.min...UInt16.max {
            let half = Float16(bitPattern: bits)
            if half.isNaN {
                #expect(halfBits(Float(half)) & 0x7E00 == 0x7E00)
                continue
            }
            let value = Float(half)
            #expect(halfBits(value) == bits)
            guard value.isFinite else { continue }
            for near in [value.nextUp, value.nextDown, (value + Float(half.nextUp)) / 2] where near.isFinite {
                #expect(halfBits(near) == Float16(near).bitPattern, "\(near)")
            }
        }
        #expect(halfBits(1e10) == 0x7C00)
        #expect(halfBits(-1e-10) == 0x8000)
    }

    @Test func writerIsRead() throws {
        var writer = try SafetensorsWriter(
            metadata: [("uldor", "{\"name\": \"\u{1}\\ä\n\"}"), ("uldor_training", "{}")], allocator: .system)
        try writer.add("backbone.b", .float32, dims: [2, 0, 3])
        try writer.add("rpn.a\"\\", .float16, dims: [3])
        try writer.add("bytes", .bytes, dims: [])
        let bytes = writer.dataBytes, header = try writer.finish()
        #expect(bytes == 7)
        #expect(header.count % 8 == 0)
        let sink = try MemorySink(bytes: header.count + bytes, allocator: .system)
        try sink.write(UnsafeRawBufferPointer(header.elements))
        try Data(count: 7).withUnsafeBytes { try sink.write($0) }
        let file = try Safetensors(ByteSource(memory: sink.buffer.base, count: sink.buffer.count), allocator: .system)
        #expect(file.find("backbone.b")?.elements == 0)
        var text = GrowableBuffer<UInt8>(allocator: .system)
        try decodeJSONString(file.config!, into: &text)
        #expect(String(decoding: text.elements, as: UTF8.self) == "{\"name\": \"\u{1}\\ä\n\"}")
        #expect(file.training.map { String(decoding: $0, as: UTF8.self) } == "{}")
        // The whole header is JSON for somebody else, too.
        let json = try JSONSerialization.jsonObject(with: Data(header.elements[8...])) as? [String: Any]
        #expect(Set((json ?? [:]).keys) == ["__metadata__", "backbone.b", "rpn.a\"\\", "bytes"])
    }
}

@Suite struct RandomWeightsTests {
    private func values(_ start: RandomWeights, _ count: Int, name: String = "a", seed: UInt64 = 1) -> [Double] {
        var list = Array(repeating: Float(0), count: count)
        list.withUnsafeMutableBufferPointer { start.fill($0, name: name, seed: seed) }
        return list.map(Double.init)
    }

    @Test func logarithm() {
        var x = 1e-300
        while x < 1e300 {
            #expect(abs(RandomWeights.logarithm(x) - Foundation.log(x)) <= 4e-16 * max(1, abs(Foundation.log(x))))
            x *= 1.37
        }
    }

    /// Moments and a Kolmogorov-Smirnov distance to the normal distribution; 5 standard errors.
    @Test func distributions() {
        let n = 200_000, root = Double(n).squareRoot()
        let normal = values(.normal(std: 2), n).map { $0 / 2 }.sorted()
        let mean = normal.reduce(0, +) / Double(n), variance = normal.reduce(0) { $0 + $1 * $1 } / Double(n)
        #expect(abs(mean) < 5 / root)
        #expect(abs(variance - 1) < 5 * 2.0.squareRoot() / root)
        var distance = 0.0
        for (index, x) in normal.enumerated() {
            distance = max(distance, abs(erfc(-x / 2.0.squareRoot()) / 2 - Double(index) / Double(n)))
        }
        #expect(distance < 2.5 / root)
        let uniform = values(.uniform(bound: 0.5), n)
        #expect(uniform.allSatisfy { abs($0) <= 0.5 })
        #expect(abs(uniform.reduce(0) { $0 + $1 * $1 } / Double(n) - 1.0 / 12) < 5 * 0.0745 / root)
        #expect(values(.normal(std: 1), 7) == Array(values(.normal(std: 1), 8).dropLast()))
        #expect(values(.normal(std: 1), 9, name: "b") != values(.normal(std: 1), 9))
        #expect(values(.normal(std: 1), 9, seed: 2) != values(.normal(std: 1), 9))
    }

    @Test func names() {
        for bad in [
            "", "resnet", "resnet18:", "resnet18:stem", "resnet18:stem=0", "narrow:stem=513", "narrow:a=1", "narrow:fpn=99999",
        ] {
            #expect(throws: ULDorError.self) { try Architecture(bad) }
        }
    }
}

@Suite struct TrainingScheduleTests {
    @Test func sharesMeetEveryImageOnce() {
        var options = TrainerOptions()
        for (images, batch, size, accumulation) in [(1, 1, 1, 1), (7, 2, 3, 2), (100, 3, 4, 5), (24, 4, 2, 3), (5, 8, 4, 2)] {
            (options.batch, options.accumulation) = (batch, accumulation)
            var places: [Int] = [], perStep: [[Int]] = []
            for rank in 0..<size {
                options.reduction = Reduction(
                    rank: rank, size: size, user: nil, doubles: { _, _, _ in 0 }, floats: { _, _, _ in 0 })
                let schedule = TrainingSchedule(options: options, images: images)
                for step in 0..<schedule.steps {
                    if perStep.count <= step { perStep.append([]) }
                    let shares = schedule.shares(step: step)
                    #expect(shares.count <= accumulation && shares.allSatisfy { $0.count <= batch })
                    for share in shares { perStep[step] += share }
                }
            }
            for step in perStep {
                #expect(!step.isEmpty)
                places += step.sorted()
            }
            // A step of all processes is a stretch of the order, whatever their number.
            #expect(places == Array(0..<images))
        }
    }

    @Test func rates() {
        var options = TrainerOptions()
        let schedule = TrainingSchedule(options: options, images: 10)
        let expected = [1e-3, 1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4, 1e-5]
        for (epoch, rate) in expected.enumerated() {
            #expect(abs(schedule.rate(epoch: epoch, totalSteps: 99) / rate - 1) < 1e-12)
        }
        options.rateEpochs = 0
        options.warmupSteps = 4
        let other = TrainingSchedule(options: options, images: 10)
        #expect((0..<6).map { (other.rate(epoch: 50, totalSteps: $0) * 1e6).rounded() } == [250, 500, 750, 1000, 1000, 1000])
    }

    /// From the rate to 0 over all steps of all epochs, whatever lr_factor is; the C library's cosine to the last bits.
    @Test func cosine() {
        var options = TrainerOptions()
        options.rateSchedule = .cosine
        (options.batch, options.epochs, options.rate) = (5, 4, 1)
        let schedule = TrainingSchedule(options: options, images: 50)
        for step in 0...40 {
            let expected = (1 + cos(Double.pi * Double(step) / 40)) / 2
            #expect(abs(schedule.rate(epoch: step / 10, totalSteps: step) - expected) < 4e-16, "step \(step)")
        }
        #expect(schedule.rate(epoch: 4, totalSteps: 40) == 0)
        options.warmupSteps = 8
        let warm = TrainingSchedule(options: options, images: 50)
        #expect(warm.rate(epoch: 0, totalSteps: 3) == 0.5 * schedule.rate(epoch: 0, totalSteps: 3))
        #expect(warm.rate(epoch: 0, totalSteps: 7) == schedule.rate(epoch: 0, totalSteps: 7))
    }

    @Test func trainedRanges() throws {
        let memory = try FakeRun.initial()
        let file = try Safetensors(ByteSource(memory: memory.buffer.base, count: memory.buffer.count), allocator: .system)
        let learner = try FakeLearner(file)
        #expect(learner.parameters.trainedRanges(usesMasks: true) == [0..<12])
        _ = memory
    }
}
