/// Checks what a host sets: INVALID_ARGUMENT with the field's name, its value and its range.
struct OptionRange {
    /// What the header calls the struct.
    let group: StaticString

    func check(_ name: StaticString, _ value: Int, _ range: ClosedRange<Int>) throws(ULDorError) {
        guard range.contains(value) else { throw outside(name, value, range.lowerBound, range.upperBound) }
    }

    /// Not NaN either.
    func check(_ name: StaticString, _ value: Double, _ range: ClosedRange<Double>) throws(ULDorError) {
        guard range.contains(value) else { throw outside(name, value, range.lowerBound, range.upperBound) }
    }

    private func outside<Value>(_ name: StaticString, _ value: Value, _ low: Value, _ high: Value) -> ULDorError {
        .invalidArgument("\(group).\(name) is \(value), not within \(low)...\(high)")
    }
}
