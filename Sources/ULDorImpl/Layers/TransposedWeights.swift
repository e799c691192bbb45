/// Weights of a 2 x 2 transposed convolution of stride 2, in x out x 2 x 2 as torch.nn.ConvTranspose2d stores them.
enum TransposedWeights {
    /// Those of one place (0...3, row by row) of a 2 x 2 block, as the 1 x 1 convolution out x in that they are.
    static func take(
        _ place: Int, of weights: UnsafePointer<Float>, channels: Int, outChannels: Int, into part: UnsafeMutablePointer<Float>
    ) {
        for out in 0..<outChannels {
            for channel in 0..<channels { part[out * channels + channel] = weights[(channel * outChannels + out) * 4 + place] }
        }
    }
}
