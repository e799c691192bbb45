/// Makes examples ahead of need, and hands them over in the order asked for (``OrderedWork``). One thread uses a loader.
final class ExampleLoader {
    struct Request: BitwiseCopyable {
        var index, epoch: Int
    }

    private let work: OrderedWork<RequestedExamples>

    /// `requests` are copied. `ahead`: examples that are made or being made and not yet handed over, at most (each has the
    /// memory of its input). `threads` 0: none.
    init(
        _ source: any ExampleSource, requests: UnsafeBufferPointer<Request>, augmentation: Augmentation?, seed: UInt64,
        threads: Int, ahead: Int, allocator: Allocator
    ) throws(ULDorError) {
        let list = try RequestList(requests, allocator: allocator)
        work = try OrderedWork(count: requests.count, threads: threads, ahead: ahead) { () throws(ULDorError) in
            RequestedExamples(list, source, try source.makeWorker(), augmentation: augmentation, seed: seed)
        }
    }

    /// The next example of the list; nil after the last. What went wrong with an example is thrown in its place, and the
    /// one after it comes with the next call.
    func next() throws(ULDorError) -> Example? { try work.next() }

    /// Ends the threads: they finish the example that they are at (milliseconds).
    func cancel() { work.cancel() }
}

private final class RequestList {
    let requests: GrowableBuffer<ExampleLoader.Request>

    init(_ requests: UnsafeBufferPointer<ExampleLoader.Request>, allocator: Allocator) throws(ULDorError) {
        var copy = GrowableBuffer<ExampleLoader.Request>(allocator: allocator)
        try copy.resize(requests.count)
        _ = copy.elements.update(from: requests)
        self.requests = copy
    }
}

private final class RequestedExamples: Worker {
    private let list: RequestList
    private let source: any ExampleSource
    private let worker: any ExampleWorker
    private let augmentation: Augmentation?
    private let seed: UInt64

    init(
        _ list: RequestList, _ source: any ExampleSource, _ worker: any ExampleWorker, augmentation: Augmentation?, seed: UInt64
    ) {
        self.list = list
        self.source = source
        self.worker = worker
        self.augmentation = augmentation
        self.seed = seed
    }

    func make(_ number: Int) throws(ULDorError) -> Example {
        let request = list.requests.elements[number]
        guard (0..<source.count).contains(request.index) else {
            throw .invalidArgument("image \(request.index), not within 0..<\(source.count)")
        }
        return try worker.example(request.index, augmentation: augmentation, seed: seed, epoch: request.epoch)
    }
}
