import Testing
import ULDorKernels

@Suite struct LinearTests {
    /// Shapes around the block sizes (128 rows, 256 columns), and the smallest.
    @Test(arguments: [(1, 1, 1), (3, 5, 7), (128, 256, 33), (129, 257, 64), (300, 20, 100)])
    func agreesWithDefinition(_ rows: Int, _ columns: Int, _ inner: Int) {
        var generator = Generator(seed: 5)
        let input = generator.floats(rows * inner), weights = generator.floats(columns * inner), bias = generator.floats(columns)
        for table in tables() {
            func run(_ threads: Int32, relu: Bool) -> [Float] {
                var output = [Float](repeating: .nan, count: rows * columns)
                var exec = uk_exec(threads: threads, cancel: nil)
                #expect(
                    uk_linear(&exec, table, input, weights, bias, Int64(rows), Int32(columns), Int32(inner), relu, &output)
                        == UK_OK)
                return output
            }
            let plain = run(1, relu: false), rectified = run(1, relu: true)
            for row in 0..<rows {
                for column in 0..<columns {
                    let sum = (0..<inner).reduce(Double(bias[column])) {
                        $0 + Double(input[row * inner + $1]) * Double(weights[column * inner + $1])
                    }
                    #expect(abs(Double(plain[row * columns + column]) - sum) < 2e-5)
                }
            }
            #expect(rectified == plain.map { max($0, 0) })
            for threads: Int32 in [2, 3, 8] { #expect(run(threads, relu: false) == plain) }
        }
    }
}
