//! Other names for models, so that clients with a fixed model name need no change.

use std::fmt;
use std::str::FromStr;

use crate::quoted::quoted;

/// A name that clients may use, and the model for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name in requests.
    pub name: String,
    /// The model's own name.
    pub model: String,
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.model)
    }
}

impl FromStr for Alias {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, model)) if !name.is_empty() && !model.is_empty() => Ok(Self {
                name: name.to_owned(),
                model: model.to_owned(),
            }),
            _ => Err(format!(
                "{} is not an alias; write NAME=MODEL, such as gpt=clip-in-demo",
                quoted(text)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_a_name_and_a_model() {
        let alias: Alias = "gpt=a=b".parse().unwrap();
        assert_eq!((&*alias.name, &*alias.model), ("gpt", "a=b"));
        assert_eq!(alias.to_string(), "gpt=a=b");
        for wrong in ["gpt", "=a", "gpt=", ""] {
            assert!(wrong.parse::<Alias>().is_err(), "{wrong}");
        }
    }
}
