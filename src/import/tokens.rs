//! `tokenizer.json` and `tokenizer_config.json`: the tokens around a text, and a tokenizer in which no text can spell them.

use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use super::architecture::{Architecture, Family};
use super::document::Document;
use super::error::ImportError;
use super::spelling;
use super::tokenizer_file::{FILE, parse, unusable};
use crate::byte_order_mark;

const CONFIG: &str = "tokenizer_config.json";

/// Classes that change texts only as `tokenizer.json` does; SigLIP's additional steps are checked.
const CLASSES: [&str; 11] = [
    "CLIPTokenizer",
    "CLIPTokenizerFast",
    "SiglipTokenizer",
    "Siglip2Tokenizer",
    "T5Tokenizer",
    "T5TokenizerFast",
    "GemmaTokenizer",
    "GemmaTokenizerFast",
    "PreTrainedTokenizer",
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
];

/// The information for encoding texts.
#[derive(Debug)]
pub struct Tokens {
    /// Token before a text, if there is one.
    pub sot_id: Option<u32>,
    /// Token after a text.
    pub eot_id: u32,
    /// Padding token.
    pub pad_id: u32,
    /// The bundle's `tokenizer.json`.
    pub file: Vec<u8>,
}

impl Tokens {
    /// Reads the folder's tokenizer.
    pub fn read(folder: &Path, architecture: &Architecture) -> Result<Self, ImportError> {
        let path = folder.join(FILE);
        let file = Document::read(folder, FILE)?;
        let mut bytes = std::fs::read(&path).map_err(|e| ImportError::file(&path, &e))?;
        byte_order_mark::drop_from(&mut bytes);
        let config = Document::read(folder, CONFIG)?;
        let map = Document::find(folder, "special_tokens_map.json")?;
        spelling::check_steps(&file)?;
        let mut tokenizer = parse(&bytes)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(unusable)?;

        let (sot_id, eot_id) = ends(&file, &tokenizer)?;
        let pad = pad_token(&config, map.as_ref())?;
        let pad_id = tokenizer.token_to_id(&pad).ok_or_else(|| {
            config.refuse("pad_token", format!("{pad:?} is not a token of {FILE}"))
        })?;
        check(&config, &file, architecture, sot_id)?;
        if let Some(pooled) = architecture.pooled_id.filter(|id| *id != eot_id as usize) {
            return Err(ImportError::Refused {
                file: "config.json".to_owned(),
                field: "text_config.eos_token_id".to_owned(),
                reason: format!(
                    "the graph pools at token {pooled}, but {FILE} ends texts with token {eot_id}"
                ),
            });
        }
        let ids: Vec<u32> = sot_id.into_iter().chain([eot_id, pad_id]).collect();
        Ok(Self {
            sot_id,
            eot_id,
            pad_id,
            file: spelling::unspeakable(&bytes, &tokenizer, &ids)?,
        })
    }
}

/// The tokens that the post-processor puts around a text, found by running it.
fn ends(file: &Document, tokenizer: &Tokenizer) -> Result<(Option<u32>, u32), ImportError> {
    let ids = |special| {
        let encoding = tokenizer.encode("a", special).map_err(unusable)?;
        Ok::<_, ImportError>(encoding.get_ids().to_vec())
    };
    let (inside, whole) = (ids(false)?, ids(true)?);
    let begins_at = whole
        .windows(inside.len().max(1))
        .position(|part| part == inside);
    let around = begins_at.map(|at| (&whole[..at], &whole[at + inside.len()..]));
    match around {
        Some(([], [eot])) => Ok((None, *eot)),
        Some(([sot], [eot])) => Ok((Some(*sot), *eot)),
        _ => Err(file.refuse(
            "post_processor",
            "must put one token or none before a text and one after it",
        )),
    }
}

/// The pad token's spelling. The number in `config.json` is wrong in many published models.
fn pad_token(config: &Document, map: Option<&Document>) -> Result<String, ImportError> {
    let spelled = |document: &Document| match document.get("pad_token") {
        None => Ok(None),
        Some(Value::String(token)) => Ok(Some(token.clone())),
        Some(Value::Object(_)) => {
            let section = document.section("pad_token")?;
            Ok(section.text("content")?.map(str::to_owned))
        }
        Some(_) => Err(document.refuse("pad_token", "is neither a text nor an object")),
    };
    let listed = map.map(spelled).transpose()?.flatten();
    match (spelled(config)?, listed) {
        (Some(one), Some(other)) if one != other => {
            let reason = format!("is {one:?} here and {other:?} in special_tokens_map.json");
            Err(config.refuse("pad_token", reason))
        }
        (Some(token), _) | (None, Some(token)) => Ok(token),
        (None, None) => Err(config.missing("pad_token")),
    }
}

/// Steps of transformers' Python code that `tokenizer.json` does not contain.
fn check(
    config: &Document,
    file: &Document,
    architecture: &Architecture,
    sot_id: Option<u32>,
) -> Result<(), ImportError> {
    if let Some(class) = config.text("tokenizer_class")?
        && !CLASSES.contains(&class)
    {
        let reason = format!("{class:?} is not supported");
        return Err(config.refuse("tokenizer_class", reason));
    }
    for field in ["padding_side", "truncation_side"] {
        if let Some(side) = config.text(field)?.filter(|side| *side != "right") {
            return Err(config.refuse(
                field,
                format!("{side:?} is not supported; only \"right\" is"),
            ));
        }
    }
    for (field, found) in [("add_bos_token", sot_id.is_some()), ("add_eos_token", true)] {
        if config.flag(field)?.is_some_and(|wanted| wanted != found) {
            let reason = format!("the post_processor of {FILE} says {}", found);
            return Err(config.refuse(field, reason));
        }
    }
    let context = architecture.context_length;
    if let Some(longest) = config.number("model_max_length")?
        // transformers writes a huge number for "unknown".
        && longest < 1e9
        && longest != context as f64
    {
        let reason = format!("{longest} differs from the {context} positions in config.json");
        return Err(config.refuse("model_max_length", reason));
    }
    let lowers = config.flag("do_lower_case")?.unwrap_or(true);
    if architecture.family == Family::Siglip && lowers && !spelling::lowers(file) {
        let reason = format!(
            "SigLIP needs lower case, but {FILE} does not lower it; if the model was trained otherwise, do_lower_case of \
             {CONFIG} must be false"
        );
        return Err(file.refuse("normalizer", reason));
    }
    Ok(())
}
