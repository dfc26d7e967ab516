//! One label of a set, as given by a user: its name, or more.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bounded;
use crate::engine::ImageSource;

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
pub(super) enum LabelForm {
    Name(String),
    Full(Full),
}

/// A label with its description.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Label)]
pub(super) struct Full {
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
pub(super) struct LabelVisitor;

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

impl Label {
    pub(super) fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    pub(super) fn has_images(&self) -> bool {
        !self.images.is_empty()
    }
}
