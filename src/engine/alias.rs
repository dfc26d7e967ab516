//! Other names for models: clients that ask for a fixed name need no change.

use std::fmt;
use std::str::FromStr;

use super::RegistryError;
use crate::quoted::quoted;

/// A name that clients may give, and the model that answers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// What clients say.
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
                "{} is no alias; write NAME=MODEL, such as gpt=clip-in-demo",
                quoted(text)
            )),
        }
    }
}

/// Checks aliases against the names of the models that are served.
///
/// # Errors
/// The first alias that hides a model, is given twice, or stands for a model that is not there.
pub fn check(aliases: &[Alias], models: &[String]) -> Result<(), RegistryError> {
    for (i, alias) in aliases.iter().enumerate() {
        if models.contains(&alias.name) {
            return Err(RegistryError::NameIsAlias(alias.name.clone()));
        }
        if !models.contains(&alias.model) {
            return Err(RegistryError::AliasOfNothing {
                alias: alias.clone(),
                models: models.join(", "),
            });
        }
        let mut before = aliases.iter().take(i);
        if before.any(|other| other.name == alias.name) {
            return Err(RegistryError::SameAlias(alias.name.clone()));
        }
    }
    Ok(())
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

    #[test]
    fn an_alias_hides_no_model_and_stands_for_one() {
        let checked = |aliases: &[&str]| {
            let aliases: Vec<Alias> = aliases.iter().map(|a| a.parse().unwrap()).collect();
            check(&aliases, &["a".to_owned(), "b".to_owned()])
        };
        assert!(checked(&["x=a", "y=a", "z=b"]).is_ok());
        assert!(matches!(checked(&["b=a"]), Err(RegistryError::NameIsAlias(name)) if name == "b"));
        let unknown = checked(&["x=c"]).unwrap_err().to_string();
        assert!(
            unknown.contains("x=c") && unknown.contains("a, b"),
            "{unknown}"
        );
        // An alias of an alias is an alias of nothing.
        assert!(matches!(
            checked(&["x=a", "y=x"]),
            Err(RegistryError::AliasOfNothing { .. })
        ));
        assert!(matches!(
            checked(&["x=a", "x=b"]),
            Err(RegistryError::SameAlias(_))
        ));
    }
}
