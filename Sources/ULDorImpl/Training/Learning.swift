/// What a run needs of a detector that learns: ``Learner``, or a test's own.
protocol Learning: AnyObject {
    var parameters: ParameterStore { get }
    var execution: Execution { get }
    var memoryBytes: Int { get }
    /// Adds the gradients of the batch's mean losses. `normalise` is called once, before the backward pass.
    func addGradients(
        _ examples: [Example], seed: UInt64, epoch: Int, normalise: (inout Normalisers) throws(ULDorError) -> Void
    ) throws(ULDorError) -> Losses
    /// Without gradients; the same in every epoch.
    func losses(_ example: Example, seed: UInt64) throws(ULDorError) -> Losses
    func calibrateBatchNorm(_ examples: [Example]) throws(ULDorError)
}

extension Learner: Learning {
    func addGradients(
        _ examples: [Example], seed: UInt64, epoch: Int, normalise: (inout Normalisers) throws(ULDorError) -> Void
    ) throws(ULDorError) -> Losses {
        try withoutActuallyEscaping(normalise) { (normalise) throws(ULDorError) in
            try addGradients(examples, Draw(seed: seed, epoch: epoch), injected: nil, normalise: normalise)
        }
    }
}

extension ParameterStore {
    /// Pieces of the flat buffers that the optimiser changes: without the mask branch where it is not trained, which weight decay would
    /// wear away.
    func trainedRanges(usesMasks: Bool) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        let trained = tensors.filter { $0.isTrained && (usesMasks || !$0.name.hasPrefix("roi_heads.mask_")) }
        for tensor in trained.sorted(by: { $0.offset < $1.offset }) {
            let end = tensor.offset + tensor.count
            if let last = ranges.last, last.upperBound == tensor.offset {
                ranges[ranges.count - 1] = last.lowerBound..<end
            } else {
                ranges.append(tensor.offset..<end)
            }
        }
        return ranges
    }
}
