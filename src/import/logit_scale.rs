//! How cosines become logits. The two numbers are neither in the graphs nor in `config.json`.

use super::architecture::Family;
use super::error::ImportError;
use super::safetensors::{self, Learnt};
use crate::bundle::{Similarity, SimilarityKind};

/// Every published CLIP was trained until its factor reached the limit of the training.
const CLIP_LOGIT_SCALE: f32 = 100.0;

/// The similarity of a model and the source of its numbers: options first, then the weights' file, then, for CLIP only, the
/// value of all public models.
pub fn similarity(
    family: Family,
    logit_scale: Option<f32>,
    logit_bias: Option<f32>,
    learnt: Learnt,
) -> Result<(Similarity, String), ImportError> {
    let (kind, usual_scale, usual_bias) = match family {
        Family::Clip => (SimilarityKind::Softmax, Some(CLIP_LOGIT_SCALE), Some(0.0)),
        Family::Siglip => (SimilarityKind::Sigmoid, None, None),
    };
    let scales = [logit_scale, learnt.logit_scale.map(f32::exp), usual_scale];
    let biases = [logit_bias, learnt.logit_bias, usual_bias];
    let (logit_scale, scale_from) = first("logit-scale", scales)?;
    let (logit_bias, bias_from) = first("logit-bias", biases)?;
    if !(logit_scale.is_finite() && logit_scale > 0.0 && logit_bias.is_finite()) {
        return Err(ImportError::Similarity(format!(
            "logit scale {logit_scale} and bias {logit_bias}: the scale must be above 0, and both finite"
        )));
    }
    let similarity = Similarity {
        kind,
        logit_scale,
        logit_bias,
    };
    let source = format!("logit scale from {scale_from}, bias from {bias_from}");
    Ok((similarity, source))
}

fn first(option: &str, candidates: [Option<f32>; 3]) -> Result<(f32, String), ImportError> {
    let sources = [
        format!("--{option}"),
        safetensors::FILE.to_owned(),
        "the rule for CLIP".to_owned(),
    ];
    let found = candidates.into_iter().zip(sources);
    found
        .filter_map(|(value, source)| Some((value?, source)))
        .next()
        .ok_or_else(|| {
            ImportError::Similarity(format!(
                "SigLIP's {option} is in none of the files; give --{option} (the model's `{}`{}), or put \
                 its model.safetensors beside config.json",
                option.replace('-', "_"),
                if option == "logit-scale" { ", exponentiated" } else { "" },
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_override_files_and_files_override_rules() {
        let learnt = Learnt {
            logit_scale: Some(2.0),
            logit_bias: Some(-3.0),
        };
        let numbers = |family, scale, learnt| {
            similarity(family, scale, None, learnt)
                .map(|(found, _)| (found.logit_scale, found.logit_bias))
        };
        let none = Learnt::default();
        assert_eq!(numbers(Family::Clip, None, none).unwrap(), (100.0, 0.0));
        assert_eq!(numbers(Family::Clip, Some(7.0), none).unwrap(), (7.0, 0.0));
        assert_eq!(
            numbers(Family::Siglip, None, learnt).unwrap(),
            (2_f32.exp(), -3.0)
        );
        assert_eq!(
            numbers(Family::Siglip, Some(7.0), learnt).unwrap(),
            (7.0, -3.0)
        );
        for (family, scale) in [
            (Family::Siglip, None),
            (Family::Siglip, Some(7.0)),
            (Family::Clip, Some(0.0)),
        ] {
            assert!(numbers(family, scale, none).is_err());
        }
        let error = numbers(Family::Siglip, None, none).unwrap_err().to_string();
        assert!(error.contains("give --logit-scale"), "{error}");
    }
}
