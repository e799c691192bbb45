import CULDor
import ULDorImpl

/// The defaults of the header are those of ``MiningOptions``.
private var miningDefaults: uldor_mining_options {
    let known = MiningOptions()
    var options = uldor_mining_options()
    options.struct_size = MemoryLayout<uldor_mining_options>.size
    options.good_iou = known.goodOverlap
    options.min_score = known.leastScore
    options.most = Int32(known.most)
    options.spare_quantile = known.spareQuantile
    options.score_threshold = known.scoreThreshold
    options.split = known.split.rawValue
    options.first_epoch = Int32(known.firstEpoch)
    options.every = Int32(known.every)
    return options
}

@_cdecl("uldor_mining_options_init")
public func miningOptionsInit(_ options: UnsafeMutablePointer<uldor_mining_options>?, _ structSize: Int) -> uldor_status {
    initialise(options, structSize, miningDefaults, minimum: MemoryLayout<Int>.size, "options")
}

/// Ranges are checked by `MiningOptions.validated()`, which whoever mines calls; here is what it cannot see.
func readMiningOptions(_ pointer: UnsafePointer<uldor_mining_options>) throws(ULDorError) -> MiningOptions {
    let raw = try readStruct(pointer, defaults: miningDefaults, minimum: MemoryLayout<Int>.size, "mining")
    var options = MiningOptions()
    if let allocator = try readAllocator(raw.allocator) { options.allocator = allocator }
    options.log = raw.log
    options.logUser = raw.log_user
    if let progress = raw.progress {
        let user = raw.progress_user
        options.progress = { done, count, name in
            let fraction = count > 0 ? Double(done) / Double(count) : 1
            return name.withCString { progress(user, fraction, $0) } == 0
        }
    }
    options.goodOverlap = raw.good_iou
    options.leastScore = raw.min_score
    options.most = Int(raw.most)
    options.boxesOnly = raw.boxes_only != 0
    options.spareQuantile = raw.spare_quantile
    options.scoreThreshold = raw.score_threshold
    options.seed = raw.seed
    options.epoch = Int(raw.epoch)
    guard let split = Split(rawValue: raw.split) else { throw .invalidArgument("mining.split is \(raw.split), not within 1...3") }
    options.split = split
    options.firstEpoch = Int(raw.first_epoch)
    options.every = Int(raw.every)
    guard let resume = TrainerOptions.Resume(rawValue: raw.resume) else {
        throw .invalidArgument("mining.resume is \(raw.resume), not within 0...2")
    }
    options.resume = resume
    guard (0...1).contains(raw.on_bad_image) else {
        throw .invalidArgument("mining.on_bad_image is \(raw.on_bad_image), not within 0...1")
    }
    options.skipsBadImages = raw.on_bad_image == Int32(ULDOR_BAD_SKIP)
    options.threads = raw.threads
    options.streams = Int(raw.streams)
    options.instructions = raw.instructions
    options.isExact = raw.exact != 0
    guard raw.reserved == 0 else { throw .invalidArgument("mining.reserved is \(raw.reserved), not 0") }
    return options
}

@_cdecl("uldor_mine")
public func mine(
    _ model: OpaquePointer?, _ dataset: OpaquePointer?, _ path: UnsafePointer<CChar>?,
    _ options: UnsafePointer<uldor_mining_options>?, _ info: UnsafeMutablePointer<uldor_mining_info>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let model: Model = try object(model, .model, "model"), dataset: Dataset = try object(dataset, .dataset, "dataset")
        let path = String(cString: try require(path, "path"))
        guard !path.isEmpty else { throw .invalidArgument("path is empty") }
        let options = try options.map { (options) throws(ULDorError) in try readMiningOptions(options) } ?? MiningOptions()
        // A struct that cannot be written is named before the work.
        if let info { try writeStruct(uldor_mining_info(), to: info, minimum: MemoryLayout<Int>.size, "info") }
        let miner = try Miner(model, dataset, options)
        try miner.mine(to: path)
        guard let info else { return }
        let counts = miner.counts
        var value = uldor_mining_info()
        value.images = Int64(counts.images)
        value.images_found = Int64(counts.imagesFound)
        value.resumed = Int64(counts.resumed)
        value.skipped_images = Int64(counts.skippedImages)
        value.detections = Int64(counts.detections)
        value.good = Int64(counts.good)
        value.spared = Int64(counts.spared)
        value.candidates = Int64(counts.candidates)
        value.mined = Int64(counts.mined)
        try writeStruct(value, to: info, minimum: MemoryLayout<Int>.size, "info")
    }
}
