import ULDorKernels

/// A fully connected layer, torch.nn.Linear: `rows x inner` to `rows x columns`.
final class Linear {
    let inner, columns: Int
    private let weights: Buffer<Float>
    private let bias: Buffer<Float>

    init(weights: consuming Buffer<Float>, bias: consuming Buffer<Float>, inner: Int, columns: Int) {
        self.weights = weights
        self.bias = bias
        self.inner = inner
        self.columns = columns
    }

    var memoryBytes: Int { weights.bytes + bias.bytes }

    func forward(
        _ input: UnsafePointer<Float>, rows: Int, relu: Bool, _ execution: Execution
    ) throws(ULDorError) -> UnsafeMutablePointer<Float> {
        let output: UnsafeMutablePointer<Float> = try execution.take(
            count: try checkedProduct(rows, columns, of: "fully connected layer"))
        let table = execution.table
        try execution.run {
            uk_linear($0, table, input, weights.base, bias.base, Int64(rows), Int32(columns), Int32(inner), relu, output)
        }
        return output
    }
}
