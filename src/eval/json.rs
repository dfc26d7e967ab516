//! JSON files of benchmarks: one document, or one record per line.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::byte_order_mark;
use crate::dataset::lines::Lines;

/// Maximum length of a line, because a line is read into memory as a whole.
const MOST_BYTES_A_LINE: u64 = 16 << 20;

/// Reads a whole file without its byte order mark.
///
/// # Errors
/// If it cannot be read or has another form; the message names the file.
pub fn whole<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(byte_order_mark::dropped(&bytes))
        .with_context(|| path.display().to_string())
}

/// The records of a file with one record per line, each with its place (file:line); empty lines are skipped. A line that is
/// not JSON gives an error.
///
/// # Errors
/// If the file cannot be read.
#[allow(clippy::type_complexity)] // A place and what is there.
pub fn lines(path: &Path) -> anyhow::Result<Vec<(String, Result<Value, String>)>> {
    let named = || format!("cannot read {}", path.display());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let reader = BufReader::new(File::open(path).with_context(named)?);
    let mut lines = Lines::new(reader, MOST_BYTES_A_LINE);
    let mut records = Vec::new();
    while let Some(line) = lines.next_line().with_context(named)? {
        let place = format!("{name}:{}", line.number);
        if !line.is_whole {
            records.push((place, Err("the line is longer than 16 MiB".to_owned())));
        } else if !line.bytes.trim_ascii().is_empty() {
            let record = serde_json::from_slice(&line.bytes);
            records.push((place, record.map_err(|e| e.to_string())));
        }
    }
    Ok(records)
}
