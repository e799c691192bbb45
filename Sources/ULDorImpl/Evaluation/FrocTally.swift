/// Counts along a timeline with a weight for each patient: once for the data as it is, once for each sample of the bootstrap.
struct FrocTally {
    let timeline: FrocTimeline
    let levels: UnsafeBufferPointer<Double>
    /// Level numbers by ascending level.
    let order: UnsafeBufferPointer<Int>
    let strata: Int

    /// Counters that one tally needs: hits at each level and in all, for each stratum, and lesions.
    var counters: Int { lines * strata }
    var lines: Int { levels.count + 2 }

    /// `counts`: ``counters`` values; row l has the hits up to level l, the last but one all hits, the last all lesions. Returns the
    /// number of images and of false positives. `weight` of each patient.
    func run(
        _ froc: Froc, _ weight: UnsafePointer<UInt32>, _ counts: UnsafeMutablePointer<Int>
    ) -> (images: Int, falsePositives: Int) {
        counts.update(repeating: 0, count: counters)
        var images = 0
        for patient in 0..<froc.patients.count { images += Int(froc.imagesOfPatient.elements[patient]) * Int(weight[patient]) }
        let lesions = counts + (levels.count + 1) * strata, hits = counts + levels.count * strata
        for index in 0..<froc.lesions.count {
            let lesion = froc.lesions[index]
            lesions[Int(lesion.stratum)] += Int(weight[Int(lesion.patient)])
        }
        var wrong = 0, next = 0
        var allowed = next < order.count ? allowedFalsePositives(levels[order[next]], images: images) : Int.max
        for index in 0..<timeline.count {
            let event = timeline.events.base[index], times = Int(weight[Int(event.patient)])
            guard event.stratum == FrocTimeline.wrong else {
                hits[Int(event.stratum)] += times
                continue
            }
            wrong += times
            while wrong > allowed {
                (counts + order[next] * strata).update(from: hits, count: strata)
                next += 1
                allowed = next < order.count ? allowedFalsePositives(levels[order[next]], images: images) : Int.max
            }
        }
        while next < order.count {
            (counts + order[next] * strata).update(from: hits, count: strata)
            next += 1
        }
        return (images, wrong)
    }
}
