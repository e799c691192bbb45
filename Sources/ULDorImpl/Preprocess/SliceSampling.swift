/// Which stored slices an input channel is made of (method, section 2): the neighbours at a distance in mm, linear between the two
/// nearest stored slices.
///
/// The field's code reuses the first neighbour's weights for all (a known defect); here each has its own.
struct SliceSampling {
    let channels: Int
    private let step: Double

    /// `interval` 0: not known; neighbours are then the key slice itself.
    init(_ config: InputConfig, interval: Double) {
        channels = config.slices
        step = interval > 0 ? config.sliceDistance / interval : 0
    }

    struct Source {
        /// Signed distances from the key slice; equal where no blending is needed.
        var near, far: Int
        /// Weight of `far`.
        var fraction: Float
    }

    func source(ofChannel channel: Int) -> Source {
        let neighbour = channel - channels / 2
        let distance = Double(abs(neighbour)) * step
        // 2 mm at 0.1 mm intervals is 20 slices, whatever the last bits of the division say.
        let nearest = distance.rounded()
        let whole = abs(distance - nearest) < 1e-6 ? nearest : distance.rounded(.down)
        let fraction = abs(distance - nearest) < 1e-6 ? 0 : distance - whole
        let sign = neighbour < 0 ? -1 : 1
        let near = Int(Swift.min(whole, 1e9))
        return Source(near: sign * near, far: sign * (fraction > 0 ? near + 1 : near), fraction: Float(fraction))
    }

    /// Without an interval there is nothing to sample between.
    var isUnknown: Bool { step == 0 && channels > 1 }

    var reach: Int { abs(source(ofChannel: channels - 1).far) }
}
