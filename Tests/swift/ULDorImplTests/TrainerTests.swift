import Foundation
import Testing

@testable import ULDorImpl

@Suite struct TrainerTests {
    /// SGD of torch.optim.SGD on the fake's losses, in doubles: rate, momentum, decay, clipping, accumulation and warm-up.
    @Test func followsTheRecipe() throws {
        let run = FakeRun()
        run.options.warmupSteps = 3
        run.options.rateEpochs = 2
        run.options.rateFactor = 0.5
        run.options.clipNorm = 0.4
        run.options.accumulation = 2
        run.options.weightDecay = 0.01
        var norms: [Double] = []
        run.options.progress = { event in
            if event.kind == .step { norms.append(event.gradientNorm) }
            return true
        }
        let (trainer, learner) = try run.trainer()
        var weights = learner.weights.map(Double.init)
        let trained = learner.parameters.trainedCount
        var speed = Array(repeating: 0.0, count: trained)
        try trainer.run(limit: nil)
        // 7 images in batches of 2: 4 batches, 2 steps an epoch.
        #expect(learner.seen.count == 12)
        var step = 0
        for epoch in 0..<3 {
            for batches in [learner.seen[epoch * 4..<epoch * 4 + 2], learner.seen[epoch * 4 + 2..<epoch * 4 + 4]] {
                var gradient = Array(repeating: 0.0, count: trained)
                for batch in batches {
                    for image in batch {
                        for place in 0..<trained {
                            let off = weights[place] - Double(FakeLearner.target(image, place))
                            gradient[place] += off / Double(batch.count) / Double(batches.count)
                        }
                    }
                }
                let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
                #expect(abs(norms[step] - norm) < 1e-5)
                let scale = norm > 0.4 ? 0.4 / norm : 1
                let rate = 0.1 * (epoch >= 2 ? 0.5 : 1) * min(1, Double(step + 1) / 3)
                for place in 0..<trained {
                    speed[place] = 0.9 * speed[place] + gradient[place] * scale + 0.01 * weights[place]
                    weights[place] -= rate * speed[place]
                }
                step += 1
            }
        }
        for place in 0..<trained { #expect(abs(Double(learner.weights[place]) - weights[place]) < 1e-5) }
        // What is not trained stays as it was.
        #expect(learner.weights[trained...].map(Double.init) == Array(weights[trained...]))
    }

    /// torch.optim.AdamW on the fake's losses, in doubles, at rates that a cosine lets fall. A step all of whose images are skipped is
    /// none of the optimiser's.
    @Test func followsAdamW() throws {
        let run = FakeRun(train: 6, validation: 0)
        run.options.validationSplit = nil
        run.options.batch = 1
        run.options.optimiser = .adamw
        run.options.secondMomentum = 0.95
        run.options.rateSchedule = .cosine
        run.options.warmupSteps = 4
        run.options.weightDecay = 0.1
        run.options.skipsBadImages = true
        run.source.bad = [2]
        var rates: [Double] = []
        run.options.progress = { event in
            if event.kind == .step { rates.append(event.rate) }
            return true
        }
        let (trainer, learner) = try run.trainer()
        var weights = learner.weights.map(Double.init)
        let trained = learner.parameters.trainedCount
        try trainer.run(limit: nil)
        #expect(rates.count == 18 && learner.seen.count == 15)
        for (step, rate) in rates.enumerated() {
            let cosine = (1 + cos(Double.pi * Double(step) / 18)) / 2
            #expect(abs(rate - 0.1 * cosine * min(1, Double(step + 1) / 4)) < 1e-15)
        }
        // Where the bad image's steps were.
        var order: [Int] = []
        for epoch in 0..<3 {
            let places = try trainer.schedule.order(epoch: epoch, allocator: .system)
            order += places.elements
            _ = places.count
        }
        #expect(order.filter { $0 != 2 } == learner.seen.map { $0[0] })
        var speed = Array(repeating: 0.0, count: trained), squares = speed, updates = 0.0
        for (rate, image) in zip(rates, order) where image != 2 {
            updates += 1
            for place in 0..<trained {
                let gradient = weights[place] - Double(FakeLearner.target(image, place))
                speed[place] = 0.9 * speed[place] + 0.1 * gradient
                squares[place] = 0.95 * squares[place] + 0.05 * gradient * gradient
                let deviation = (squares[place] / (1 - pow(0.95, updates))).squareRoot()
                weights[place] -= rate * (0.1 * weights[place] + speed[place] / (1 - pow(0.9, updates)) / (deviation + 1e-8))
            }
        }
        for place in 0..<trained { #expect(abs(Double(learner.weights[place]) - weights[place]) < 1e-5) }
        #expect(learner.weights[trained...].map(Double.init) == Array(weights[trained...]))
    }

    @Test func everyImageOnceAnEpoch() throws {
        let run = FakeRun()
        let (trainer, learner) = try run.trainer()
        try trainer.run(limit: nil)
        let perEpoch = (0..<3).map { epoch in learner.seen[epoch * 4..<epoch * 4 + 4].flatMap { $0 } }
        for epoch in perEpoch { #expect(epoch.sorted() == Array(0..<7)) }
        #expect(Set(perEpoch).count == 3)
    }

    @Test(arguments: [0, 3, 20]) func epochLength(_ images: Int) throws {
        let run = FakeRun()
        run.options.epochImages = images
        let (trainer, learner) = try run.trainer()
        try trainer.run(limit: nil)
        let all = learner.seen.flatMap { $0 }
        #expect(all.count == 3 * (images == 0 ? 7 : images))
        // Longer than the split: whole permutations, then a part of one.
        if images == 20 { for image in 0..<7 { #expect([2, 3].contains(all[..<20].filter { $0 == image }.count)) } }
    }

    /// A run that is ended after any step, and in any validation, has the same bytes in the end.
    @Test(arguments: [TrainerOptions.Optimiser.sgd, .adamw]) func resumesAtEveryStep(_ optimiser: TrainerOptions.Optimiser) throws
    {
        func fakeRun() -> FakeRun {
            let run = FakeRun()
            run.options.optimiser = optimiser
            run.options.rateSchedule = optimiser == .adamw ? .cosine : .steps
            return run
        }
        let whole = fakeRun()
        let (trainer, _) = try whole.trainer()
        try trainer.run(limit: nil)
        #expect(trainer.info.totalSteps == 12)
        #expect(trainer.info.state == 1)
        #expect(whole.names == ["checkpoint.safetensors", "out.safetensors"])
        for steps in 1...12 {
            let parts = fakeRun()
            var rounds = 0
            while true {
                let (trainer, _) = try parts.trainer()
                guard trainer.info.state == 0 else { break }
                try trainer.run(limit: steps)
                try trainer.writeCheckpoint(to: nil)
                rounds += 1
            }
            #expect(rounds == (12 + steps - 1) / steps)
            #expect(parts.bytes("out.safetensors") == whole.bytes("out.safetensors"))
            #expect(parts.bytes("checkpoint.safetensors") == whole.bytes("checkpoint.safetensors"))
        }
    }

    /// Killed instead of ended: all that is there is the last checkpoint, up to 2 steps old.
    @Test func goesOnFromOlderCheckpoints() throws {
        let whole = FakeRun()
        whole.options.checkpointSteps = 3
        let (trainer, _) = try whole.trainer()
        try trainer.run(limit: nil)
        for steps in 1...11 {
            let parts = FakeRun()
            parts.options.checkpointSteps = 3
            let (first, _) = try parts.trainer()
            try first.run(limit: steps)
            let (second, _) = try parts.trainer()
            #expect(second.info.totalSteps <= steps)
            try second.run(limit: nil)
            #expect(parts.bytes("out.safetensors") == whole.bytes("out.safetensors"))
            #expect(parts.bytes("checkpoint.safetensors") == whole.bytes("checkpoint.safetensors"))
        }
    }

    /// An error in a step leaves everything as the last step left it, and the run goes on to the same end.
    @Test(arguments: [true, false]) func forgetsAFailedStep(afterNormalisers: Bool) throws {
        let whole = FakeRun()
        let (trainer, expected) = try whole.trainer()
        try trainer.run(limit: nil)
        for call in 1...12 {
            let run = FakeRun()
            let (trainer, learner) = try run.trainer { $0.failing = (call, .cancelled, afterNormalisers) }
            #expect(throws: ULDorError.self) { try trainer.run(limit: nil) }
            #expect(trainer.info.totalSteps == call - 1)
            let weights = learner.weights, speeds = learner.speeds
            let fresh = FakeRun()
            let (other, same) = try fresh.trainer()
            if call > 1 { try other.run(limit: call - 1) }
            #expect(same.weights == weights)
            #expect(same.speeds == speeds)
            try trainer.run(limit: nil)
            #expect(learner.weights == expected.weights)
            #expect(run.bytes("out.safetensors") == whole.bytes("out.safetensors"))
        }
    }

    @Test func progressCancels() throws {
        for kind in [TrainingEvent.Kind.step, .validation, .epoch, .calibration] {
            let run = FakeRun()
            var isFirst = true
            run.options.progress = { event in
                guard event.kind == kind, isFirst else { return true }
                isFirst = false
                return false
            }
            let (trainer, learner) = try run.trainer(calibrationImages: 2)
            let error = #expect(throws: ULDorError.self) { try trainer.run(limit: nil) }
            #expect(error?.status == .cancelled)
            try trainer.run(limit: nil)
            let whole = FakeRun()
            let (other, expected) = try whole.trainer(calibrationImages: 2)
            try other.run(limit: nil)
            #expect(learner.weights == expected.weights)
            #expect(learner.calibrated.count == 2)
        }
    }

    @Test func patience() {
        var state = TrainingState()
        let losses: [Double?] = [5, 4, 4, 4.5, 3, 3.5, 3.5, 3.25]
        let best = losses.map { state.finishEpoch(validationLoss: $0, epochs: 100, patience: 3) }
        #expect(best == [true, true, false, false, true, false, false, false])
        #expect(state.outcome == .stopped)
        #expect(state.bestEpoch == 4)
        #expect(state.bestLoss == 3)
        var patient = TrainingState()
        for loss in losses { _ = patient.finishEpoch(validationLoss: loss, epochs: losses.count, patience: 0) }
        #expect(patient.outcome == .finished)
        var blind = TrainingState()
        #expect((0..<9).allSatisfy { _ in blind.finishEpoch(validationLoss: nil, epochs: 100, patience: 1) })
        #expect(blind.outcome == .running)
    }

    @Test func keepsTheBest() throws {
        let run = FakeRun()
        run.options.rate = 1.9  // Swings to and fro.
        run.options.momentum = 0
        run.options.epochs = 6
        var best: [Float] = [], losses: [Double] = []
        var held: FakeLearner?
        run.options.progress = { event in
            if event.kind == .epoch {
                losses.append(event.validationLoss)
                if event.isBest { best = held?.weights ?? [] }
                return event.isBest == (event.validationLoss == losses.min())
            }
            return true
        }
        let (trainer, learner) = try run.trainer()
        held = learner
        try trainer.run(limit: nil)
        let file = try Safetensors(try FakeRun.open(run.options.outputPath!), allocator: .system)
        #expect(try FakeLearner(file).weights == best)
        #expect(trainer.info.bestLoss == losses.min())
    }

    /// A finished run goes on where it is given more epochs.
    @Test func moreEpochs() throws {
        let whole = FakeRun()
        whole.options.epochs = 5
        try whole.trainer().0.run(limit: nil)
        let parts = FakeRun()
        parts.options.epochs = 2
        try parts.trainer().0.run(limit: nil)
        parts.options.epochs = 5
        let (trainer, _) = try parts.trainer()
        #expect(trainer.info.state == 0)
        try trainer.run(limit: nil)
        #expect(parts.bytes("out.safetensors") == whole.bytes("out.safetensors"))
    }

    @Test func otherRunsCheckpoint() throws {
        let changes: [(String, (inout TrainerOptions) -> Void)] = [
            ("seed", { $0.seed = 9 }), ("batch", { $0.batch = 3 }), ("accumulation", { $0.accumulation = 2 }),
            ("lr", { $0.rate = 0.2 }), ("momentum", { $0.momentum = 0.5 }), ("weight_decay", { $0.weightDecay = 0 }),
            ("lr_factor", { $0.rateFactor = 1 }), ("lr_epochs", { $0.rateEpochs = 1 }), ("warmup_steps", { $0.warmupSteps = 1 }),
            ("clip_norm", { $0.clipNorm = 1 }), ("epoch_images", { $0.epochImages = 5 }),
            ("validation_images", { $0.validationImages = 1 }), ("validation_split", { $0.validationSplit = nil }),
            ("trainable_layers", { $0.trainableLayers = 2 }), ("calibration_images", { $0.calibrationImages = 3 }),
            ("rpn_samples", { $0.anchorSamples = 1 }), ("roi_samples", { $0.regionSamples = 1 }),
            ("rpn_positive", { $0.anchorFraction = 1 }), ("roi_positive", { $0.regionFraction = 1 }),
            ("proposals", { $0.proposals = 5 }), ("no_mask_loss", { $0.usesMasks = false }),
            ("on_bad_image", { $0.skipsBadImages = true }), ("exact", { $0.isExact = true }),
            ("portable", { $0.instructions = 1 }), ("scale_low", { $0.augmentation.scaleLow = 1 }),
            ("position_px", { $0.augmentation.position = 1 }), ("slice_part", { $0.augmentation.slicePart = 0 }),
            ("flip_x", { $0.augmentation.flipX = 0.5 }), ("flip_y", { $0.augmentation.flipY = 0.5 }),
            ("architecture", { $0.architecture = "narrow" }), ("optimiser", { $0.optimiser = .adamw }),
            ("second_momentum", { $0.secondMomentum = 0.9 }), ("lr_schedule", { $0.rateSchedule = .cosine }),
        ]
        let run = FakeRun()
        let (first, _) = try run.trainer()
        try first.run(limit: 1)
        try first.writeCheckpoint(to: nil)
        for (name, change) in changes {
            var other = run.options
            change(&other)
            let kept = run.options
            run.options = other
            let error = #expect(throws: ULDorError.self) { try run.trainer() }
            #expect(error?.message.contains(": \(name) is ") == true, "\(name): \(error?.message ?? "")")
            run.options = kept
        }
        // The number of threads and how long the run is do not matter.
        run.options.threads = 2
        run.options.loaderThreads = 3
        run.options.epochs = 9
        run.options.patience = 2
        _ = try run.trainer()
        // But a cosine's rates depend on it.
        let cosine = FakeRun()
        cosine.options.rateSchedule = .cosine
        try cosine.trainer().0.writeCheckpoint(to: nil)
        cosine.options.epochs = 9
        let longer = #expect(throws: ULDorError.self) { try cosine.trainer() }
        #expect(longer?.message.contains("epochs is 3 there, 9 here") == true)
        // Other data do.
        let fewer = FakeRun(train: 6)
        fewer.options.checkpointPath = run.options.checkpointPath
        let error = #expect(throws: ULDorError.self) { try fewer.trainer() }
        #expect(error?.message.contains("images to train on is 7 there, 6 here") == true)
    }

    /// A checkpoint without its second momentum, or with one that has no root.
    @Test func spoiltSecondMomentum() throws {
        let run = FakeRun()
        run.options.optimiser = .adamw
        let (trainer, learner) = try run.trainer()
        try trainer.run(limit: 2)
        #expect(learner.parameters.squares.elements.allSatisfy { $0 > 0 })
        learner.parameters.squares.base[5] = -1
        try trainer.writeCheckpoint(to: nil)
        let negative = #expect(throws: ULDorError.self) { try run.trainer() }
        #expect(negative?.message.hasSuffix("training.second_momentum holds -1.0 at element 5") == true)
        let path = run.options.checkpointPath!
        let name = "training.second_momentum", other = "training.second_momentun"
        var bytes = run.bytes("checkpoint.safetensors")
        bytes.replaceSubrange(try #require(bytes.range(of: Data(name.utf8))), with: Data(other.utf8))
        try bytes.write(to: URL(fileURLWithPath: path))
        let missing = #expect(throws: ULDorError.self) { try run.trainer() }
        #expect(missing?.message.hasSuffix("training.second_momentum is not that of these weights") == true)
    }

    @Test func badImages() throws {
        let run = FakeRun()
        run.source.bad = [2, 5, 8]
        let (strict, _) = try run.trainer()
        let error = #expect(throws: ULDorError.self) { try strict.run(limit: nil) }
        #expect(error?.message.hasPrefix("image/") == true)
        run.options.skipsBadImages = true
        run.options.checkpointPath = nil
        let (trainer, learner) = try run.trainer()
        try trainer.run(limit: nil)
        #expect(trainer.info.skippedImages == 6)
        #expect(Set(learner.seen.flatMap { $0 }) == [0, 1, 3, 4, 6])
        run.source.bad = Set(0..<10)
        let (nothing, blind) = try run.trainer()
        let reason = #expect(throws: ULDorError.self) { try nothing.run(limit: nil) }
        #expect(reason?.message.contains("none of the 3 validation images") == true)
        #expect(blind.calls == 0)
    }

    @Test func divergence() throws {
        let run = FakeRun()
        run.options.rate = 1000
        run.options.epochs = 100
        let (trainer, learner) = try run.trainer()
        let error = #expect(throws: ULDorError.self) { try trainer.run(limit: nil) }
        #expect(error?.status == .model)
        // Weights of the last step that there was a loss for; they may be large.
        #expect(learner.calls == trainer.info.totalSteps + 1 || trainer.info.step == 4)
    }

    @Test func log() throws {
        for name in ["log.csv", "log.jsonl"] {
            let run = FakeRun()
            run.options.logPath = run.directory + "/" + name
            while true {
                let (trainer, _) = try run.trainer()
                guard trainer.info.state == 0 else { break }
                try trainer.run(limit: 5)
                // Killed without a checkpoint at the fifth step: the lines since the last one are written again.
            }
            let lines = String(decoding: run.bytes(name), as: UTF8.self).split(separator: "\n")
            #expect(lines.count == 12 + 3 + (name == "log.csv" ? 1 : 0))
            if name == "log.csv" {
                let columns = lines[0].split(separator: ",", omittingEmptySubsequences: false).count
                #expect(lines.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == columns })
            } else {
                for line in lines { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
            }
        }
    }
}
