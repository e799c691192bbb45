public struct Point: BitwiseCopyable, Equatable, Sendable { public var x, y: Double; public init(x: Double, y: Double) { self.x = x; self.y = y } }
struct ContourSpan: BitwiseCopyable { var start, count: Int; var signedArea: Double }
struct ContourTracer: ~Copyable { var points: GrowableBuffer<Point>; var contours: GrowableBuffer<ContourSpan>
 init(allocator: Allocator) { points = .init(allocator: allocator); contours = .init(allocator: allocator) }
 var bytes: Int { 0 }
 mutating func trace(_ p: UnsafePointer<Float>, width: Int, height: Int, originX: Int, originY: Int, threshold: Float) throws(ULDorError) {} }
struct RecistRuler: ~Copyable { init(allocator: Allocator) {}; var bytes: Int { 0 }
 mutating func measure(points: UnsafeBufferPointer<Point>, spacingX: Double, spacingY: Double) throws(ULDorError) -> (long: (Point, Point), short: (Point, Point))? { nil } }
