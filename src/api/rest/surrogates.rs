//! Unpaired surrogates in JSON, such as `\ud83d` alone, which clients send that cut texts after a number of UTF-16 units.
//! They become U+FFFD.

use std::borrow::Cow;

/// The JSON with every unpaired surrogate as `\ufffd`, which has the same length. The body is copied only if there is one.
pub fn replaced(json: &[u8]) -> Cow<'_, [u8]> {
    let mut json = Cow::Borrowed(json);
    let mut at = 0;
    while let Some(skip) = json
        .get(at..)
        .and_then(|rest| rest.iter().position(|b| *b == b'\\'))
    {
        at += skip;
        let unit = unit_at(&json, at);
        at += match unit {
            Some(0xd800..=0xdbff) if matches!(unit_at(&json, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                if let Some(place) = json.to_mut().get_mut(at..at + 6) {
                    place.copy_from_slice(b"\\ufffd");
                }
                6
            }
            Some(_) => 6,
            None => 2,
        };
    }
    json
}

/// The number in `\uXXXX`, if there is one.
fn unit_at(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpaired_surrogates_are_replaced_and_pairs_are_not() {
        let read =
            |json: &str| -> String { serde_json::from_slice(&replaced(json.as_bytes())).unwrap() };
        for (json, text) in [
            (r#""a \ud83d""#, "a \u{fffd}"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\uDE00\uD83D""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d""#, r"\ud83d"),
            (r#""\u00e4""#, "ä"),
        ] {
            assert_eq!(read(json), text, "{json}");
        }
        for whole in [r#""a\\""#, r#""\ud8"#, "\\", r#""\ud83d\"#] {
            let _ = replaced(whole.as_bytes());
        }
        assert!(matches!(replaced(br#"{"a": "\n"}"#), Cow::Borrowed(_)));
    }
}
