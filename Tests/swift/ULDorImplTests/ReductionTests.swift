import Foundation
import Testing

@testable import ULDorImpl

@Suite struct ReductionTests {
    /// Two processes with a batch of 2 each, and one with 4; the last batch of an epoch is shared unequally.
    @Test(arguments: [1, 3]) func sameAsOneProcess(accumulation: Int) throws {
        let one = FakeRun(train: 11)
        one.options.batch = 4
        one.options.accumulation = accumulation
        one.source.bad = [3]
        one.options.skipsBadImages = true
        let (trainer, expected) = try one.trainer()
        try trainer.run(limit: nil)

        let meeting = Meeting(size: 2)
        let results = Self.together(meeting) { run in
            run.options.batch = 2
            run.options.accumulation = accumulation
            run.source.bad = [3]
            run.options.skipsBadImages = true
        }
        for result in results {
            #expect(result.error == nil)
            #expect(result.skipped == 3)
            for (a, b) in zip(result.weights, expected.weights) { #expect(abs(a - b) <= 1e-5 * abs(b) + 1e-7) }
            #expect(abs(result.bestLoss - trainer.info.bestLoss) < 1e-6)
        }
        #expect(results[0].weights == results[1].weights)
        // The first one writes, the other does not.
        #expect(results[0].names == ["checkpoint.safetensors", "out.safetensors"])
        #expect(results[1].names == [])
    }

    /// Wherever one process fails, both stop at the same step, and nobody waits for ever.
    @Test(arguments: [1, 2, 5, 8], [true, false]) func stopsTogether(call: Int, afterNormalisers: Bool) throws {
        let results = Self.together(Meeting(size: 2)) { run in
            run.options.accumulation = 2
        } configure: { rank, learner in
            if rank == 1 { learner.failing = (call, .cancelled, afterNormalisers) }
        }
        #expect(results.allSatisfy { $0.error?.status == .cancelled })
        #expect(results[0].steps == results[1].steps)
        #expect(results[0].weights == results[1].weights)
    }

    @Test(arguments: [TrainingEvent.Kind.step, .validation, .epoch]) func progressStopsAll(kind: TrainingEvent.Kind) throws {
        let results = Self.together(Meeting(size: 2)) { run in
            guard run.options.reduction?.rank == 0 else { return }
            run.options.progress = { $0.kind != kind || $0.totalSteps < 4 }
        }
        #expect(results.allSatisfy { $0.error?.status == .cancelled })
        #expect(results[0].steps == results[1].steps)
        #expect(results[0].weights == results[1].weights)
    }

    /// The first one cannot write its last checkpoint: the other has nothing left to do, and is told all the same.
    @Test func writingFailsAtTheEnd() throws {
        let results = Self.together(Meeting(size: 2)) { run in
            run.options.epochs = 1
            guard run.options.reduction?.rank == 0 else { return }
            run.options.outputPath = "/proc/nowhere/out.safetensors"
            run.options.checkpointPath = nil
        }
        #expect(results[0].error?.status == .io)
        #expect(results[1].error?.status == .cancelled)
    }

    @Test func otherOptions() throws {
        let results = Self.together(Meeting(size: 2)) { run in
            if run.options.reduction?.rank == 1 { run.options.rate = 0.3 }
        }
        #expect(results.allSatisfy { $0.error?.status == .invalidArgument })
    }

    struct Result {
        var error: ULDorError?
        var weights: [Float] = []
        var steps = 0, skipped = 0
        var bestLoss = 0.0
        var names: [String] = []
    }

    private final class Box: @unchecked Sendable {
        var results: [Result]
        let lock = NSLock()
        init(_ count: Int) { results = Array(repeating: Result(), count: count) }
    }

    static func together(
        _ meeting: Meeting, _ prepare: (FakeRun) -> Void, configure: ((Int, FakeLearner) -> Void)? = nil
    ) -> [Result] {
        let box = Box(meeting.size), group = DispatchGroup()
        var seats: [Meeting.Seat] = []
        for rank in 0..<meeting.size {
            let seat = Meeting.Seat(meeting, rank)
            seats.append(seat)
            let run = FakeRun(train: 11)
            run.options.reduction = seat.reduction
            prepare(run)
            var made: (Trainer, FakeLearner)?
            var failure: ULDorError?
            do throws(ULDorError) { made = try run.trainer { configure?(rank, $0) } } catch { failure = error }
            nonisolated(unsafe) let pair = made, held = run
            box.results[rank].error = failure
            let thread = Thread {
                var result = Result()
                if let (trainer, learner) = pair {
                    do throws(ULDorError) { try trainer.run(limit: nil) } catch { result.error = error }
                    result.weights = learner.weights
                    (result.steps, result.skipped) = (trainer.info.totalSteps, trainer.info.skippedImages)
                    result.bestLoss = trainer.info.bestLoss
                    result.names = held.names
                }
                box.lock.lock()
                box.results[rank] = result
                box.lock.unlock()
                group.leave()
            }
            group.enter()
            thread.start()
        }
        group.wait()
        withExtendedLifetime(seats) {}
        return box.results
    }
}
