//! Reads a bundle's files, with errors that name the file.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::BundleError;

fn unreadable(path: &Path, error: &std::io::Error) -> BundleError {
    BundleError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Reads the whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    std::fs::read(path).map_err(|e| unreadable(path, &e))
}

/// Reads the whole file as UTF-8.
pub fn read_to_string(path: &Path) -> Result<String, BundleError> {
    std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))
}

/// A file's sha256 in hex.
pub fn sha256(path: &Path) -> Result<String, BundleError> {
    let mut file = std::fs::File::open(path).map_err(|e| unreadable(path, &e))?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0_u8; 1 << 20];
    loop {
        match file.read(&mut chunk).map_err(|e| unreadable(path, &e))? {
            0 => break,
            n => hasher.update(&chunk[..n]),
        }
    }
    let mut found = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(found, "{byte:02x}");
    }
    Ok(found)
}

/// Checks a file against its sha256 (hex, either case).
pub fn verify(path: &Path, expected: &str) -> Result<(), BundleError> {
    let found = sha256(path)?;
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(BundleError::Checksum {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found,
    })
}
