import ULDorKernels

/// Runs single stages of the network on a host's tensors (uldor_session_run_stage): how parity is measured.
struct StageRunner {
    let session: Session
    let inputs: TensorSet
    let outputs: TensorSet
    private var model: Model { session.model }
    private var execution: Execution { session.execution }

    init(session: Session, inputs: TensorSet, outputs: TensorSet) {
        self.session = session
        self.inputs = inputs
        self.outputs = outputs
    }

    func run(_ stage: Int32) throws(ULDorError) {
        switch stage {
        case 0...3: try body(Int(stage))
        case 4: try pyramid()
        case 5: try rpn()
        case 6: try proposals()
        case 7: try regionFeatures(from: "proposals", to: "box_features", session.detector.boxPooler)
        case 8: try boxHead()
        case 9: try detections()
        case 10: try regionFeatures(from: "boxes", to: "mask_features", session.detector.maskPooler)
        case 11: try maskHead()
        case 12: try paste()
        default: throw .invalidArgument("stage is \(stage), not within 0...12")
        }
    }

    // MARK: Stages

    private func body(_ stage: Int) throws(ULDorError) {
        let names = ["input", "c2", "c3", "c4", "c5"]
        let inputChannels = stage == 0 ? model.config.input.slices : model.backbone.channels(of: stage - 1)
        let input = try inputs.require(names[stage], [1, inputChannels, nil, nil])
        let step = stage == 0 ? 4 : 2
        let height = input.dim(2), width = input.dim(3)
        guard height % step == 0, width % step == 0 else {
            throw .invalidArgument("inputs: tensor \(names[stage]) is \(height) x \(width), not multiples of \(step)")
        }
        try execution.pass { () throws(ULDorError) in
            let from = try load(input, isHidden: stage > 0)
            let to = try execution.hiddenMap(1, height / step, width / step, model.backbone.channels(of: stage))
            try model.backbone.forward(stage: stage, from, into: to, execution)
            try store(to, as: names[stage + 1])
        }
    }

    private func pyramid() throws(ULDorError) {
        let finest = try inputs.require("c2", [1, model.backbone.channels(of: 0), nil, nil])
        let height = finest.dim(2) * 4, width = finest.dim(3) * 4
        guard height % 32 == 0, width % 32 == 0 else { throw .invalidArgument("inputs: c2 is not a 32nd of an input's size") }
        try execution.pass { () throws(ULDorError) in
            func feature(_ stage: Int) throws(ULDorError) -> FeatureMap {
                try load(
                    try inputs.require(
                        "c\(stage + 2)", [1, model.backbone.channels(of: stage), height >> (stage + 2), width >> (stage + 2)]),
                    isHidden: true)
            }
            let features = BackboneFeatures(c2: try feature(0), c3: try feature(1), c4: try feature(2), c5: try feature(3))
            let output = try model.pyramid.output(height: height, width: width, execution)
            try model.pyramid.forward(features, into: output, execution)
            for level in 0..<Pyramid.levels { try store(output[level], as: "p\(level + 2)") }
        }
    }

    private func rpn() throws(ULDorError) {
        try execution.pass { () throws(ULDorError) in
            for level in 0..<Pyramid.levels {
                let features = try load(try inputs.require("p\(level + 2)", [1, model.pyramid.channels, nil, nil]))
                let head = try execution.map(1, features.height, features.width, model.rpn.predictor.outChannels)
                try model.rpn.forward(features, into: head, execution)
                let anchors = model.rpn.anchors
                try store(head, channels: 0..<anchors, as: "objectness.\(level)")
                try store(head, channels: anchors..<anchors * 5, as: "deltas.\(level)")
            }
        }
    }

    private func proposals() throws(ULDorError) {
        let size = try inputSize()
        try execution.pass { () throws(ULDorError) in
            func head(_ level: Int) throws(ULDorError) -> FeatureMap {
                let anchors = model.rpn.anchors
                let objectness = try inputs.require("objectness.\(level)", [1, anchors, nil, nil])
                let (height, width) = (objectness.dim(2), objectness.dim(3))
                guard height > 0, width > 0, height <= size.paddedHeight, width <= size.paddedWidth else {
                    throw .invalidArgument("inputs: tensor objectness.\(level) is \(height) x \(width), which does not fit size")
                }
                let deltas = try inputs.require("deltas.\(level)", [1, anchors * 4, height, width])
                let head = try execution.map(1, height, width, anchors * 5)
                try load(objectness, into: head, firstChannel: 0)
                try load(deltas, into: head, firstChannel: anchors)
                return head
            }
            let heads = Pyramid(p2: try head(0), p3: try head(1), p4: try head(2), p5: try head(3), p6: try head(4))
            let regions = try session.detector.proposals.filter(heads, size: size, execution)
            guard !execution.isMeasuring else { return }
            let boxes = try outputs.add("proposals", dims: [regions.count, 4])
            let scores = try outputs.add("proposal_scores", dims: [regions.count])
            for index in 0..<regions.count {
                storeBox(regions.boxes[index], boxes + index * 4)
                scores[index] = regions.scores[index]
            }
        }
    }

