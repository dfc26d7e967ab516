//! Names of people in messages and exports: replaced by words that tell two people apart, and not who they are.

use std::path::Path;

use ring::hmac;

use super::secret_file::read_secret;

/// Characters of a pseudonym's digits: 64 bits.
const DIGITS: usize = 16;

/// Makes pseudonyms. The same key gives the same pseudonym for a name.
#[derive(Debug, Clone)]
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// With a key that only those have who may tell the names.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// With the key in a file.
    ///
    /// # Errors
    /// A sentence that begins with `field`, without the key: the file cannot be read, or its key is too short.
    pub fn with_key_file(field: &str, path: &Path) -> Result<Self, String> {
        Ok(Self::new(read_secret(field, path)?.as_bytes()))
    }

    /// `person-` and the first half of the HMAC-SHA256 of the name, in hexadecimal. Without keys of the interface there are
    /// no names, and an empty one stays empty.
    pub fn of(&self, name: &str) -> String {
        if name.is_empty() {
            return String::new();
        }
        let tag = hmac::sign(&self.0, name.as_bytes());
        let bytes = tag.as_ref().iter().take(DIGITS / 2);
        let digits: String = bytes.map(|byte| format!("{byte:02x}")).collect();
        format!("person-{digits}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hmac.new(b"0123456789abcdef", b"sato", "sha256").hexdigest()[:16]` in Python.
    #[test]
    fn pseudonyms_are_those_of_other_implementations() {
        let pseudonyms = Pseudonyms::new(b"0123456789abcdef");
        assert_eq!(pseudonyms.of("sato"), "person-5053e66b1aa1a945");
        assert_ne!(pseudonyms.of("sato"), pseudonyms.of("suzuki"));
        assert_eq!(pseudonyms.of(""), "");
        assert!(!format!("{pseudonyms:?}").contains("0123"));
    }
}
