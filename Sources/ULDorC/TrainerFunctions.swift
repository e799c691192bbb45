import CULDor
import ULDorImpl

@_cdecl("uldor_trainer_options_init")
public func trainerOptionsInit(_ options: UnsafeMutablePointer<uldor_trainer_options>?, _ structSize: Int) -> uldor_status {
    initialise(options, structSize, trainerDefaults, minimum: MemoryLayout<Int>.size, "options")
}

@_cdecl("uldor_trainer_create")
public func trainerCreate(
    _ train: OpaquePointer?, _ validation: OpaquePointer?, _ options: UnsafePointer<uldor_trainer_options>?,
    _ trainer: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let train: Dataset = try object(train, .dataset, "train"), trainer = try require(trainer, "trainer")
        var other: Dataset?
        if validation != nil { other = try object(validation, .dataset, "validation") as Dataset }
        let options = try readTrainerOptions(try require(options, "options"))
        trainer.pointee = try makeHandle(.trainer, try Trainer(train: train, validation: other, options: options))
    }
}

@_cdecl("uldor_trainer_free")
public func trainerFree(_ trainer: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in
        guard trainer != nil else { return }
        let held: Trainer = try object(trainer, .trainer, "trainer")
        guard held.acquire() else { throw ULDorError(.busy, "trainer is in use by another call; it was not freed") }
        try dropHandle(trainer, .trainer, "trainer")
    }
}

private func onTrainer(_ trainer: OpaquePointer?, _ body: (Trainer) throws(ULDorError) -> Void) -> uldor_status {
    exclusively(trainer, .trainer, "trainer", body)
}

@_cdecl("uldor_trainer_run")
public func trainerRun(_ trainer: OpaquePointer?, _ steps: Int64) -> uldor_status {
    onTrainer(trainer) { (trainer) throws(ULDorError) in
        guard steps >= 0 else { throw .invalidArgument("steps is \(steps), less than 0") }
        try trainer.run(limit: steps == 0 ? nil : Int(steps))
    }
}

@_cdecl("uldor_trainer_cancel")
public func trainerCancel(_ trainer: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let trainer: Trainer = try object(trainer, .trainer, "trainer")
        trainer.cancel()
    }
}

@_cdecl("uldor_trainer_get_state")
public func trainerGetState(_ trainer: OpaquePointer?, _ state: UnsafeMutablePointer<uldor_trainer_state>?) -> uldor_status {
    onTrainer(trainer) { (trainer) throws(ULDorError) in
        let known = trainer.info
        var value = uldor_trainer_state()
        value.status = known.state
        value.resumed = known.isResumed ? 1 : 0
        value.epoch = Int32(clamping: known.epoch)
        value.epochs = Int32(clamping: known.epochs)
        value.step = Int64(known.step)
        value.steps = Int64(known.steps)
        value.total_steps = Int64(known.totalSteps)
        value.train_images = Int64(known.trainImages)
        value.validation_images = Int64(known.validationImages)
        value.skipped_images = Int64(known.skippedImages)
        value.parameters = Int64(known.parameters)
        value.trained_parameters = Int64(known.trainedParameters)
        value.memory_bytes = Int64(known.memoryBytes)
        value.validation_loss = known.validationLoss
        value.best_loss = known.bestLoss
        value.best_epoch = Int32(clamping: known.bestEpoch)
        value.threads = known.threads
        try writeStruct(value, to: try require(state, "state"), minimum: MemoryLayout<Int>.size, "state")
    }
}

@_cdecl("uldor_trainer_report")
public func trainerReport(_ trainer: OpaquePointer?, _ report: uldor_report_fn?, _ user: UnsafeMutableRawPointer?) -> uldor_status
{
    onTrainer(trainer) { (trainer) throws(ULDorError) in
        let report = try require(report, "report")
        guard trainer.eachReportLine({ line in line.withCString { report(user, $0) } == 0 }) else { throw .cancelled }
    }
}

@_cdecl("uldor_trainer_save")
public func trainerSave(_ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ half: Int32) -> uldor_status {
    onTrainer(trainer) { (trainer) throws(ULDorError) in
        try trainer.save(String(cString: try require(path, "path")), isHalf: half != 0)
    }
}

@_cdecl("uldor_trainer_write_checkpoint")
public func trainerWriteCheckpoint(_ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?) -> uldor_status {
    onTrainer(trainer) { (trainer) throws(ULDorError) in
        try trainer.writeCheckpoint(to: path.map { String(cString: $0) })
    }
}

@_cdecl("uldor_trainer_last_error")
public func trainerLastError(_ trainer: OpaquePointer?) -> UnsafePointer<CChar> {
    handleMessage(trainer, .trainer, "trainer")
        ?? UnsafeRawPointer(("" as StaticString).utf8Start).assumingMemoryBound(to: CChar.self)
}
