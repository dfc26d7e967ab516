//! The signature of a webhook's request, by which its receiver knows that the server has sent it, and when.

use ring::hmac;

/// A key that signs.
#[derive(Debug, Clone)]
pub struct Signer(hmac::Key);

impl Signer {
    /// With a secret that both sides know.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The value of the header `clip-in-signature`: `t=SECONDS,v1=DIGITS`. The digits are the HMAC-SHA256 of `SECONDS.BODY` in
    /// hexadecimal. `seconds` since 1970.
    pub fn sign(&self, seconds: i64, body: &str) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{seconds}.").as_bytes());
        signing.update(body.as_bytes());
        let tag = signing.sign();
        let digits: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("t={seconds},v1={digits}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hmac.new(b"what do ya want for nothing?", b'1700000000.{"id":"1"}', "sha256").hexdigest()` in Python.
    #[test]
    fn the_signature_is_that_of_other_implementations() {
        let signer = Signer::new(b"what do ya want for nothing?");
        assert_eq!(
            signer.sign(1_700_000_000, r#"{"id":"1"}"#),
            "t=1700000000,v1=5a211ed1043721e98a2dafd8bc36183179947ae4c17a97af40cf2c91fe1e4502"
        );
        assert!(!format!("{signer:?}").contains("want"));
    }
}
