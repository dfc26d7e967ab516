//! The answer of `/v2/embed`: embeddings by type.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::contract::ErrorObject;
use crate::api::rest::encoding::{EncodingFormat, Vector};

/// Cohere's embeddings by type.
#[derive(Debug, Serialize, ToSchema)]
pub struct CohereEmbedResponse {
    /// A random id of the answer.
    pub(super) id: String,
    pub(super) response_type: &'static str,
    pub(super) embeddings: EmbeddingsByType,
    /// The texts of the request, if `texts` were given.
    pub(super) texts: Vec<String>,
    /// With `partial`: the errors of the invalid items.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<BadItem>,
    pub(super) meta: Meta,
}

/// For each requested type one embedding per item, in the order of the items.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct EmbeddingsByType {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) float: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base64: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) int8: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uint8: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) binary: Option<Vec<Vector>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ubinary: Option<Vec<Vector>>,
}

/// An item that has no embedding.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BadItem {
    /// Its index in the request.
    pub(super) index: usize,
    pub(super) error: ErrorObject,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CohereMeta)]
pub(super) struct Meta {
    pub(super) api_version: ApiVersion,
    pub(super) billed_units: BilledUnits,
    /// Notes about truncated texts and single images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CohereApiVersion)]
pub(super) struct ApiVersion {
    pub(super) version: &'static str,
}

/// The amount of work.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CohereBilledUnits)]
pub(super) struct BilledUnits {
    /// Tokens of the texts, including start and end tokens.
    pub(super) input_tokens: usize,
    pub(super) images: usize,
}

impl EmbeddingsByType {
    pub(super) fn of(vectors: &[Option<Vec<f32>>], formats: &[EncodingFormat]) -> Self {
        let mut all = Self::default();
        for format in formats {
            // An empty list is sent as it is: clients expect the type.
            let vectors = vectors.iter().map(|v| v.clone().unwrap_or_default());
            let list = Some(vectors.map(|v| format.write(v)).collect());
            match format {
                EncodingFormat::Float => all.float = list,
                EncodingFormat::Base64 => all.base64 = list,
                EncodingFormat::Int8 => all.int8 = list,
                EncodingFormat::Uint8 => all.uint8 = list,
                EncodingFormat::Binary => all.binary = list,
                EncodingFormat::Ubinary => all.ubinary = list,
            }
        }
        all
    }
}
