//! Conversions between protocol buffers and the types of comparisons.

use bytes::Bytes;

use super::{convert, proto};
use crate::api::ApiError;
use crate::calls::{
    self, Against, Compared, ComparedImage, Given, Judged, LiesStatus, Parts, Said,
};
use crate::references::{Photograph, Places};

/// What is compared with: a name or images.
///
/// # Errors
/// 400 `invalid_request` for both.
pub fn against(
    name: String,
    images: Vec<Bytes>,
    resolution: u32,
    mask: Bytes,
) -> Result<Against, ApiError> {
    let given = Given {
        images: convert::images(images),
        places: Places {
            mask: (!mask.is_empty()).then_some(Photograph(mask)),
            ..Places::default()
        },
        resolution: (resolution != 0).then_some(resolution),
    };
    calls::against(convert::name(name), given)
}

/// A statement.
pub fn said(statement: proto::Statement) -> Said {
    Said {
        text: statement.text,
        reference_text: statement.reference_text,
    }
}

/// The answer to a call.
pub fn answer(found: Compared) -> proto::CompareResponse {
    let reference = proto::UsedReference {
        name: found.reference.name.unwrap_or_default(),
        version: found.reference.version.unwrap_or_default(),
        images: convert::count(found.reference.images),
    };
    proto::CompareResponse {
        model: found.model,
        reference: Some(reference),
        results: found.results.into_iter().map(comparison).collect(),
        usage: convert::usage(found.tokens),
        warnings: convert::warnings(found.warnings),
    }
}

fn comparison(image: ComparedImage) -> proto::Comparison {
    use proto::registration::Status;
    let status = match image.registration.status {
        LiesStatus::Aligned => Status::Aligned,
        LiesStatus::Identity => Status::Identity,
        LiesStatus::Pose => Status::Pose,
    };
    proto::Comparison {
        changed: Some(proto::Changed {
            score: image.changed.score,
            rank: image.changed.rank,
            parts: parts(image.changed.parts),
        }),
        registration: Some(proto::Registration {
            status: status.into(),
            score: image.registration.score,
            transform: image.registration.transform.concat(),
        }),
        regions: image.regions.into_iter().map(convert::region).collect(),
        statements: image.statements.into_iter().map(judged).collect(),
        map: image.map.unwrap_or_default().into(),
    }
}

fn parts(parts: Parts) -> std::collections::HashMap<String, f64> {
    parts.0.into_iter().collect()
}

fn judged(statement: Judged) -> proto::JudgedStatement {
    proto::JudgedStatement {
        index: convert::count(statement.index),
        text: statement.text.to_string(),
        score: statement.score,
        parts: parts(statement.parts),
    }
}
