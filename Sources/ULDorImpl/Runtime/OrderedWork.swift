import Glibc

/// Makes a worker's items; one thread's at a time. Errors name the culprit, and leave the worker usable.
protocol Worker: AnyObject, SendableMetatype {
    associatedtype Item
    /// Item `number` of the list. The same bits on any thread.
    func make(_ number: Int) throws(ULDorError) -> Item
}

/// Makes the items of a list ahead of need, on threads of its own, and hands them over in the list's order.
///
/// Threads live as long as the object, wait without spinning, and are joined by ``cancel()`` or at the end. Where the process
/// may start none, items are made by `next()`. One thread uses it.
final class OrderedWork<Maker: Worker> {
    private let shared: OrderedState<Maker.Item>
    private var threads: [WorkerThread] = []
    /// Makes items where there are no threads.
    private var own: Maker?
    private var isCancelled = false

    /// `ahead`: items that are made or being made and not yet handed over, at most. `threads` 0: none.
    init(count: Int, threads: Int, ahead: Int, makeWorker: () throws(ULDorError) -> Maker) throws(ULDorError) {
        shared = OrderedState(count: count, ahead: Swift.max(ahead, 1))
        for _ in 0..<Swift.max(Swift.min(threads, ahead, count), 0) {
            let job = Job(shared, try makeWorker())
            guard let thread = WorkerThread({ job.run() }) else { break }
            self.threads.append(thread)
        }
        if self.threads.isEmpty { own = try makeWorker() }
    }

    deinit { cancel() }

    /// The next item of the list; nil after the last. What went wrong with an item is thrown in its place, and the one after it
    /// comes with the next call. `whileWaiting` is called every few milliseconds until there is one, and may end the wait with
    /// an error.
    func next(whileWaiting: (() throws(ULDorError) -> Void)? = nil) throws(ULDorError) -> Maker.Item? {
        guard !isCancelled else { throw .cancelled }
        if let own { return try shared.makeNext { (number) throws(ULDorError) in try own.make(number) } }
        return try shared.takeNext(whileWaiting)
    }

    /// Ends the threads: they finish the item that they are at.
    func cancel() {
        guard !isCancelled else { return }
        isCancelled = true
        shared.stop()
        for thread in threads { thread.join() }
        threads = []
    }

    private final class Job: @unchecked Sendable {
        // Unchecked: the worker is used by the job's thread alone.
        let state: OrderedState<Maker.Item>
        let worker: Maker

        init(_ state: OrderedState<Maker.Item>, _ worker: Maker) {
            self.state = state
            self.worker = worker
        }

        func run() {
            let worker = worker
            state.run { (number) throws(ULDorError) in try worker.make(number) }
        }
    }
}

/// What the consumer and its threads share.
private final class OrderedState<Item>: @unchecked Sendable {
    // Unchecked: what changes does so under the mutex.
    private enum Made {
        case nothing
        case item(Item)
        case failure(ULDorError)
    }

    private let count: Int
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    /// Signalled when an item is made, and when there is room for another.
    private let made, room: UnsafeMutablePointer<pthread_cond_t>
    /// A ring: item k waits in ring[k % count].
    private var ring: [Made]
    private var taken = 0, delivered = 0
    private var isStopped = false

    init(count: Int, ahead: Int) {
        self.count = count
        ring = Array(repeating: .nothing, count: Swift.min(ahead, Swift.max(count, 1)))
        lock = .allocate(capacity: 1)
        made = .allocate(capacity: 1)
        room = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        var monotonic = pthread_condattr_t()
        pthread_condattr_init(&monotonic)
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC)
        pthread_cond_init(made, &monotonic)
        pthread_cond_init(room, nil)
        pthread_condattr_destroy(&monotonic)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(made)
        pthread_cond_destroy(room)
        lock.deallocate()
        made.deallocate()
        room.deallocate()
    }

    func makeNext(_ make: (Int) throws(ULDorError) -> Item) throws(ULDorError) -> Item? {
        guard delivered < count else { return nil }
        delivered += 1
        return try make(delivered - 1)
    }

    // MARK: The consumer

    func takeNext(_ whileWaiting: (() throws(ULDorError) -> Void)?) throws(ULDorError) -> Item? {
        guard delivered < count else { return nil }
        let slot = delivered % ring.count
        pthread_mutex_lock(lock)
        while case .nothing = ring[slot] {
            guard let whileWaiting else {
                pthread_cond_wait(made, lock)
                continue
            }
            var until = timespec()
            clock_gettime(CLOCK_MONOTONIC, &until)
            until.tv_nsec += 10_000_000
            if until.tv_nsec >= 1_000_000_000 {
                (until.tv_sec, until.tv_nsec) = (until.tv_sec + 1, until.tv_nsec - 1_000_000_000)
            }
            guard pthread_cond_timedwait(made, lock, &until) == ETIMEDOUT else { continue }
            pthread_mutex_unlock(lock)
            try whileWaiting()
            pthread_mutex_lock(lock)
        }
        let result = ring[slot]
        ring[slot] = .nothing
        delivered += 1
        pthread_cond_broadcast(room)
        pthread_mutex_unlock(lock)
        switch result {
        case .item(let item): return item
        case .failure(let error): throw error
        case .nothing: throw ULDorError(.internal, "an item was taken before it was made")
        }
    }

    func stop() {
        pthread_mutex_lock(lock)
        isStopped = true
        pthread_cond_broadcast(room)
        pthread_mutex_unlock(lock)
    }

    // MARK: The threads

    func run(_ make: (Int) throws(ULDorError) -> Item) {
        pthread_mutex_lock(lock)
        while true {
            while !isStopped, taken < count, taken >= delivered + ring.count { pthread_cond_wait(room, lock) }
            guard !isStopped, taken < count else { break }
            let number = taken
            taken += 1
            pthread_mutex_unlock(lock)
            let result: Made
            do throws(ULDorError) {
                result = .item(try make(number))
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
