//! The byte order mark that Windows editors put before UTF-8. It belongs to the file and not to the text, so every reader of
//! text files removes it here.

use std::io::{self, BufRead};

/// The mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The content of a file without a leading mark.
pub fn dropped(content: &[u8]) -> &[u8] {
    content.strip_prefix(MARK).unwrap_or(content)
}

/// A text without a leading mark.
pub fn dropped_from(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Removes a leading mark from the data.
pub fn drop_from(content: &mut Vec<u8>) {
    if content.starts_with(MARK) {
        content.drain(..MARK.len());
    }
}

/// Skips a leading mark of a file that is read piece by piece.
///
/// # Errors
/// If the file cannot be read.
pub fn pass_by(reader: &mut impl BufRead) -> io::Result<()> {
    if reader.fill_buf()?.starts_with(MARK) {
        reader.consume(MARK.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leading_mark_is_removed_and_no_other() {
        assert_eq!(dropped(b"\xef\xbb\xbfa"), b"a");
        assert_eq!(dropped_from("\u{feff}\u{feff}a"), "\u{feff}a");
        for content in ["", "a", "a\u{feff}"] {
            assert_eq!(dropped_from(content), content);
            assert_eq!(dropped(content.as_bytes()), content.as_bytes());
        }
        let mut line = "\u{feff}".as_bytes().to_vec();
        drop_from(&mut line);
        assert!(line.is_empty());
        for (content, rest) in [("\u{feff}ab", "ab"), ("ab", "ab"), ("", "")] {
            let mut reader = content.as_bytes();
            pass_by(&mut reader).unwrap();
            assert_eq!(reader, rest.as_bytes());
        }
    }
}