    private func regionFeatures(from boxName: String, to name: String, _ pooler: RegionPooler) throws(ULDorError) {
        let size = try inputSize()
        let boxes = try inputs.require(boxName, [nil, 4])
        try execution.pass { () throws(ULDorError) in
            func level(_ index: Int) throws(ULDorError) -> FeatureMap {
                try load(
                    try inputs.require(
                        "p\(index + 2)",
                        [1, model.pyramid.channels, size.paddedHeight >> (index + 2), size.paddedWidth >> (index + 2)]))
            }
            let p5 = try level(3)
            let pyramid = Pyramid(p2: try level(0), p3: try level(1), p4: try level(2), p5: p5, p6: p5)
            let regions = try loadBoxes(boxes, boxName, size)
            let features = try pooler.forward(pyramid, regions, count: boxes.dim(0), execution)
            try store(features, as: name)
        }
    }

    private func boxHead() throws(ULDorError) {
        let features = try inputs.require("box_features", [nil, model.pyramid.channels, BoxHead.pooled, BoxHead.pooled])
        try execution.pass { () throws(ULDorError) in
            let output = try model.box.output(regions: features.dim(0), execution)
            try model.box.forward(try load(features), into: output, execution)
            guard !execution.isMeasuring else { return }
            let classes = model.box.classes
            let logits = try outputs.add("box_logits", dims: [features.dim(0), classes])
            let deltas = try outputs.add("box_deltas", dims: [features.dim(0), classes * 4])
            for row in 0..<features.dim(0) {
                (logits + row * classes).update(from: output.data + row * classes * 5, count: classes)
                (deltas + row * classes * 4).update(from: output.data + row * classes * 5 + classes, count: classes * 4)
            }
        }
    }

    private func detections() throws(ULDorError) {
        let size = try inputSize()
        let classes = model.box.classes
        let logits = try inputs.require("box_logits", [nil, classes])
        let rows = logits.dim(0)
        let deltas = try inputs.require("box_deltas", [rows, classes * 4])
        let proposals = try inputs.require("proposals", [rows, 4])
        try execution.pass { () throws(ULDorError) in
            let head = try model.box.output(regions: rows, execution)
            let regions = try loadBoxes(proposals, "proposals", size)
            if !execution.isMeasuring {
                for row in 0..<rows {
                    (head.data + row * classes * 5).update(from: logits.data + row * classes, count: classes)
                    (head.data + row * classes * 5 + classes).update(from: deltas.data + row * classes * 4, count: classes * 4)
                }
            }
            let (found, count) = try session.detector.detections.filter(head, regions, size: size, execution)
            guard !execution.isMeasuring else { return }
            let boxes = try outputs.add("boxes", dims: [count, 4])
            let scores = try outputs.add("scores", dims: [count])
            let labels = try outputs.add("labels", dims: [count])
            for index in 0..<count {
                storeBox(found[index].box, boxes + index * 4)
                scores[index] = found[index].score
                labels[index] = Float(found[index].classIndex)
            }
        }
    }

    private func maskHead() throws(ULDorError) {
        let features = try inputs.require("mask_features", [nil, model.pyramid.channels, MaskHead.pooled, MaskHead.pooled])
        try execution.pass { () throws(ULDorError) in
            let output = try execution.map(features.dim(0), model.mask.size, model.mask.size, model.mask.classes)
            try model.mask.forward(try load(features), into: output, execution)
            try store(output, as: "mask_logits")
        }
    }

    private func paste() throws(ULDorError) {
        let size = try inputSize()
        let side = model.mask.size
        let masks = try inputs.require("masks", [nil, side, side])
        let boxes = try inputs.require("boxes", [masks.dim(0), 4])
        let area = size.height * size.width
        try execution.pass { () throws(ULDorError) in
            let regions = try loadBoxes(boxes, "boxes", size)
            let pixels: UnsafeMutablePointer<Float> = try execution.take(count: area)
            guard !execution.isMeasuring else { return }
            let pasted = try outputs.add("pasted", dims: [masks.dim(0), size.height, size.width])
            pasted.update(repeating: 0, count: masks.dim(0) * area)
            for index in 0..<masks.dim(0) {
                let paste = MaskPaste(
                    mask: masks.data + index * side * side, box: regions[index], model: model, width: size.width,
                    height: size.height)
                guard paste.area > 0 else { continue }
                paste.fill(pixels)
                for y in 0..<paste.height {
                    let row = pasted + index * area + (Int(paste.region.y0) + y) * size.width + Int(paste.region.x0)
                    row.update(from: pixels + y * paste.width, count: paste.width)
                }
            }
        }
    }

