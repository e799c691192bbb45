/// A point or a vector in the plane: pixels in the header's coordinates, or millimetres where it says so.
public struct Point: BitwiseCopyable, Equatable, Sendable {
    public var x, y: Double

    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }

    static let zero = Point(x: 0, y: 0)

    static func + (a: Point, b: Point) -> Point { Point(x: a.x + b.x, y: a.y + b.y) }
    static func - (a: Point, b: Point) -> Point { Point(x: a.x - b.x, y: a.y - b.y) }
    static func * (factor: Double, a: Point) -> Point { Point(x: factor * a.x, y: factor * a.y) }

    func dot(_ other: Point) -> Double { x * other.x + y * other.y }

    /// Positive where `other` lies towards growing angles (from +x to +y), which is a positive shoelace turn.
    func cross(_ other: Point) -> Double { x * other.y - y * other.x }

    var squaredLength: Double { x * x + y * y }
    var length: Double { squaredLength.squareRoot() }

    var isFinite: Bool { x.isFinite && y.isFinite }

    /// Smaller x first, then smaller y: the order that breaks ties.
    func precedes(_ other: Point) -> Bool { x < other.x || (x == other.x && y < other.y) }
}
