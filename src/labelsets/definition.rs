//! The definition of a label set, as given by a user.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};

use super::label::{Label, LabelForm};
use crate::bounded;
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

/// The place of a text in a template.
pub(super) const PLACE: &str = "{}";

impl Definition {
    /// The image options for images that are compared with the set.
    pub fn image_options(&self) -> ImageOptions {
        ImageOptions {
            value_bits: self.value_bits,
            exif_orientation: self.exif_orientation,
            alpha: self.alpha,
        }
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
}
