import Testing

@testable import ULDorImpl

@Suite struct JSONTests {
    private func isAccepted(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            do throws(ULDorError) {
                _ = try JSONDocument.parse(bytes, allocator: .system, what: "text")
                return true
            } catch {
                return false
            }
        }
    }

    @Test(arguments: [
        "{}", "[]", "{\"a\": [1, -2.5e3, true, null], \"b\": {\"c\": \"\"}}", " {\"a\":{}} ", "[[[[]]]]",
    ])
    func accepts(_ text: String) { #expect(isAccepted(text)) }

    @Test(arguments: [
        "", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,\"b\"}", "{\"a\" \"b\"}", "{1: 2}", "[1", "[tru]", "[nan]", "[+1]",
        "{} {}",
        "{\"a\":1 2}", "\"a", "[1}", "{\"a\":\"\\x\"}", "[\"a\":1]", "{\"a\":1,}", "[1,]", "[,1]", "[1,,2]", "[01]", "[1.]",
        "[\"a\tb\"]", "nul",
    ])
    func refuses(_ text: String) { #expect(!isAccepted(text)) }

    @Test func nestingHasALimit() {
        func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        #expect(isAccepted(nested(64)))
        for depth in [65, 1_000_000] { #expect(!isAccepted(nested(depth))) }
    }

    @Test func numbers() throws {
        var text = "[18446744073709551616, 9223372036854775807, 1.5, -1, 1e999]"
        try text.withUTF8 { bytes in
            let json = try JSONDocument.parse(bytes, allocator: .system, what: "text")
            #expect(json.natural(1) == nil)
            #expect(json.natural(2) == Int.max)
            #expect(json.natural(3) == nil)
            #expect(json.natural(4) == nil)
            #expect(json.number(3) == 1.5)
            #expect(json.number(4) == -1)
            #expect(json.number(5) == nil)
        }
    }

    private func decoded(_ text: String) throws -> String {
        var text = text
        return try text.withUTF8 { bytes in
            var result = GrowableBuffer<UInt8>(allocator: .system)
            try decodeJSONString(bytes, into: &result)
            return String(decoding: result.elements, as: UTF8.self)
        }
    }

    @Test func escapes() throws {
        #expect(try decoded(#"a\"\\\/\b\f\n\r\tz"#) == "a\"\\/\u{8}\u{c}\n\r\tz")
        #expect(try decoded(#"\u0041\u00e9\u20ac\ud83d\ude00"#) == "A\u{e9}\u{20ac}\u{1F600}")
        for bad in [#"\"#, #"\u12"#, #"\ud800"#, #"\ud800\u0041"#, #"\udc00"#, #"\uzzzz"#, #"\x"#] {
            #expect(throws: ULDorError.self, "\(bad)") { try decoded(bad) }
        }
    }
}
