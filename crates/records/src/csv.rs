//! CSV (RFC 4180), pushed in and written piece by piece. Cells that a spreadsheet would run are neutralised with an
//! apostrophe, in a way that reading undoes.

use kernel::Failure;

/// Bytes of one row.
const ROW: usize = 4 << 20;
/// Columns.
const COLUMNS: usize = 1000;

/// Whether a spreadsheet would take the cell for a formula, or for one that was neutralised.
fn risky(cell: &str) -> bool {
    let mut rest = cell;
    while let Some(after) = rest.strip_prefix('\'') {
        rest = after;
    }
    rest.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A cell as written. `plain`: a number, which is never a formula.
pub(crate) fn write(out: &mut Vec<u8>, cell: &str, plain: bool) {
    let guard = !plain && risky(cell);
    let quote = guard || cell.contains([',', '"', '\n', '\r']) || cell.starts_with(' ') || cell.ends_with(' ');
    if !quote {
        return out.extend_from_slice(cell.as_bytes());
    }
    out.push(b'"');
    if guard {
        out.push(b'\'');
    }
    for byte in cell.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// A cell as read, without the apostrophe that writing put there.
pub(crate) fn read(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if risky(rest) => rest,
        _ => cell,
    }
}

/// Reads rows out of chunks as they come.
pub(crate) struct Reader {
    core: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    written: usize,
    ended: usize,
    begun: bool,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let core = csv_core::Reader::new();
        Self { core, text: vec![0; 8192], ends: vec![0; 64], written: 0, ended: 0, begun: false }
    }

    /// Rows that a chunk completes; an empty chunk is the end.
    ///
    /// # Errors
    /// `BadInput`: a row too long, too many columns, not UTF-8.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Result<Vec<Vec<String>>, Failure> {
        let mut input = chunk;
        if !self.begun && !chunk.is_empty() {
            self.begun = true;
            input = chunk.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(chunk);
        }
        let mut rows = Vec::new();
        loop {
            let (text, ends) = (self.text.get_mut(self.written..), self.ends.get_mut(self.ended..));
            let (Some(text), Some(ends)) = (text, ends) else { return Err(Failure::internal("records: csv buffer")) };
            let (result, read, written, ended) = self.core.read_record(input, text, ends);
            input = input.get(read..).unwrap_or_default();
            self.written += written;
            self.ended += ended;
            match result {
                csv_core::ReadRecordResult::InputEmpty => return Ok(rows),
                csv_core::ReadRecordResult::End => return Ok(rows),
                csv_core::ReadRecordResult::OutputFull if self.text.len() < ROW => {
                    self.text.resize(self.text.len() * 2, 0)
                }
                csv_core::ReadRecordResult::OutputFull => return Err(Failure::bad("a row is longer than 4 MiB")),
                csv_core::ReadRecordResult::OutputEndsFull if self.ends.len() < COLUMNS => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                csv_core::ReadRecordResult::OutputEndsFull => {
                    return Err(Failure::bad("a row has more than 1000 columns"));
                }
                csv_core::ReadRecordResult::Record => rows.push(self.row()?),
            }
        }
    }

    fn row(&mut self) -> Result<Vec<String>, Failure> {
        let mut from = 0;
        let mut cells = Vec::with_capacity(self.ended);
        for end in self.ends.iter().take(self.ended) {
            let cell = std::str::from_utf8(self.text.get(from..*end).unwrap_or_default());
            cells.push(cell.map_err(|_| Failure::bad("the file is not UTF-8"))?.to_owned());
            from = *end;
        }
        (self.written, self.ended) = (0, 0);
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_survive_in_any_pieces() {
        let cells = [
            "",
            "a",
            "=1+1",
            "'=1",
            "''",
            "'t Hof",
            "-5",
            "@x",
            "a,b",
            "say \"hi\"",
            "two\nlines",
            "\ttab",
            " pad ",
            "é",
        ];
        let mut text = Vec::new();
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                text.push(b',');
            }
            write(&mut text, cell, false);
        }
        text.extend(b"\r\n");
        let whole = String::from_utf8(text.clone()).unwrap();
        assert!(whole.contains("\"'=1+1\"") && whole.contains("'t Hof") && !whole.contains("''t Hof"));
        for size in [1, 2, 3, 7, 1000] {
            let mut reader = Reader::new();
            let mut rows = Vec::new();
            for chunk in text.chunks(size) {
                rows.extend(reader.feed(chunk).unwrap());
            }
            rows.extend(reader.feed(&[]).unwrap());
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].iter().map(|c| read(c)).collect::<Vec<_>>(), cells);
        }
    }

    #[test]
    fn hostile_files_end_in_words() {
        let mut reader = Reader::new();
        assert!(reader.feed(&vec![b'a'; 9 << 20]).is_err());
        assert!(Reader::new().feed(&vec![b','; 5000]).is_err());
        assert!(Reader::new().feed(b"a,\xff\n").is_err());
    }
}
