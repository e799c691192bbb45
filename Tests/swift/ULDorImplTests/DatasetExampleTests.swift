import Testing

@testable import ULDorImpl

/// A host's archive of drawn images: what its functions are asked for, and what comes of it.
@Suite struct DatasetExampleTests {
    private static let width = 90, height = 70, depth = 9

    /// Volumes that differ from image to image; air around them.
    private final class Archive: @unchecked Sendable {
        let pixels: UnsafeMutablePointer<Int16>
        static let volume = width * height * depth

        init(count: Int) {
            pixels = .allocate(capacity: count * Self.volume)
            for place in 0..<count * Self.volume {
                let x = place % width, y = place / width % height, slice = place / (width * height)
                let isBody = (8..<82).contains(x) && (6..<64).contains(y)
                (pixels + place).initialize(to: isBody ? Int16((x * 13 + y * 7 + slice * 31) % 400) : -1000)
            }
        }

        deinit { pixels.deallocate() }
    }

    private static func dataset(_ count: Int, failing: Int = -1) throws -> Dataset {
        let archive = Archive(count: count)
        let source = HostSource(
            count: count,
            describe: { (index) throws(ULDorError) in
                var image = HostSource.Image()
                (image.width, image.height, image.lesions) = (width, height, index % 3)
                (image.spacingX, image.spacingY, image.interval) = (0.7, 0.9, 1)
                image.split = Int32(index % 3 + 1)
                return image
            },
            annotate: { (index, number) throws(ULDorError) in
                var lesion = HostSource.Lesion()
                let x = Double(20 + index % 30 + 20 * number), y = 30.0
                lesion.recist = [x, y, x + 18, y + 3, x + 8, y - 5, x + 10, y + 9]
                return lesion
            },
            read: { (index) throws(ULDorError) in
                guard index != failing else { throw ULDorError(.io, "the archive is away") }
                let base = UnsafeRawPointer(archive.pixels + index * Archive.volume)
                let image = ImageDescription(
                    type: .int16, width: width, height: height, depth: depth, keySlice: 4, data: base, slices: nil,
                    dataBytes: width * height * depth * 2, offset: 0, strideX: 0, strideY: 0, strideZ: 0, slope: 1, intercept: 0,
                    spacingX: 0, spacingY: 0, sliceInterval: 0)
                return (image, nil)
            },
            release: { _, _ in }, readMask: nil)
        return try Dataset.open(source, DatasetOptions())
    }

    /// Input, boxes and masks of everything asked for, as one number each.
    private static func digests(_ dataset: Dataset, threads: Int) throws -> [Int] {
        var augmentation = Augmentation()
        (augmentation.flipX, augmentation.flipY) = (0.5, 0.5)
        let requests = (0..<3 * dataset.count).map {
            ExampleLoader.Request(index: $0 * 5 % dataset.count, epoch: $0 / dataset.count)
        }
        let source = DatasetExamples(dataset, ExampleSettings(InputConfig()))
        let loader = try requests.withUnsafeBufferPointer {
            try ExampleLoader(
                source, requests: $0, augmentation: augmentation, seed: 5, threads: threads, ahead: 4, allocator: .system)
        }
        var digests: [Int] = []
        while let example = try loader.next() {
            var hasher: UInt64 = 14_695_981_039_346_656_037
            func add(_ bytes: UnsafeRawBufferPointer) {
                for byte in bytes { hasher = (hasher ^ UInt64(byte)) &* 1_099_511_628_211 }
            }
            add(UnsafeRawBufferPointer(example.input.elements))
            for lesion in example.lesions.elements {
                withUnsafeBytes(of: lesion.box) { add($0) }
                guard let mask = example.mask(lesion) else { continue }
                add(UnsafeRawBufferPointer(start: mask, count: lesion.region.width * lesion.region.height))
            }
            digests.append(Int(truncatingIfNeeded: hasher))
        }
        return digests
    }

    @Test func sameBitsForAnyNumberOfThreads() throws {
        let dataset = try Self.dataset(11)
        let expected = try Self.digests(dataset, threads: 0)
        #expect(expected.count == 33 && Set(expected).count == 33)
        for threads in [1, 2, 3, 8] { #expect(try Self.digests(dataset, threads: threads) == expected) }
    }

    @Test func whatADatasetSaysOfItself() throws {
        let dataset = try Self.dataset(7)
        #expect(dataset.count == 7 && dataset.counts.negatives == 3 && dataset.counts.lesions == 6)
        let source = DatasetExamples(dataset, ExampleSettings(InputConfig()))
        #expect((0..<7).map { source.split(of: $0).rawValue } == [1, 2, 3, 1, 2, 3, 1])
        #expect(source.name(of: 3) == "3")
    }

    /// After a failure, which is named, a worker goes on as if there had been none.
    @Test func aWorkerGoesOnAfterAFailure() throws {
        let maker = try ExampleMaker(try Self.dataset(4, failing: 1), ExampleSettings(InputConfig()))
        let before = try maker.example(2, augmentation: nil, seed: 0, epoch: 0)
        do throws(ULDorError) {
            _ = try maker.example(1, augmentation: nil, seed: 0, epoch: 0)
            Issue.record("it should have failed")
        } catch {
            #expect(error.status == .io && error.message == "source image 1 (1): the archive is away")
        }
        let after = try maker.example(2, augmentation: nil, seed: 0, epoch: 0)
        #expect(Array(before.input.elements) == Array(after.input.elements))
        #expect(before.lesions.count == 2 && after.lesions.count == 2)
        #expect(Array(maker.lesionNumbers.elements) == [0, 1])
    }
}
