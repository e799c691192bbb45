import Glibc

/// Makes examples ahead of need, on threads of its own, and hands them over in the order asked for.
///
/// Which thread makes an example changes nothing in it. Threads live as long as the loader, wait without spinning, take no
/// signals (the host's handlers run on the host's threads) and are joined by ``cancel()`` or at the end. Where the process
/// may start none, examples are made by `next()`. One thread uses a loader.
final class ExampleLoader {
    struct Request: BitwiseCopyable {
        var index, epoch: Int
    }

    private let shared: LoaderState
    private var threads: [pthread_t] = []
    /// Makes examples where there are no threads.
    private var own: (any ExampleWorker)?
    private var isCancelled = false

    /// `requests` are copied. `ahead`: examples that are made or being made and not yet handed over, at most (each has the
    /// memory of its input). `threads` 0: none.
    init(
        _ source: any ExampleSource, requests: UnsafeBufferPointer<Request>, augmentation: Augmentation?, seed: UInt64,
        threads: Int, ahead: Int, allocator: Allocator
    ) throws(ULDorError) {
        shared = try LoaderState(
            source, requests: requests, augmentation: augmentation, seed: seed, ahead: Swift.max(ahead, 1), allocator: allocator)
        let wanted = Swift.min(threads, ahead, requests.count)
        for _ in 0..<Swift.max(wanted, 0) {
            let job = LoaderThread(shared, try source.makeWorker())
            guard let thread = job.start() else { break }
            self.threads.append(thread)
        }
        if self.threads.isEmpty { own = try source.makeWorker() }
    }

    deinit { cancel() }

    /// The next example of the list; nil after the last. What went wrong with an example is thrown in its place, and the
    /// one after it comes with the next call.
    func next() throws(ULDorError) -> Example? {
        guard !isCancelled else { throw .cancelled }
        if let own { return try shared.makeNext(own) }
        return try shared.takeNext()
    }

    /// Ends the threads: they finish the example that they are at (milliseconds).
    func cancel() {
        guard !isCancelled else { return }
        isCancelled = true
        shared.stop()
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }
}

/// What a loader and its threads share.
private final class LoaderState: @unchecked Sendable {
    // Unchecked: what changes does so under the mutex.
    private enum Made {
        case nothing
        case example(Example)
        case failure(ULDorError)
    }

    private let source: any ExampleSource
    private let requests: GrowableBuffer<ExampleLoader.Request>
    private let augmentation: Augmentation?
    private let seed: UInt64
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    /// Signalled when an example is made, and when there is room for another.
    private let made, room: UnsafeMutablePointer<pthread_cond_t>
    /// A ring: example k waits in ring[k % count].
    private var ring: [Made]
    private var taken = 0, delivered = 0
    private var isStopped = false

    init(
        _ source: any ExampleSource, requests: UnsafeBufferPointer<ExampleLoader.Request>, augmentation: Augmentation?,
        seed: UInt64, ahead: Int, allocator: Allocator
    ) throws(ULDorError) {
        self.source = source
        self.augmentation = augmentation
        self.seed = seed
        var copy = GrowableBuffer<ExampleLoader.Request>(allocator: allocator)
        try copy.resize(requests.count)
        _ = copy.elements.update(from: requests)
        self.requests = copy
        ring = Array(repeating: .nothing, count: Swift.min(ahead, Swift.max(requests.count, 1)))
        lock = .allocate(capacity: 1)
        made = .allocate(capacity: 1)
        room = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(made, nil)
        pthread_cond_init(room, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(made)
        pthread_cond_destroy(room)
        lock.deallocate()
        made.deallocate()
        room.deallocate()
    }

    private func make(_ request: ExampleLoader.Request, _ worker: any ExampleWorker) throws(ULDorError) -> Example {
        guard (0..<source.count).contains(request.index) else {
            throw .invalidArgument("image \(request.index), not within 0..<\(source.count)")
        }
        return try worker.example(request.index, augmentation: augmentation, seed: seed, epoch: request.epoch)
    }

    // MARK: Without threads

    func makeNext(_ worker: any ExampleWorker) throws(ULDorError) -> Example? {
        guard delivered < requests.count else { return nil }
        let request = requests.elements[delivered]
        delivered += 1
        return try make(request, worker)
    }

    // MARK: The consumer

    func takeNext() throws(ULDorError) -> Example? {
        guard delivered < requests.count else { return nil }
        let slot = delivered % ring.count
        pthread_mutex_lock(lock)
        while case .nothing = ring[slot] { pthread_cond_wait(made, lock) }
        let result = ring[slot]
        ring[slot] = .nothing
        delivered += 1
        pthread_cond_signal(room)
        pthread_mutex_unlock(lock)
        switch result {
        case .example(let example): return example
        case .failure(let error): throw error
        case .nothing: throw ULDorError(.internal, "an example was taken before it was made")
        }
    }

    func stop() {
        pthread_mutex_lock(lock)
        isStopped = true
        pthread_cond_broadcast(room)
        pthread_mutex_unlock(lock)
    }

    // MARK: The threads

    func run(_ worker: any ExampleWorker) {
        pthread_mutex_lock(lock)
        while true {
            while !isStopped, taken < requests.count, taken >= delivered + ring.count { pthread_cond_wait(room, lock) }
            guard !isStopped, taken < requests.count else { break }
            let number = taken, request = requests.elements[number]
            taken += 1
            pthread_mutex_unlock(lock)
            let result: Made
            do throws(ULDorError) {
                result = .example(try make(request, worker))
            } catch {
                result = .failure(error)
            }
            pthread_mutex_lock(lock)
            ring[number % ring.count] = result
            pthread_cond_signal(made)
        }
        // Others may wait for room that only the end of the list will give.
        pthread_cond_broadcast(room)
        pthread_mutex_unlock(lock)
    }
}

/// A thread's beginning: what it works on and with.
private final class LoaderThread {
    private let state: LoaderState
    private let worker: any ExampleWorker

    /// Decoding and resampling keep their memory elsewhere.
    private static let stackBytes = 1 << 19

    init(_ state: LoaderState, _ worker: any ExampleWorker) {
        self.state = state
        self.worker = worker
    }

    /// nil where the system does not grant a thread.
    func start() -> pthread_t? {
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return nil }
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, Self.stackBytes)
        var all = sigset_t(), before = sigset_t()
        sigfillset(&all)
        // A new thread inherits the mask.
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, &attributes,
            { raw in
                guard let raw else { return nil }
                let job = Unmanaged<LoaderThread>.fromOpaque(raw).takeRetainedValue()
                job.state.run(job.worker)
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            return nil
        }
        return thread
    }
}
