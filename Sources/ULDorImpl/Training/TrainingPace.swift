import Glibc

/// How fast a run is: recent steps count more than old ones.
final class TrainingPace {
    private var start = 0.0
    private var secondsPerImage, secondsPerValidation, secondsPerMining: Double?

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    func begin() { start = Self.now() }

    /// `images`: of all processes.
    func endStep(images: Int) {
        guard images > 0 else { return }
        secondsPerImage = Self.blend(secondsPerImage, (Self.now() - start) / Double(images))
    }

    func endValidation(processes: Int) {
        secondsPerValidation = Self.blend(secondsPerValidation, (Self.now() - start) / Double(processes))
    }

    func endMining() { secondsPerMining = Self.now() - start }

    private static func blend(_ old: Double?, _ new: Double) -> Double { old.map { 0.95 * $0 + 0.05 * new } ?? new }

    /// 0: not known yet.
    var imagesPerSecond: Double { secondsPerImage.map { $0 > 0 ? 1 / $0 : 0 } ?? 0 }

    /// Negative: not known yet. An image that is only looked at takes about a third of one that is learned from.
    func secondsLeft(steps: Int, validationImages: Int, imagesPerStep: Int, minings: Int) -> Double {
        guard let secondsPerImage else { return -1 }
        return (secondsPerMining ?? 0) * Double(minings) + secondsPerImage * Double(steps) * Double(imagesPerStep)
            + (secondsPerValidation ?? secondsPerImage / 3) * Double(validationImages)
    }
}
