//! Checks aliases of models against the served models.

use super::error::RegistryError;
use crate::config::Alias;

/// Checks aliases against the names of the served models.
///
/// # Errors
/// The first alias that equals a model's name, is given twice, or names an unknown model.
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
    fn an_alias_hides_no_model_and_names_one() {
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
        // An alias of an alias names no model.
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
