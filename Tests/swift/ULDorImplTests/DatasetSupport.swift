import Glibc
import Testing

@testable import ULDorImpl

/// A folder that goes with the test.
final class Folder {
    let path: String

    init() {
        var template = Array("/tmp/uldor-dataset-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/nonexistent"
        }
    }

    deinit { _ = system("rm -rf '\(path)'") }

    @discardableResult
    func write(_ name: String, _ bytes: some Collection<UInt8>) -> String {
        let file = "\(path)/\(name)"
        guard let stream = fopen(file, "wb") else { return file }
        let copy = Array(bytes)
        fwrite(copy, 1, copy.count, stream)
        fclose(stream)
        return file
    }
}

/// Examples of one pixel that say what they were asked for; some images fail.
final class CountingSource: ExampleSource, @unchecked Sendable {
    let count: Int
    let failing: Set<Int>
    let delay: UInt32
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var makingNow = 0, madeEver = 0
    private(set) var most = 0

    init(count: Int, failing: Set<Int> = [], delay: UInt32 = 0) {
        self.count = count
        self.failing = failing
        self.delay = delay
        pthread_mutex_init(lock, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    func split(of index: Int) -> Split { .train }
    func name(of index: Int) -> String { "image \(index)" }
    func makeWorker() throws(ULDorError) -> any ExampleWorker { Worker(self) }

    var made: Int { locked { madeEver } }

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }

    final class Worker: ExampleWorker {
        private let source: CountingSource
        init(_ source: CountingSource) { self.source = source }

        func example(_ index: Int, augmentation: Augmentation?, seed: UInt64, epoch: Int) throws(ULDorError) -> Example {
            source.locked {
                source.makingNow += 1; source.most = Swift.max(source.most, source.makingNow)
            }
            // Later ones are often done sooner.
            if source.delay > 0 { usleep(source.delay * UInt32(1 + index * 7 % 5)) }
            source.locked {
                source.makingNow -= 1; source.madeEver += 1
            }
            guard !source.failing.contains(index) else { throw ULDorError(.format, "image \(index) is damaged") }
            let example = try Example(
                index: index, channels: 1, size: InputSize(height: 1, width: 1, paddedHeight: 1, paddedWidth: 1),
                allocator: .system)
            example.input.elements[0] = Float(1000 * epoch + index)
            return example
        }
    }
}
