//! Files of secrets and certificates. Errors name the field that has the path, and never what is in the file.

use std::path::Path;

/// Shortest secret, in bytes; a shorter one could be guessed.
const SHORTEST: usize = 16;

/// Largest file of a secret or of certificates.
const LARGEST: u64 = 1 << 20;

/// A file, if it is not too large.
pub fn read(field: &str, path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("{field}: cannot read {}: {error}", path.display());
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(format!(
            "{field}: {} has {size} bytes; at most {LARGEST} are read",
            path.display()
        ));
    }
    std::fs::read(path).map_err(unreadable)
}

/// A secret in a file that cannot be guessed.
pub fn read_secret(field: &str, path: &Path) -> Result<String, String> {
    let secret = read_line(field, path)?;
    if secret.len() < SHORTEST {
        return Err(format!("{field}: a secret has at least {SHORTEST} bytes"));
    }
    Ok(secret)
}

/// A secret in a file, without the end of the line that an editor adds.
pub fn read_line(field: &str, path: &Path) -> Result<String, String> {
    let text = String::from_utf8(read(field, path)?);
    let text = text.map_err(|_| format!("{field}: {} is not UTF-8", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
