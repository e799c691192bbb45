import Testing

@testable import ULDorImpl

@Suite struct CSVReaderTests {
    /// Records as "line: field|field", errors as their text behind the file's name.
    private func records(_ text: some Collection<UInt8>) throws -> [String] {
        let folder = Folder()
        let path = folder.write("a.csv", text)
        let csv = try CSVReader(path: path, allocator: .system)
        var seen: [String] = []
        while seen.count < 100_000 {
            do throws(ULDorError) {
                guard try csv.next() else { break }
                let fields = (0..<csv.fieldCount).map { String(decoding: csv.field($0), as: UTF8.self) }
                seen.append("\(csv.line): \(fields.joined(separator: "|"))")
            } catch {
                seen.append(String(error.message.dropFirst(path.utf8.count)))
            }
        }
        return seen
    }

    @Test func records() throws {
        #expect(try records("a,b\n1,2\n".utf8) == ["1: a|b", "2: 1|2"])
        #expect(try records("a,b\r\n1,2".utf8) == ["1: a|b", "2: 1|2"])
        #expect(try records("a,b\r1,2\r".utf8) == ["1: a|b", "2: 1|2"])
        #expect(try records("\u{feff}a,b\n".utf8) == ["1: a|b"])
        #expect(try records(",\n,,\n".utf8) == ["1: |", "2: ||"])
        #expect(try records("\"a,\"\"b\"\"\",\"\",c\n".utf8) == ["1: a,\"b\"||c"])
        #expect(try records("\"a\r\nb\nc\",d\ne\n".utf8) == ["1: a\r\nb\nc|d", "4: e"])
        #expect(try records("\n\n a \n\n\nb".utf8) == ["3:  a ", "6: b"])
        #expect(try records("".utf8).isEmpty)
    }

    @Test func malformed() throws {
        #expect(
            try records("a\nb\"c,d\n1\n\"x\"y,\"\nz\n\"\"\n".utf8)
                == [
                    "1: a", ":2: a quote within a field that does not begin with one", "3: 1", ":4: text after a closing quote",
                    "5: z",
                ])
        #expect(try records("a\n\"b\nc".utf8) == ["1: a", ":2: a quote is never closed"])
        #expect(try records([97, 0, 98, 10, 99] as [UInt8]) == [":1: a byte of value 0", "2: c"])
    }

    /// Records across the ends of the pieces in which a file is read, for every phase.
    @Test func piecesAreSeamless() throws {
        for extra in 0..<7 {
            var text = "", expected: [String] = []
            for number in 0..<20_000 {
                let field = String(repeating: "x", count: (number + extra) % 9)
                text += "\(number),\"\(field)\"\"\",\(field)\r\n"
                expected.append("\(number + 1): \(number)|\(field)\"|\(field)")
            }
            #expect(text.utf8.count > 3 << 16)
            #expect(try records(text.utf8) == expected)
        }
    }

    @Test func numbers() {
        func number(_ text: String) -> Double? {
            var text = text
            return text.withUTF8 { FieldText.number($0) }
        }
        #expect(number(" 1.5 ") == 1.5 && number("-2e3") == -2000 && number("+.5") == 0.5 && number("007") == 7)
        for bad in [
            "", " ", "nan", "inf", "0x10", "1 2", "1,5", "1e999", "--1", "e", ".", "1.5.2", "１",
            String(repeating: "1", count: 50),
        ] {
            #expect(number(bad) == nil, "\(bad)")
        }
    }

    @Test func manyNamesInATable() throws {
        var table = NameTable(allocator: .system), pool = TextPool(allocator: .system)
        var texts: [TextPool.Text] = []
        for number in 0..<3000 {
            var name = "series \(number)"
            let text = try name.withUTF8 { try pool.add($0) }
            try table.insert(NameTable.hash(pool[text]), number)
            texts.append(text)
        }
        for number in 0..<3000 {
            #expect(
                table.find(NameTable.hash(pool[texts[number]])) { pool[texts[$0]].elementsEqual(pool[texts[number]]) } == number)
        }
        var other = "series 3000"
        #expect(other.withUTF8 { name in table.find(NameTable.hash(name)) { pool[texts[$0]].elementsEqual(name) } } == nil)
    }
}
