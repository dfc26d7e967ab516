//! Checks of a label set that its types cannot express.

use super::definition::{Definition, PLACE};
use super::error::LabelSetError;
use super::label::Label;

/// Maximum length of a filled template. The engine does not accept longer texts.
const MOST_TEXT_BYTES: usize = 64 << 10;

/// Maximum size of all filled templates: thousands of sentences, and a limit on the memory while they are embedded.
const MOST_BYTES: usize = 64 << 20;

impl Definition {
    /// Checks that the types cannot express.
    ///
    /// # Errors
    /// [`LabelSetError::Invalid`] with the field.
    pub fn check(&self, most_items: usize) -> Result<(), LabelSetError> {
        let invalid = |field: String, reason: &str| {
            Err(LabelSetError::Invalid {
                field,
                reason: reason.to_owned(),
            })
        };
        if self.labels.is_empty() {
            return invalid("labels".into(), "at least one label is needed");
        }
        let mut names = std::collections::HashSet::new();
        for (i, label) in self.labels.iter().enumerate() {
            if label.label.trim().is_empty() {
                return invalid(format!("labels[{i}].label"), "a label needs a name");
            }
            if !names.insert(&label.label) {
                return invalid(format!("labels[{i}].label"), "this name occurs twice");
            }
        }
        for (what, has) in [
            ("texts", Label::has_texts as fn(&Label) -> bool),
            ("images", Label::has_images),
        ] {
            let with = self.labels.iter().filter(|label| has(label)).count();
            if with != 0 && with != self.labels.len() {
                let at = self.labels.iter().position(|label| !has(label));
                let reason = "cosines to texts and to images are of different size: \
                              all labels need this, or none";
                return invalid(format!("labels[{}].{what}", at.unwrap_or(0)), reason);
            }
        }
        if self.templates.is_empty() {
            return invalid("templates".into(), "at least one is needed, such as \"{}\"");
        }
        for (i, template) in self.templates.iter().enumerate() {
            if !template.contains(PLACE) {
                let reason = "a template needs {} in place of the text";
                return invalid(format!("templates[{i}]"), reason);
            }
        }
        if !(0.001..=1000.0).contains(&self.temperature) {
            return invalid(
                "temperature".into(),
                "it must be a number from 0.001 to 1000",
            );
        }
        if self.threshold.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
            return invalid("threshold".into(), "it must be a probability from 0 to 1");
        }
        // Counted before they are made: a request of some megabytes can ask for a million texts in a million templates.
        let texts: usize = self.labels.iter().map(|label| label.texts.len()).sum();
        let texts = texts.saturating_mul(self.templates.len());
        let items = texts.saturating_add(self.images().count());
        if items > most_items {
            let reason = format!(
                "texts times templates and images make {items} items; at most {most_items} are allowed"
            );
            return invalid("labels".into(), &reason);
        }
        self.check_bytes()
    }

    /// A template may contain its placeholder many times: a few megabytes of templates and texts would become terabytes.
    fn check_bytes(&self) -> Result<(), LabelSetError> {
        let mut all: usize = 0;
        for (i, template) in self.templates.iter().enumerate() {
            let places = template.matches(PLACE).count();
            let around = template.len() - places * PLACE.len();
            for text in self.labels.iter().flat_map(|label| &label.texts) {
                let filled = text.len().saturating_mul(places).saturating_add(around);
                all = all.saturating_add(filled);
                let reason = if filled > MOST_TEXT_BYTES {
                    format!(
                        "the filled template has {filled} bytes; at most {MOST_TEXT_BYTES} are allowed"
                    )
                } else if all > MOST_BYTES {
                    format!("the filled templates have more than {MOST_BYTES} bytes together")
                } else {
                    continue;
                };
                let field = format!("templates[{i}]");
                return Err(LabelSetError::Invalid { field, reason });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Definition, String> {
        let definition: Definition = serde_json::from_str(json).map_err(|e| e.to_string())?;
        definition.check(100).map_err(|e| e.to_string())?;
        Ok(definition)
    }

    #[test]
    fn invalid_definitions_are_refused_by_field() {
        for (json, field) in [
            (r#"{"labels": []}"#, "labels"),
            (r#"{"labels": ["a", "a"]}"#, "labels[1].label"),
            (r#"{"labels": [" "]}"#, "labels[0].label"),
            (
                r#"{"labels": ["a", {"label": "b", "images": ["x"]}]}"#,
                "labels[1].texts",
            ),
            (
                r#"{"labels": ["a", {"label": "b", "texts": ["t"], "images": ["x"]}]}"#,
                "labels[0].images",
            ),
            (r#"{"labels": ["a"], "templates": []}"#, "templates"),
            (
                r#"{"labels": ["a"], "templates": ["photo"]}"#,
                "templates[0]",
            ),
            (r#"{"labels": ["a"], "temperature": 0}"#, "temperature"),
            (r#"{"labels": ["a"], "threshold": 1.5}"#, "threshold"),
            (r#"{"labels": ["a"], "treshold": 0.5}"#, "treshold"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(field), "{json}: {error}");
        }
        // A hundred million texts, and ten gigabytes: both are refused before they are made.
        let names: Vec<_> = (0..10_000).map(|i| i.to_string()).collect();
        let json = serde_json::json!({"labels": names, "templates": vec!["{}"; 10_000]});
        assert!(
            read(&json.to_string())
                .unwrap_err()
                .contains("100000000 items")
        );
        let json = serde_json::json!({"labels": ["x".repeat(100_000)], "templates": ["{}".repeat(100_000)]});
        let error = read(&json.to_string()).unwrap_err();
        assert!(
            error.contains("templates[0]") && error.contains("10000000000 bytes"),
            "{error}"
        );
        let many: Vec<_> = (0..101).map(|i| i.to_string()).collect();
        let json = serde_json::json!({"labels": many}).to_string();
        assert!(read(&json).unwrap_err().contains("101 items"));
    }
}
