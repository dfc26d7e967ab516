//! Checks of a manifest that do not need another file.

use super::Manifest;
use super::graph::Element;

impl Manifest {
    pub(super) fn check(&self) -> Result<(), String> {
        let name_is_plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if self.name.is_empty() || self.name.len() > 128 || !self.name.chars().all(name_is_plain) {
            return Err(format!(
                "name: {:?} must be 1 to 128 characters of a-z 0-9 . _ -",
                self.name
            ));
        }
        if !(1..=65_536).contains(&self.embedding_dim) {
            return Err(format!(
                "embedding_dim: {} is outside 1..65536",
                self.embedding_dim
            ));
        }
        if self
            .image
            .size
            .iter()
            .any(|side| !(1..=4096).contains(side))
        {
            return Err(format!(
                "image.size: {:?} is outside 1..4096",
                self.image.size
            ));
        }
        if self.image.std.iter().any(|s| !s.is_finite() || *s <= 0.0) {
            return Err("image.std: every entry must be greater than 0".to_owned());
        }
        if self.image.mean.iter().any(|m| !m.is_finite()) {
            return Err("image.mean: every entry must be a finite number".to_owned());
        }
        self.image.spec()?;
        self.image.check_patches()?;
        if !(2..=65_536).contains(&self.text.context_length) {
            return Err(format!(
                "text.context_length: {} is outside 2..65536",
                self.text.context_length
            ));
        }
        if self.text.input.element != Element::Int64 {
            return Err("text.input.type: only int64 is supported".to_owned());
        }
        if !self.similarity.logit_scale.is_finite() || !self.similarity.logit_bias.is_finite() {
            return Err("similarity: logit_scale and logit_bias must be finite numbers".to_owned());
        }
        if let Some(features) = &self.features {
            features.check()?;
        }
        if let Some(statements) = &self.statements {
            statements.check()?;
        }
        match self.variants.first() {
            Some(first) if first.precision == "fp32" => Ok(()),
            _ => Err("variants: the first one must be fp32".to_owned()),
        }
    }
}
