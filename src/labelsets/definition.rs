//! The definition of a label set, as given by a user.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};

use super::error::LabelSetError;
use crate::bounded;
use crate::engine::ImageSource;
use crate::named::Storable;
use crate::preprocess::{Alpha, ImageOptions, ValueBits};

/// A set of labels to choose from, as stored by PUT. Field names are those of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LabelSetDefinition)]
pub struct Definition {
    /// The model for the set; the default model if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// At least one, with different names. Either all or none have texts, and the same for images.
    #[serde(deserialize_with = "bounded::list")]
    #[schema(value_type = Vec<LabelForm>, min_items = 1)]
    pub labels: Vec<Label>,
    /// Prompt templates with `{}` in the place of a text; every text is put into each.
    #[serde(default = "plain", deserialize_with = "templates_or_plain")]
    #[schema(schema_with = templates)]
    pub templates: Vec<String>,
    /// Divisor of the logits, 0.001 to 1000: values above 1 make the probabilities less extreme.
    #[serde(default = "one", deserialize_with = "number_or_one")]
    #[schema(value_type = Option<f32>, minimum = 0.001, maximum = 1000)]
    pub temperature: f32,
    /// Probability, 0..1, that the best label must reach; otherwise the result is undecided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub threshold: Option<f32>,
    /// Number of low bits of 16-bit images that hold the value. It applies to the example images, and to requests with this
    /// set that do not override it; so do the next two fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u8>, minimum = 8, maximum = 16)]
    pub value_bits: Option<ValueBits>,
    /// Whether images are turned according to their EXIF data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exif_orientation: Option<bool>,
    /// How transparency is treated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub alpha: Option<Alpha>,
}

/// One label with its description.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Label {
    /// Its name in answers.
    pub label: String,
    /// Its descriptions; its name if neither texts nor images are given.
    pub texts: Vec<String>,
    /// Example images, base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

/// A label may be given as its name only.
#[derive(ToSchema)]
#[serde(untagged)]
enum LabelForm {
    Name(String),
    Full(Full),
}

/// A label with its description.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Label)]
struct Full {
    /// Its name in answers.
    #[schema(pattern = r"\S")]
    label: String,
    /// Its descriptions; its name if neither texts nor images are given.
    #[serde(default, deserialize_with = "bounded::optional_list")]
    texts: Option<Vec<String>>,
    /// Example images in base64.
    #[serde(default, deserialize_with = "bounded::optional_list")]
    #[schema(value_type = Option<Vec<ImageSource>>)]
    images: Option<Vec<String>>,
}

impl From<LabelForm> for Label {
    fn from(form: LabelForm) -> Self {
        let (label, mut texts, images) = match form {
            LabelForm::Name(label) => (label, vec![], vec![]),
            LabelForm::Full(full) => (
                full.label,
                full.texts.unwrap_or_default(),
                full.images.unwrap_or_default(),
            ),
        };
        if texts.is_empty() && images.is_empty() {
            texts.push(label.clone());
        }
        Self {
            label,
            texts,
            images,
        }
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelVisitor).map(Self::from)
    }
}

/// Written by hand: an untagged enum would first copy a whole label into a tree of values.
struct LabelVisitor;

impl<'de> Visitor<'de> for LabelVisitor {
    type Value = LabelForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or {\"label\", \"texts\", \"images\"}")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<LabelForm, E> {
        Ok(LabelForm::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LabelForm, A::Error> {
        Full::deserialize(MapAccessDeserializer::new(map)).map(LabelForm::Full)
    }
}

fn templates_or_plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(bounded::optional_list(deserializer)?.unwrap_or_else(plain))
}

fn number_or_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(one))
}

fn plain() -> Vec<String> {
    vec!["{}".to_owned()]
}

fn one() -> f32 {
    1.0
}

const PLACE: &str = "{}";

/// Maximum length of a filled template. The engine does not accept longer texts.
const MOST_TEXT_BYTES: usize = 64 << 10;

/// Maximum size of all filled templates: thousands of sentences, and a limit on the memory while they are embedded.
const MOST_BYTES: usize = 64 << 20;

/// The description of templates in the OpenAPI document.
fn templates() -> Array {
    let template = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"\{\}"));
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(template)
        .min_items(Some(1))
        .description(Some(
            "Prompt templates with `{}` in the place of a text; every text is put into each.",
        ))
        .build()
}

impl Definition {
    /// The image options for images that are compared with the set.
    pub fn image_options(&self) -> ImageOptions {
        ImageOptions {
            value_bits: self.value_bits,
            exif_orientation: self.exif_orientation,
            alpha: self.alpha,
        }
    }

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

    /// Every text in every template: the index of the label, and the text.
    pub fn texts(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        self.labels.iter().enumerate().flat_map(move |(i, label)| {
            label.texts.iter().flat_map(move |text| {
                let filled = self.templates.iter().map(|t| t.replace(PLACE, text));
                filled.map(move |text| (i, text))
            })
        })
    }

    /// Every example image: the index of the label, the index of the image in the label, and the image.
    pub fn images(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.labels.iter().enumerate().flat_map(|(i, label)| {
            let images = label.images.iter().enumerate();
            images.map(move |(k, image)| (i, k, image.as_str()))
        })
    }
}

impl Storable for Definition {
    /// Bytes of all texts and images.
    fn bytes(&self) -> usize {
        let labels = self.labels.iter().flat_map(|label| {
            let described = label.texts.iter().chain(&label.images);
            described.chain(std::iter::once(&label.label))
        });
        labels.chain(&self.templates).map(String::len).sum()
    }
}

impl Label {
    fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    fn has_images(&self) -> bool {
        !self.images.is_empty()
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
    fn a_label_is_a_name_or_more() {
        let set = read(
            r#"{"labels": ["a", {"label": "b", "texts": ["x", "y"]}], "templates": ["{}", "a photo of {}"]}"#,
        )
        .unwrap();
        let texts: Vec<_> = set.texts().collect();
        let expected = [
            (0, "a"),
            (0, "a photo of a"),
            (1, "x"),
            (1, "a photo of x"),
            (1, "y"),
            (1, "a photo of y"),
        ];
        assert_eq!(texts, expected.map(|(i, t)| (i, t.to_owned())));
        let stored = serde_json::to_string(&set).unwrap();
        assert_eq!(read(&stored).unwrap(), set);
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
