//! `config.json`: the family of the model, and the sizes.

use super::document::Document;
use super::error::ImportError;

const FILE: &str = "config.json";

/// A family of models. What the files do not specify is the same for all its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// CLIP: causal text encoder that pools at the end token, softmax.
    Clip,
    /// SigLIP: text encoder that depends on padding, sigmoid.
    Siglip,
}

/// The information in `config.json` about the graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    /// The family.
    pub family: Family,
    /// Width of the embeddings.
    pub embedding_dim: usize,
    /// Side of the image encoder's square input.
    pub image_size: usize,
    /// Longest text in tokens.
    pub context_length: usize,
    /// The token at which a CLIP graph pools; `None` if it uses the token with the highest id, or for SigLIP.
    pub pooled_id: Option<usize>,
}

impl Architecture {
    /// Reads the folder's `config.json`. Missing values are the defaults of transformers' configuration class, which omits
    /// defaults when it writes the file.
    pub fn read(folder: &std::path::Path) -> Result<Self, ImportError> {
        let config = Document::read(folder, FILE)?;
        let family = match config.text("model_type")? {
            Some("clip") => Family::Clip,
            Some("siglip") => Family::Siglip,
            Some(other) => {
                let reason = format!("{other:?} cannot be imported; \"clip\" and \"siglip\" can");
                return Err(config.refuse("model_type", reason));
            }
            None => return Err(config.missing("model_type")),
        };
        let vision = config.section("vision_config")?;
        let text = config.section("text_config")?;
        if let Some(channels) = vision.count("num_channels")?.filter(|n| *n != 3) {
            let reason = format!("{channels} channels; images have three here");
            return Err(vision.refuse("num_channels", reason));
        }
        let image_size = vision.count("image_size")?.unwrap_or(224);
        Ok(match family {
            Family::Clip => Self {
                family,
                embedding_dim: config.count("projection_dim")?.unwrap_or(512),
                image_size,
                context_length: text.count("max_position_embeddings")?.unwrap_or(77),
                // Up to transformers 4.30 the value was 2 for any tokenizer. A graph exported from such a configuration uses
                // the token with the highest id, which is the end token.
                pooled_id: Some(text.count("eos_token_id")?.unwrap_or(49_407))
                    .filter(|id| *id != 2),
            },
            Family::Siglip => {
                let embedding_dim = vision.count("hidden_size")?.unwrap_or(768);
                let text_dim = match text.count("projection_size")? {
                    Some(width) => width,
                    None => text.count("hidden_size")?.unwrap_or(768),
                };
                if text_dim != embedding_dim {
                    let reason = format!("texts are {text_dim} wide and images {embedding_dim}");
                    return Err(text.refuse("projection_size", reason));
                }
                if vision.flag("vision_use_head")? == Some(false) {
                    let reason = "without its head the image encoder gives no embedding";
                    return Err(vision.refuse("vision_use_head", reason));
                }
                Self {
                    family,
                    embedding_dim,
                    image_size,
                    context_length: text.count("max_position_embeddings")?.unwrap_or(64),
                    pooled_id: None,
                }
            }
        })
    }
}
