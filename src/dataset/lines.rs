//! Lines of a file with a maximum length, so that a file without line breaks is not read into memory completely.

use std::io::{self, BufRead, Read};

use crate::byte_order_mark;

/// One line.
#[derive(Debug)]
pub struct Line {
    /// Its content without the line break, and in the first line without a byte order mark.
    pub bytes: Vec<u8>,
    /// Its number, from 1.
    pub number: u64,
    /// Bytes in the file, including the line break.
    pub length: u64,
    /// False if it exceeds the maximum length. Then `bytes` has only its beginning.
    pub is_whole: bool,
}

/// Reads lines one after another.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    most_bytes: u64,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Lines of at most `most_bytes`, not counting line breaks.
    pub fn new(reader: R, most_bytes: u64) -> Self {
        Self {
            reader,
            most_bytes,
            number: 0,
        }
    }

    /// The next line, or None at the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        // Room for a line break of CR LF and for a byte order mark of three bytes.
        let mark = if self.number == 0 { 3 } else { 0 };
        let most = self.most_bytes.saturating_add(2 + mark);
        let mut length = self
            .reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut bytes)? as u64;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut is_whole = bytes.ends_with(b"\n") || length < most;
        if !is_whole {
            length += self.reader.skip_until(b'\n')? as u64;
        }
        for end in [b'\n', b'\r'] {
            if bytes.last() == Some(&end) {
                bytes.pop();
            }
        }
        if self.number == 1 {
            byte_order_mark::drop_from(&mut bytes);
        }
        is_whole &= bytes.len() as u64 <= self.most_bytes;
        Ok(Some(Line {
            bytes,
            number: self.number,
            length,
            is_whole,
        }))
    }
}

/// Number of lines; None if the file cannot be read.
pub fn count(mut reader: impl BufRead) -> Option<u64> {
    let mut lines = 0;
    while reader.skip_until(b'\n').ok()? > 0 {
        lines += 1;
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_marks_and_long_lines() {
        let content = b"\xef\xbb\xbfab\r\n\nabcd\nabcde\r\nabcdefghij\n\xef\xbb\xbfz";
        let mut lines = Lines::new(&content[..], 4);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push((line.bytes, line.is_whole, line.length));
        }
        let bytes: Vec<_> = found.iter().map(|(bytes, ..)| bytes.as_slice()).collect();
        assert_eq!(bytes[..3], [b"ab".as_slice(), b"", b"abcd"]);
        assert_eq!(bytes[5], b"\xef\xbb\xbfz");
        let whole: Vec<_> = found.iter().map(|(_, whole, _)| *whole).collect();
        assert_eq!(whole, [true, true, true, false, false, true]);
        let length: u64 = found.iter().map(|(.., length)| length).sum();
        assert_eq!(length, content.len() as u64);
        assert_eq!(count(&content[..]), Some(6));
    }
}
