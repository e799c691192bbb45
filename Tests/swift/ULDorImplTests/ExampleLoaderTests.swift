import Glibc
import Testing

@testable import ULDorImpl

@Suite struct ExampleLoaderTests {
    private static func requests(_ count: Int) -> [ExampleLoader.Request] {
        (0..<3 * count).map { ExampleLoader.Request(index: $0 * 7 % count, epoch: $0 / count) }
    }

    private static func loader(
        _ source: CountingSource, _ requests: [ExampleLoader.Request], threads: Int, ahead: Int
    ) throws -> ExampleLoader {
        try requests.withUnsafeBufferPointer {
            try ExampleLoader(
                source, requests: $0, augmentation: nil, seed: 1, threads: threads, ahead: ahead, allocator: .system)
        }
    }

    /// Everything asked for, in order, with failures in their places.
    private static func collect(_ loader: ExampleLoader) -> [String] {
        var seen: [String] = []
        while true {
            do throws(ULDorError) {
                guard let example = try loader.next() else { return seen }
                seen.append("\(example.index): \(example.input.elements[0])")
            } catch {
                seen.append(error.message)
            }
        }
    }

    @Test(arguments: [0, 1, 2, 3, 8], [1, 2, 5, 100])
    func orderIsThatOfTheList(threads: Int, ahead: Int) throws {
        let source = CountingSource(count: 20, failing: [3, 11], delay: 50)
        let requests = Self.requests(20)
        let seen = Self.collect(try Self.loader(source, requests, threads: threads, ahead: ahead))
        #expect(
            seen
                == requests.map {
                    [3, 11].contains($0.index)
                        ? "image \($0.index) is damaged" : "\($0.index): \(Float(1000 * $0.epoch + $0.index))"
                })
        #expect(source.most <= Swift.max(threads, 1))
    }

    @Test func anEmptyListEndsAtOnce() throws {
        for threads in [0, 2] {
            let loader = try Self.loader(CountingSource(count: 3), [], threads: threads, ahead: 4)
            #expect(try loader.next() == nil)
            #expect(try loader.next() == nil)
        }
    }

    @Test func noMoreAheadThanAllowed() throws {
        let source = CountingSource(count: 100)
        let loader = try Self.loader(source, Self.requests(100), threads: 3, ahead: 5)
        for taken in 0..<20 {
            usleep(3000)
            #expect(source.made <= taken + 5)
            _ = try loader.next()
        }
    }

    @Test func imagesOutOfRangeAreErrorsInTheirPlace() throws {
        let requests = [0, -1, 5, 1].map { ExampleLoader.Request(index: $0, epoch: 0) }
        let seen = Self.collect(try Self.loader(CountingSource(count: 3), requests, threads: 2, ahead: 2))
        #expect(seen == ["0: 0.0", "image -1, not within 0..<3", "image 5, not within 0..<3", "1: 1.0"])
    }

    @Test(arguments: [0, 1, 4]) func cancelling(threads: Int) throws {
        let source = CountingSource(count: 1000, delay: 200)
        let loader = try Self.loader(source, Self.requests(1000), threads: threads, ahead: 16)
        _ = try loader.next()
        loader.cancel()
        let made = source.made
        #expect(throws: ULDorError.self) { try loader.next() }
        usleep(5000)
        #expect(source.made == made)
        loader.cancel()
    }

    /// A loader that is dropped in the middle takes its threads with it.
    @Test func noThreadIsLeftBehind() throws {
        func threads() -> Int {
            guard let directory = opendir("/proc/self/task") else { return 0 }
            defer { closedir(directory) }
            var count = 0
            while readdir(directory) != nil { count += 1 }
            return count
        }
        // Other tests run beside this one: the least of a while is looked at.
        func least() -> Int {
            (0..<50).map { _ in
                usleep(2000); return threads()
            }.min() ?? 0
        }
        let before = least()
        for _ in 0..<20 {
            let loader = try Self.loader(CountingSource(count: 100, delay: 20), Self.requests(100), threads: 6, ahead: 6)
            _ = try loader.next()
        }
        #expect(least() <= before + 20)
    }
}