    // MARK: Tensors and maps

    /// Height and width before and after padding.
    private func inputSize() throws(ULDorError) -> InputSize {
        let entry = try inputs.require("size", [4])
        func side(_ index: Int) throws(ULDorError) -> Int {
            let value = entry.data[index]
            guard value >= 1, value <= 16384, value == value.rounded() else {
                throw .invalidArgument("inputs: size[\(index)] is \(value), not an integer within 1...16384")
            }
            return Int(value)
        }
        let size = InputSize(
            height: try side(0), width: try side(1), paddedHeight: try side(2), paddedWidth: try side(3))
        guard size.paddedHeight >= size.height, size.paddedWidth >= size.width else {
            throw .invalidArgument("inputs: size is larger than its padding")
        }
        return size
    }

    /// N x C x H x W into a new map, of the kind that lies between convolutions (`isHidden`).
    private func load(_ entry: TensorSet.Entry, isHidden: Bool = false) throws(ULDorError) -> FeatureMap {
        let (batch, channels, height, width) = (entry.dim(0), entry.dim(1), entry.dim(2), entry.dim(3))
        guard channels > 0, height > 0, width > 0, batch <= 65536, channels <= 65536, height <= 16384, width <= 16384 else {
            throw .invalidArgument("inputs: tensor \(String(cString: entry.name)) is empty or too large")
        }
        let map =
            isHidden ? try execution.hiddenMap(batch, height, width, channels) : try execution.map(batch, height, width, channels)
        try load(entry, into: map, firstChannel: 0)
        return map
    }

    private func load(_ entry: TensorSet.Entry, into map: FeatureMap, firstChannel: Int) throws(ULDorError) {
        guard !execution.isMeasuring else { return }
        let channels = entry.dim(1), area = map.height * map.width
        for index in 0..<map.batch {
            var plane = map.map
            plane.data += index * Int(plane.image_stride) + Int(uk_channel(&plane, Int32(firstChannel)))
            uk_from_planes(entry.data + index * channels * area, Int32(channels), &plane)
        }
    }

    private func store(_ map: FeatureMap, channels: Range<Int>? = nil, as name: String) throws(ULDorError) {
        guard !execution.isMeasuring else { return }
        let channels = channels ?? 0..<map.channels
        let values = try outputs.add(name, dims: [map.batch, channels.count, map.height, map.width])
        let area = map.height * map.width
        for index in 0..<map.batch {
            var plane = map.map
            plane.data += index * Int(plane.image_stride) + Int(uk_channel(&plane, Int32(channels.lowerBound)))
            uk_to_planes(&plane, Int32(channels.count), values + index * channels.count * area)
        }
    }

    private func loadBoxes(
        _ entry: TensorSet.Entry, _ name: String, _ size: InputSize
    ) throws(ULDorError) -> UnsafeMutablePointer<Box> {
        let count = entry.dim(0)
        guard count <= 65536 else {
            throw .invalidArgument("inputs: tensor \(name) has \(count) rows, more than 65536")
        }
        let boxes: UnsafeMutablePointer<Box> = try execution.take(count: count)
        guard !execution.isMeasuring else { return boxes }
        for index in 0..<count {
            let row = entry.data + index * 4
            let box = Box(x1: row[0], y1: row[1], x2: row[2], y2: row[3])
            // What the network makes itself is clipped; an adaptive RoIAlign counts on that.
            guard box.isFinite, box == box.clipped(width: Float(size.width), height: Float(size.height)), box.isAtLeast(0) else {
                throw .invalidArgument("inputs: tensor \(name), row \(index), is not a box within the size")
            }
            boxes[index] = box
        }
        return boxes
    }

    private func storeBox(_ box: Box, _ row: UnsafeMutablePointer<Float>) {
        (row[0], row[1], row[2], row[3]) = (box.x1, box.y1, box.x2, box.y2)
    }
}

extension Session {
    /// uldor_session_run_stage; the caller has acquired the session.
    public func runStage(_ stage: Int32, _ inputs: TensorSet) throws(ULDorError) -> TensorSet {
        let outputs = TensorSet(allocator: allocator)
        try StageRunner(session: self, inputs: inputs, outputs: outputs).run(stage)
        return outputs
    }
}
