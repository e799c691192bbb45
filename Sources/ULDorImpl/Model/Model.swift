import ULDorKernels

/// Weights and configuration of a detector; immutable, shared by any number of sessions and threads.
public final class Model: @unchecked Sendable {
    // Unchecked: nothing is mutated after init; the layers' memory is only read.
    let config: ModelConfig
    let backbone: Backbone
    let pyramid: FeaturePyramid
    let rpn: RPNHead
    let box: BoxHead
    let mask: MaskHead
    let anchors: Anchors
    public let allocator: Allocator
    public let parameters: Int
    public let memoryBytes: Int
    /// Of the weights and the configuration: what tells a model from another.
    let fingerprint: Fingerprint
    public var inputChannels: Int { config.input.slices }
    public var classCount: Int { config.classes.count }
    let texts: Texts
    /// Where the layers' weights lie, and what they were made from (Model+Packed.swift).
    let slab: Slab
    let tensors: PackedTensorList
    /// The weights are a learner's, and nothing lies in the slab.
    let isLearning: Bool

    /// `config`: JSON to use instead of the file's own.
    public convenience init(
        path: UnsafePointer<CChar>, memoryMap: Bool, config: UnsafeBufferPointer<UInt8>?, threads: Int32, allocator: Allocator
    ) throws(ULDorError) {
        try self.init(try ByteSource(path: path, memoryMap: memoryMap), config, threads, allocator)
    }

    public convenience init(
        bytes: UnsafeRawBufferPointer, config: UnsafeBufferPointer<UInt8>?, threads: Int32, allocator: Allocator
    ) throws(ULDorError) {
        guard let base = bytes.baseAddress else { throw .invalidArgument("data is NULL") }
        try self.init(ByteSource(memory: base, count: bytes.count), config, threads, allocator)
    }

    private convenience init(
        _ source: ByteSource, _ override: UnsafeBufferPointer<UInt8>?, _ threads: Int32, _ allocator: Allocator
    ) throws(ULDorError) {
        guard try !PackedFile.isOne(source) else {
            guard override == nil else {
                throw .invalidArgument(
                    "options.config: \(source.name) is packed with its configuration: pack the weights with this one instead")
            }
            try self.init(TensorLoader(try PackedFile(source, threads: threads, allocator: allocator)), nil)
            return
        }
        let file = try Safetensors(source, allocator: allocator)
        try self.init(TensorLoader(file, threads: threads), override)
    }

    /// `loader` says whether the weights are packed or learn.
    init(_ loader: TensorLoader, _ override: UnsafeBufferPointer<UInt8>?) throws(ULDorError) {
        let file = loader.file, source = file.source, allocator = loader.allocator
        var text = GrowableBuffer<UInt8>(allocator: allocator)
        var config = ModelConfig()
        if let override {
            for byte in override { try text.append(byte) }
            config = try ConfigReader(UnsafeBufferPointer(text.elements), source: "options", allocator: allocator).read()
        } else if let raw = file.config {
            try decodeJSONString(raw, into: &text)
        } else if let packed = loader.packed {
            for byte in packed.config { try text.append(byte) }
        }
        if override == nil, file.config != nil || text.count > 0 {
            config = try ConfigReader(UnsafeBufferPointer(text.elements), source: source.name, allocator: allocator).read()
        }
        if override == nil, file.config == nil, text.count == 0 {
            config.classes = try Self.guessClasses(loader)
        }
        backbone = try Backbone(loader, config: config)
        guard backbone.stem.channels == config.input.slices else {
            throw loader.error(
                "tensor backbone.body.conv1.weight reads \(backbone.stem.channels) channels, input.slices is \(config.input.slices)"
            )
        }
        pyramid = try FeaturePyramid(loader, backbone: backbone)
        rpn = try RPNHead(loader, channels: pyramid.channels, config: config)
        box = try BoxHead(loader, channels: pyramid.channels, classes: config.classes.count)
        mask = try MaskHead(loader, channels: pyramid.channels, classes: config.classes.count)
        if let name = file.firstUnused() { throw loader.error("tensor \(name) has no place in the network that the others make") }
        try loader.slab.checkUsedUp()
        anchors = Anchors(config)
        parameters = loader.parameters
        if let packed = loader.packed {
            fingerprint = packed.fingerprint
        } else {
            fingerprint = try file.fingerprint(config: UnsafeBufferPointer(text.elements))
        }
        slab = loader.slab
        isLearning = loader.store != nil
        tensors = try PackedTensorList(file)
        self.config = config
        self.allocator = allocator
        let texts = try Texts(config, configText: UnsafeBufferPointer(text.elements), allocator: allocator)
        self.texts = texts
        memoryBytes =
            backbone.memoryBytes + pyramid.memoryBytes + rpn.memoryBytes + box.memoryBytes + mask.memoryBytes + texts.memoryBytes
            + tensors.text.bytes
    }

    /// A file without a configuration: 2 or 3 classes, as its logits say.
    private static func guessClasses(_ loader: TensorLoader) throws(ULDorError) -> [String] {
        let name = "roi_heads.box_predictor.cls_score.weight"
        return switch try loader.require([name]).record.dim(0) {
        case 2: ["background", "lesion"]
        case 3: ["background", "lesion", "false_positive"]
        default: throw loader.error("tensor \(name) has other than 2 or 3 classes, and there is no configuration")
        }
    }

    // MARK: What a host may ask

    public struct Info {
        public var depth, classes, inputChannels, stemChannels, pyramidChannels, boxChannels, maskChannels: Int
        public var maskSize, anchorsPerLocation, parameters, memoryBytes, maxSize, detections: Int
        public var classRule: ClassRule
        public var sliceDistance, spacing: Double
        public var scoreThreshold: Float
    }

    public var info: Info {
        Info(
            depth: backbone.depth, classes: config.classes.count, inputChannels: config.input.slices,
            stemChannels: backbone.stem.outChannels, pyramidChannels: pyramid.channels, boxChannels: box.fc7.outChannels,
            maskChannels: mask.convolutions[0].outChannels, maskSize: mask.size, anchorsPerLocation: rpn.anchors,
            parameters: parameters, memoryBytes: memoryBytes, maxSize: config.input.maxSize, detections: config.detections,
            classRule: config.resolvedClassRule, sliceDistance: config.input.sliceDistance, spacing: config.input.spacing,
            scoreThreshold: config.scoreThreshold)
    }

    /// Name, version, licence, description, configuration: 0..4. NUL-terminated, as long as the model.
    public func text(_ which: Int) -> UnsafePointer<CChar>? { texts.general(which) }

    public func className(_ index: Int) -> UnsafePointer<CChar>? { texts.className(index) }

    /// Slices on each side of the key slice that detection reads (uldor_model_get_slice_reach).
    public func sliceReach(interval: Double) -> Int {
        SliceSampling(config.input, interval: interval).reach
    }
}
