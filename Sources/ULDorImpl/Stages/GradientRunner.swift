import ULDorKernels

/// Losses, gradients and optimiser steps on tensors of a host, with everything random given by it (uldor_run_gradients): how
/// training is compared with other implementations.
public struct GradientRunner {
    public struct Options {
        public var trainableLayers = 3
        public var threads: Int32 = 0
        public var instructions: Int32 = 0
        public var exact = false
        /// 0: gradients; else so many steps on the same batch.
        public var steps = 0
        public var rate: Float = 1e-3, momentum: Float = 0.9, decay: Float = 1e-4
        public init() {}
    }

    private let learner: Learner
    private let options: Options
    private let allocator: Allocator

    public init(
        path: UnsafePointer<CChar>, config: UnsafeBufferPointer<UInt8>?, options: Options, allocator: Allocator
    ) throws(ULDorError) {
        var learning = LearnerOptions()
        learning.trainableLayers = options.trainableLayers
        learning.threads = options.threads
        learning.instructions = options.instructions
        learning.isExact = options.exact
        let file = try Safetensors(try ByteSource(path: path, memoryMap: false), allocator: allocator)
        learner = try Learner(file, config: config, options: learning, allocator: allocator)
        self.options = options
        self.allocator = allocator
    }

    public func run(_ inputs: TensorSet, into outputs: TensorSet) throws(ULDorError) {
        var examples: [Example] = [], injected: [InjectedSamples] = []
        while inputs.find("image.\(examples.count)") != nil {
            let index = examples.count
            let example = try example(index, inputs)
            injected.append(try samples(index, inputs, example))
            examples.append(example)
        }
        guard !examples.isEmpty else { throw .invalidArgument("inputs: tensor image.0 is missing") }
        let parameters = learner.parameters
        var losses = Losses()
        for _ in 0..<Swift.max(options.steps, 1) {
            parameters.gradients.update(repeating: 0)
            losses = try learner.addGradients(examples, Learner.Draw(), injected: injected)
            guard options.steps > 0 else { break }
            try learner.execution.run {
                uk_sgd(
                    $0, parameters.values.base, parameters.gradientMemory.base, parameters.momentum.base,
                    Int64(parameters.trainedCount), options.rate, options.momentum, options.decay, 1)
            }
        }
        let terms = try outputs.add("losses", dims: [5])
        for (index, term) in [losses.objectness, losses.rpnBox, losses.classifier, losses.box, losses.mask].enumerated() {
            terms[index] = Float(term)
        }
        let from = options.steps > 0 ? parameters.values.base : parameters.gradientMemory.base
        for tensor in parameters.tensors where tensor.isTrained {
            parameters.copy(tensor, from: from + tensor.offset, to: try outputs.add(tensor.name, dims: tensor.dims))
        }
    }

    // MARK: Inputs

    private func example(_ index: Int, _ inputs: TensorSet) throws(ULDorError) -> Example {
        let channels = learner.model.config.input.slices, divisor = learner.model.config.input.sizeDivisor
        let image = try inputs.require("image.\(index)", [1, channels, nil, nil])
        let height = image.dim(2), width = image.dim(3)
        guard height > 0, width > 0, height <= 4096, width <= 4096 else {
            throw .invalidArgument("inputs: tensor image.\(index) is \(height) x \(width), not within 1...4096")
        }
        let size = InputSize(
            height: height, width: width, paddedHeight: (height + divisor - 1) / divisor * divisor,
            paddedWidth: (width + divisor - 1) / divisor * divisor)
        let example = try Example(index: index, channels: channels, size: size, allocator: allocator)
        example.input.elements.update(repeating: 0)
        var corner = uk_map(
            data: example.input.base, image_stride: 0, row_stride: Int64(size.paddedWidth * channels),
            pixel_stride: Int64(channels), height: Int32(height), width: Int32(width), group_stride: 0)
        uk_from_planes(image.data, Int32(channels), &corner)

        let boxes = try inputs.require("boxes.\(index)", [nil, 4]), count = boxes.dim(0)
        let labels = try inputs.require("labels.\(index)", [count])
        let masks = try inputs.require("masks.\(index)", [count, height, width])
        for lesion in 0..<count {
            let classIndex = labels.data[lesion]
            guard classIndex >= 1, classIndex < Float(learner.model.classCount) else {
                throw .invalidArgument("inputs: labels.\(index) holds \(classIndex) at element \(lesion)")
            }
            let corners = boxes.data + lesion * 4
            let box = Box(x1: corners[0], y1: corners[1], x2: corners[2], y2: corners[3])
            guard box.isFinite, box.isAtLeast(0) else {
                throw .invalidArgument("inputs: boxes.\(index) holds no box in row \(lesion)")
            }
            let mask = try example.append(
                Example.Lesion(
                    box: box, classIndex: Int32(classIndex),
                    region: Example.MaskRegion(x: 0, y: 0, width: width, height: height)))
            for pixel in 0..<height * width { mask?[pixel] = masks.data[lesion * height * width + pixel] > 0.5 ? 1 : 0 }
        }
        return example
    }

    private func samples(_ index: Int, _ inputs: TensorSet, _ example: Example) throws(ULDorError) -> InjectedSamples {
        let proposals = try inputs.require("proposals.\(index)", [nil, 4])
        let boxes = (0..<proposals.dim(0)).map { row in
            let corners = proposals.data + row * 4
            return Box(x1: corners[0], y1: corners[1], x2: corners[2], y2: corners[3])
        }
        func indices(_ name: String) throws(ULDorError) -> [Int32] {
            let tensor = try inputs.require("\(name).\(index)", [nil])
            var result: [Int32] = []
            for place in 0..<tensor.count {
                guard let value = Int32(exactly: tensor.data[place]), value >= 0 else {
                    throw .invalidArgument("inputs: \(name).\(index) holds \(tensor.data[place]) at element \(place)")
                }
                result.append(value)
            }
            return result
        }
        return InjectedSamples(proposals: boxes, anchors: try indices("anchors"), regions: try indices("regions"))
    }
}
