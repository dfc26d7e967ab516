//! JSON files of benchmarks: whole, or a record a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::byte_order_mark;

/// A longer line is no record; it would be all in memory.
const MOST_BYTES_A_LINE: u64 = 16 << 20;

/// A whole file, its byte order mark left out.
///
/// # Errors
/// If it cannot be read or has another form; the message names the file.
pub fn whole<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(byte_order_mark::dropped(&bytes))
        .with_context(|| path.display().to_string())
}

/// The records of a file with one a line, each with its place (file:line); empty lines are left out. A line that is no JSON says
/// why.
///
/// # Errors
/// If the file cannot be read.
#[allow(clippy::type_complexity)] // A place and what is there.
pub fn lines(path: &Path) -> anyhow::Result<Vec<(String, Result<Value, String>)>> {
    let named = || format!("cannot read {}", path.display());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut reader = BufReader::new(File::open(path).with_context(named)?);
    let mut records = Vec::new();
    for number in 1_u64.. {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut reader, MOST_BYTES_A_LINE);
        if limited.read_until(b'\n', &mut line).with_context(named)? == 0 {
            break;
        }
        let place = format!("{name}:{number}");
        if line.len() as u64 == MOST_BYTES_A_LINE && !line.ends_with(b"\n") {
            reader.skip_until(b'\n').with_context(named)?;
            records.push((place, Err("the line is longer than 16 MiB".to_owned())));
            continue;
        }
        let line = byte_order_mark::dropped(&line);
        if !line.trim_ascii().is_empty() {
            records.push((
                place,
                serde_json::from_slice(line).map_err(|e| e.to_string()),
            ));
        }
    }
    Ok(records)
}
