//! HMAC-SHA-256 of a name as a number from 0 to 1: who does not know the key can neither predict nor steer it.

use ring::hmac;

/// A secret, and what it is used for.
#[derive(Clone)]
pub struct KeyedHash {
    key: hmac::Key,
    purpose: &'static str,
}

impl std::fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyedHash({})", self.purpose)
    }
}

impl KeyedHash {
    /// `purpose` keeps two uses of one key independent of each other.
    pub fn new(key: &[u8], purpose: &'static str) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            purpose,
        }
    }

    /// A number in [0, 1) that depends on key, purpose and name only.
    pub fn share(&self, name: &str) -> f64 {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(self.purpose.as_bytes());
        // A name cannot continue the purpose.
        context.update(&[0]);
        context.update(name.as_bytes());
        let digest = context.sign();
        let first = digest.as_ref().iter().take(7);
        // 53 bits, as many as an f64 has.
        let number = first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) >> 3;
        number as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_of_hmac_sha256() {
        // Python: int.from_bytes(hmac.new(b"key", b"audit\0part 7", "sha256").digest()[:7], "big") / 2**56
        let number = KeyedHash::new(b"key", "audit").share("part 7");
        assert!((number - EXPECTED).abs() < 1e-12, "{number}");
    }

    const EXPECTED: f64 = 0.8393554315977001;

    #[test]
    fn numbers_are_spread_evenly_and_depend_on_key_and_purpose() {
        let hash = KeyedHash::new(b"key", "audit");
        let mut tenths = [0; 10];
        for part in 0..10_000 {
            tenths[(hash.share(&part.to_string()) * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (880..1120).contains(n)), "{tenths:?}");
        assert_ne!(
            hash.share("a"),
            KeyedHash::new(b"other", "audit").share("a")
        );
        assert_ne!(hash.share("a"), KeyedHash::new(b"key", "split").share("a"));
    }
}
