//! Converts texts to token ids by the rules of `docs/src/reference/bundle.md`. The ids must equal those of the training.

mod token_count;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::Tokenizer;

pub use token_count::TokenCount;

use crate::bundle::{Bundle, BundleError, TextSide};
use crate::byte_order_mark;

/// The tokenizer of one model.
#[derive(Debug)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    context_length: usize,
    sot_id: Option<u32>,
    eot_id: u32,
}

/// A text as the encoder's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Start token (if the model has one), text, end token; never longer than the context.
    pub ids: Vec<u32>,
    /// Number of tokens that did not fit and were cut off.
    pub truncated: usize,
}

impl Tokens {
    /// How many tokens there are, and how many were cut off.
    pub fn count(&self) -> TokenCount {
        TokenCount {
            read: self.ids.len(),
            truncated: self.truncated,
        }
    }
}

impl TextTokenizer {
    /// Token ids are smaller than this.
    pub fn vocabulary_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Loads the tokenizer of a bundle.
    pub fn load(bundle: &Bundle) -> Result<Self, BundleError> {
        let name = &bundle.manifest.tokenizer;
        let bytes = bundle.read(name)?;
        Self::from_bytes(&bytes, &bundle.manifest.text).map_err(|reason| BundleError::Content {
            path: bundle.root().join(name),
            reason,
        })
    }

    /// Reads the content of a `tokenizer.json`.
    ///
    /// # Errors
    /// The error in it.
    pub fn from_bytes(bytes: &[u8], text: &TextSide) -> Result<Self, String> {
        // The library panics for some files that are not tokenizers. A model that cannot be loaded must be an error only.
        let read = catch_unwind(AssertUnwindSafe(|| {
            Tokenizer::from_bytes(byte_order_mark::dropped(bytes))
        }));
        let mut tokenizer = match read {
            Ok(read) => read.map_err(|e| format!("not a tokenizer: {e}"))?,
            Err(_) => return Err("not a tokenizer: its reader panicked".to_owned()),
        };
        // `<|endoftext|>` in a user's text means these characters; as a token it would end the text early.
        tokenizer.set_encode_special_tokens(true);
        // Truncation and padding are done by this module and by the batch.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| e.to_string())?;
        Ok(Self {
            tokenizer,
            context_length: text.context_length,
            sot_id: text.sot_id,
            eot_id: text.eot_id,
        })
    }

    /// Encodes one text. An empty text is start token and end token.
    ///
    /// # Errors
    /// The tokenizer's error about a text that it cannot encode.
    pub fn encode(&self, text: &str) -> Result<Tokens, String> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|e| e.to_string())?;
        let pieces = encoding.get_ids();
        let room = self.context_length - 1 - usize::from(self.sot_id.is_some());
        let kept = pieces.len().min(room);
        let mut ids = Vec::with_capacity(kept + 2);
        ids.extend(self.sot_id);
        ids.extend_from_slice(&pieces[..kept]);
        ids.push(self.eot_id);
        Ok(Tokens {
            ids,
            truncated: pieces.len() - kept,
        })
    }
}
