//! One item to embed, from any kind of source.

use bytes::Bytes;

use crate::dataset::store::Blob;

/// Image or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Image,
    Text,
}

impl Kind {
    /// The name in the column `kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }

    /// The reverse of [`Kind::name`].
    pub fn of(name: &str) -> Option<Self> {
        [Self::Image, Self::Text]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// The content to embed.
#[derive(Debug)]
pub enum Content {
    /// An image's file or object, which is read when it is needed.
    Blob(Blob),
    /// An encoded image.
    Image(Bytes),
    /// A text.
    Text(String),
}

/// One item to embed. Its id is unique among the images, or among the texts, of an output.
#[derive(Debug)]
pub struct Item {
    pub id: String,
    pub content: Content,
}

impl Item {
    pub fn kind(&self) -> Kind {
        match self.content {
            Content::Blob(_) | Content::Image(_) => Kind::Image,
            Content::Text(_) => Kind::Text,
        }
    }

    /// Memory while it is embedded, in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.content {
            Content::Blob(blob) => blob.size,
            Content::Image(bytes) => bytes.len() as u64,
            Content::Text(text) => text.len() as u64,
        }
    }
}
