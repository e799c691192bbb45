/// What a call failed with: one status of `uldor.h`, mirrored here so that the implementation needs no C header.
public struct Status: RawRepresentable, Equatable, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let ok = Status(rawValue: 0)
    public static let invalidArgument = Status(rawValue: -1)
    public static let noMemory = Status(rawValue: -2)
    public static let io = Status(rawValue: -3)
    public static let format = Status(rawValue: -4)
    public static let model = Status(rawValue: -5)
    public static let image = Status(rawValue: -6)
    public static let busy = Status(rawValue: -7)
    public static let cancelled = Status(rawValue: -8)
    public static let bufferTooSmall = Status(rawValue: -9)
    public static let degenerate = Status(rawValue: -10)
    public static let unsupported = Status(rawValue: -11)
    public static let `internal` = Status(rawValue: -12)
}

/// A status with the message that names the culprit. The only error type that the library throws.
public struct ULDorError: Error {
    public let status: Status
    public let message: String

    public init(_ status: Status, _ message: String) {
        self.status = status
        self.message = message
    }

    public static func invalidArgument(_ message: String) -> ULDorError { ULDorError(.invalidArgument, message) }
    public static func noMemory(bytes: Int) -> ULDorError { ULDorError(.noMemory, "out of memory: \(bytes) bytes") }
    public static func tooLarge(_ what: String) -> ULDorError { ULDorError(.noMemory, "\(what): the size does not fit") }
    public static let cancelled = ULDorError(.cancelled, "cancelled")
}
