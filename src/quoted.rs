//! Client input in messages: it is shortened, so that answers do not grow with requests.

/// Maximum characters of a client's text in a message.
const MOST: usize = 100;

/// Maximum bytes of any message.
const MOST_OF_MESSAGE: usize = 1000;

/// A client's text in quotes: control characters are escaped, and it is cut after 100 characters.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    let mut written = 0;
    for c in text.chars() {
        let escaped = c.escape_debug();
        written += escaped.len();
        if written > MOST {
            out.push('…');
            break;
        }
        if c == '\'' {
            out.push(c);
        } else {
            out.extend(escaped);
        }
    }
    out.push('"');
    out
}

/// The name of a field or item, cut after 100 characters. Only ASCII is added: it may become a header.
pub fn cut(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(MOST) {
        name.truncate(end);
        name.push_str("...");
    }
    name
}

/// A message without its middle if it is long; its end mostly says what was expected.
pub fn shortened(message: String) -> String {
    if message.len() <= MOST_OF_MESSAGE {
        return message;
    }
    let head = message.floor_char_boundary(MOST_OF_MESSAGE / 2);
    let tail = message.ceil_char_boundary(message.len() - MOST_OF_MESSAGE / 4);
    format!("{} … {}", &message[..head], &message[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_stay_and_long_ones_are_cut() {
        assert_eq!(quoted("it's a \"bolt\""), r#""it's a \"bolt\"""#);
        assert_eq!(quoted("a\nb\u{0}"), r#""a\nb\0""#);
        for c in ["a", "ä", "\u{1}", "\u{10ffff}"] {
            let long = quoted(&c.repeat(1_000_000));
            assert!(long.ends_with("…\"") && long.chars().count() <= MOST + 3);
            assert!(cut(c.repeat(1_000_000)).chars().count() == MOST + 3);
            assert!(shortened(c.repeat(1_000_000)).len() <= MOST_OF_MESSAGE);
        }
        assert_eq!(cut("images[2]".into()), "images[2]");
        assert_eq!(shortened("short".into()), "short");
    }
}
