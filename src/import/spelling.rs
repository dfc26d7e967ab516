//! Makes a tokenizer in which no text can spell a special token.
//!
//! The server tells the tokenizer to treat special tokens as plain characters, but that is not enough. An added token that
//! is not marked as special is still recognised. A Unigram vocabulary contains `</s>` as a piece with the best score of all,
//! so it is found in a text. So special tokens lose their spelling here; the server uses their ids.

use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::document::Document;
use super::error::ImportError;
use super::tokenizer_file::{FILE, parse, unusable, without_extras};
use crate::byte_order_mark;

/// Normalisers of the `tokenizers` library.
const NORMALISERS: [&str; 13] = [
    "BertNormalizer",
    "ByteLevel",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "Precompiled",
    "Prepend",
    "Replace",
    "Strip",
    "StripAccents",
];

/// Pre-tokenisers of the library.
const PRE_TOKENISERS: [&str; 11] = [
    "BertPreTokenizer",
    "ByteLevel",
    "CharDelimiterSplit",
    "Digits",
    "FixedLength",
    "Metaspace",
    "Punctuation",
    "Split",
    "UnicodeScripts",
    "Whitespace",
    "WhitespaceSplit",
];

/// Refuses unknown steps and names their field.
pub fn check_steps(file: &Document) -> Result<(), ImportError> {
    for (field, list, known) in [
        ("normalizer", "normalizers", &NORMALISERS[..]),
        ("pre_tokenizer", "pretokenizers", &PRE_TOKENISERS[..]),
    ] {
        for kind in file
            .get(field)
            .map(|step| kinds(step, list))
            .unwrap_or_default()
        {
            if !known.contains(&kind) {
                return Err(file.refuse(field, format!("{kind:?} is not supported")));
            }
        }
    }
    match file.section("model")?.text("type")? {
        Some("BPE" | "Unigram") => Ok(()),
        Some(other) => {
            let reason = format!("{other:?} is not supported; \"BPE\" and \"Unigram\" are");
            Err(file.refuse("model.type", reason))
        }
        None => Err(file.missing("model.type")),
    }
}

/// Whether a normaliser lowers the case.
pub fn lowers(file: &Document) -> bool {
    let kinds = file
        .get("normalizer")
        .map(|step| kinds(step, "normalizers"));
    kinds.unwrap_or_default().contains(&"Lowercase")
}

/// Types of a step and of its inner steps, without sequences.
fn kinds<'a>(step: &'a Value, list: &str) -> Vec<&'a str> {
    match step["type"].as_str() {
        Some("Sequence") => {
            let steps = step[list].as_array().into_iter().flatten();
            steps.flat_map(|step| kinds(step, list)).collect()
        }
        Some(kind) => vec![kind],
        None => vec![""],
    }
}

/// The file without the spellings of special tokens: of all that are marked as such, and of `ids`.
///
/// # Errors
/// If another token would get another id, or if a text can still spell one of `ids`.
pub fn unspeakable(
    bytes: &[u8],
    original: &Tokenizer,
    ids: &[u32],
) -> Result<Vec<u8>, ImportError> {
    let broken = |reason: String| ImportError::Content {
        file: FILE.to_owned(),
        reason,
    };
    let file = serde_json::from_slice(byte_order_mark::dropped(bytes))
        .map_err(|e| broken(e.to_string()))?;
    let mut file: Value = without_extras(file);
    let mut special: Vec<u32> = ids.to_vec();
    if let Some(added) = file["added_tokens"].as_array_mut() {
        let id_of = |token: &Value| token["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        let is_special = |token: &Value| {
            token["special"] == json!(true) || id_of(token).is_some_and(|id| ids.contains(&id))
        };
        special.extend(
            added
                .iter()
                .filter(|token| is_special(token))
                .filter_map(id_of),
        );
        added.retain(|token| !is_special(token));
    }
    let spellings: Vec<(u32, String)> = special
        .iter()
        .filter_map(|id| Some((*id, original.id_to_token(*id)?)))
        .collect();
    if file["model"]["type"] == "Unigram" {
        for (id, _) in &spellings {
            // A text never contains an empty piece.
            if let Some(piece) = file["model"]["vocab"].get_mut(*id as usize) {
                piece[0] = json!("");
            }
        }
    }
    let bytes = serde_json::to_vec(&file).map_err(|e| broken(e.to_string()))?;
    let mut tokenizer = parse(&bytes)?;
    tokenizer.set_encode_special_tokens(true);

    for token in file["added_tokens"].as_array().into_iter().flatten() {
        let (content, id) = (token["content"].as_str().unwrap_or_default(), &token["id"]);
        if tokenizer
            .token_to_id(content)
            .map(|found| json!(found))
            .as_ref()
            != Some(id)
        {
            let reason =
                format!("added_tokens: {content:?} loses its id without the special tokens");
            return Err(broken(reason));
        }
    }
    for (_, spelling) in &spellings {
        for text in [
            spelling.clone(),
            format!("a {spelling} b"),
            format!("a{spelling}b"),
        ] {
            let encoding = tokenizer.encode(text.as_str(), false).map_err(unusable)?;
            if let Some(id) = encoding.get_ids().iter().find(|id| ids.contains(id)) {
                let reason =
                    format!("model: the text {text:?} would become the special token {id}");
                return Err(broken(reason));
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unigram(added: &Value) -> Vec<u8> {
        let pieces = ["<unk>", "</s>", "a", "<", "/", "s", ">"];
        let vocabulary: Vec<Value> = pieces.iter().map(|piece| json!([piece, -1.0])).collect();
        let model =
            json!({"type": "Unigram", "unk_id": 0, "vocab": vocabulary, "byte_fallback": false});
        let file = json!({"version": "1.0", "added_tokens": added, "normalizer": null, "pre_tokenizer": null,
                          "post_processor": null, "decoder": null, "model": model});
        serde_json::to_vec(&file).unwrap()
    }

    fn added(id: u32, content: &str, special: bool) -> Value {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
               "special": special})
    }

    fn ids(bytes: &[u8], text: &str) -> Vec<u32> {
        let mut tokenizer = parse(bytes).unwrap();
        tokenizer.set_encode_special_tokens(true);
        tokenizer.encode(text, false).unwrap().get_ids().to_vec()
    }

    #[test]
    fn special_tokens_of_a_vocabulary_are_not_found_in_a_text() {
        let file = unigram(&json!([added(1, "</s>", true)]));
        assert_eq!(ids(&file, "a</s>"), [2, 1], "what is prevented here");
        let quiet = unspeakable(&file, &parse(&file).unwrap(), &[1]).unwrap();
        assert_eq!(ids(&quiet, "a</s>"), [2, 3, 4, 5, 6]);
        assert_eq!(ids(&quiet, "aas?"), ids(&file, "aas?"));
    }

    #[test]
    fn an_added_token_that_would_change_its_id_is_refused() {
        let file = unigram(&json!([added(7, "<mask>", true), added(8, "word", false)]));
        let error = unspeakable(&file, &parse(&file).unwrap(), &[1]).unwrap_err();
        assert!(
            error.to_string().contains("\"word\" loses its id"),
            "{error}"
        );
    }
}
