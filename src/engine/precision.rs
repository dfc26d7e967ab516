//! Selects the variant of a model to run: the requested one, or the fastest with a negligible loss.

use super::error::LoadError;
use crate::bundle::{Bundle, Variant};
use crate::runtime::{Build, Device, cpu_has_bf16, find_library};

/// Maximum loss of the benchmark that `auto` accepts, in points.
const MOST_LOSS: f64 = 0.5;
/// Largest 1 − cosine that `auto` accepts, on both towers.
const MOST_DISTANCE: f64 = 1e-3;
/// Tolerance of the golden check for a bf16 run of a bundle that was never measured in bf16: twenty times what ViT-B/32
/// needs.
const BF16_TOLERANCE: f64 = 1e-3;

/// A variant that can be run, with the reason.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The variant.
    pub variant: Variant,
    /// A description for people: why this one, and why not the others.
    pub reason: String,
}

impl Choice {
    /// Whether sessions compute in bf16.
    pub fn bf16(&self) -> bool {
        self.variant.precision == "bf16"
    }
}

/// The variants to try, in this order. One entry for a named precision; for `auto` the fastest first and fp32 last.
///
/// # Errors
/// [`LoadError::NoSuchPrecision`].
pub fn choices(bundle: &Bundle, wanted: &str, device: Device) -> Result<Vec<Choice>, LoadError> {
    if wanted == "auto" {
        return Ok(automatic(&bundle.manifest.variants, |precision| {
            unsupported_reason(precision, device)
        }));
    }
    let named = bundle.variant(wanted).cloned();
    // bf16 needs no separate graph: OpenVINO computes the fp32 graph in bf16.
    let variant = named.or_else(|| (wanted == "bf16").then(|| unmeasured_bf16(bundle))?);
    let available = || {
        let all = bundle.manifest.variants.iter();
        all.map(|v| v.precision.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let variant = variant.ok_or_else(|| LoadError::NoSuchPrecision {
        model: bundle.manifest.name.clone(),
        precision: wanted.to_owned(),
        available: available(),
    })?;
    Ok(vec![Choice {
        variant,
        reason: "asked for".to_owned(),
    }])
}

fn unmeasured_bf16(bundle: &Bundle) -> Option<Variant> {
    let fp32 = bundle.variant("fp32")?;
    Some(Variant {
        precision: "bf16".to_owned(),
        benchmark_delta: None,
        speedup: None,
        golden_tolerance: BF16_TOLERANCE,
        ..fp32.clone()
    })
}

/// Why a precision cannot be run, or not with a gain, on this device; `None` if it can.
pub fn unsupported_reason(precision: &str, device: Device) -> Option<String> {
    let reason = match (precision, device) {
        ("fp32", _) | ("int8", Device::Cpu) | ("fp16", Device::Cuda(_)) => return None,
        ("bf16", Device::Cpu) if !cpu_has_bf16() => "this CPU has no bf16 instructions",
        ("bf16", Device::Cpu) if find_library(Build::OpenVino).is_none() => {
            "no ONNX Runtime with OpenVINO is installed (make onnxruntime-openvino)"
        }
        ("bf16", Device::Cpu) => return None,
        ("fp16", Device::Cpu) => "fp16 is not faster on a CPU",
        _ => "not for this device",
    };
    Some(reason.to_owned())
}

/// The rule of `auto`: among the variants that can run on this machine, lose at most [`MOST_LOSS`] points and stay within
/// [`MOST_DISTANCE`], the fastest first. Variants without measurements are not used.
fn automatic(
    variants: &[Variant],
    unsupported_reason: impl Fn(&str) -> Option<String>,
) -> Vec<Choice> {
    let mut good: Vec<(&Variant, String)> = Vec::new();
    let mut refused = Vec::new();
    for variant in variants {
        let worst = variant
            .parity
            .map(|parity| parity.image.worst.max(parity.text.worst));
        let distance = worst.map_or_else(
            || "1 - cosine not measured".to_owned(),
            |worst| format!("1 - cosine up to {worst:.1e}"),
        );
        let why_not = unsupported_reason(&variant.precision).or_else(|| {
            if variant.precision == "fp32" {
                None
            } else if worst.is_none_or(|worst| worst > MOST_DISTANCE) {
                Some(distance.clone())
            } else {
                match variant.benchmark_delta {
                    None => Some("its benchmark was not measured".to_owned()),
                    Some(delta) if delta < -MOST_LOSS => {
                        Some(format!("benchmark {delta:+.1} points"))
                    }
                    Some(_) => None,
                }
            }
        });
        match why_not {
            Some(why_not) => refused.push(format!("{}: {why_not}", variant.precision)),
            None => {
                let delta = variant.benchmark_delta.unwrap_or_default();
                let facts = format!(
                    "{:.1} times fp32's speed, benchmark {delta:+.1} points, {distance}",
                    speed(variant)
                );
                good.push((variant, facts));
            }
        }
    }
    good.sort_by(|a, b| speed(b.0).total_cmp(&speed(a.0)));
    // A variant slower than fp32 has no gain.
    let end = good.iter().position(|(v, _)| v.precision == "fp32");
    good.truncate(end.map_or(good.len(), |fp32| fp32 + 1));
    let not_taken = if refused.is_empty() {
        String::new()
    } else {
        format!("; not taken: {}", refused.join("; "))
    };
    let choice = |(variant, facts): (&Variant, String)| Choice {
        reason: format!("chosen by auto ({facts}{not_taken})"),
        variant: variant.clone(),
    };
    good.into_iter().map(choice).collect()
}

/// Speed relative to fp32, as measured at export. It is 1 for fp32, and if it was not measured.
fn speed(variant: &Variant) -> f64 {
    variant.speedup.unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Parity, ParityPair};

    fn variant(precision: &str, worst: f64, delta: Option<f64>, speedup: Option<f64>) -> Variant {
        let parity = Parity {
            worst,
            mean: worst / 10.0,
            max_abs: 0.0,
        };
        Variant {
            precision: precision.to_owned(),
            image: "image.onnx".to_owned(),
            text: "text.onnx".to_owned(),
            parity: Some(ParityPair {
                image: parity,
                text: parity,
            }),
            benchmark_delta: delta,
            speedup,
            golden_tolerance: 1e-3,
            batch_dependent: false,
        }
    }

    fn chosen(variants: &[Variant], blocked: &str) -> Vec<String> {
        let names = automatic(variants, |p| (p == blocked).then(|| "blocked".to_owned()));
        names.into_iter().map(|c| c.variant.precision).collect()
    }

    #[test]
    fn auto_selects_the_fastest_with_a_small_loss() {
        let fp32 = variant("fp32", 1e-8, Some(0.0), None);
        let bf16 = variant("bf16", 5e-5, Some(-0.1), Some(2.0));
        let int8 = |worst, delta| variant("int8", worst, delta, Some(3.0));
        let with = |int8: Variant| vec![fp32.clone(), bf16.clone(), int8];
        assert_eq!(
            chosen(&with(int8(9e-4, Some(-0.5))), ""),
            ["int8", "bf16", "fp32"]
        );
        assert_eq!(chosen(&with(int8(2e-3, Some(0.0))), ""), ["bf16", "fp32"]);
        assert_eq!(chosen(&with(int8(1e-4, Some(-0.6))), ""), ["bf16", "fp32"]);
        assert_eq!(chosen(&with(int8(1e-4, None)), ""), ["bf16", "fp32"]);
        assert_eq!(chosen(&with(int8(2e-3, Some(0.0))), "bf16"), ["fp32"]);
        let slow = variant("int8", 1e-5, Some(0.0), Some(0.7));
        assert_eq!(chosen(&[fp32.clone(), slow], ""), ["fp32"]);
    }

    #[test]
    fn the_reason_names_the_rejected_variants() {
        let variants = [
            variant("fp32", 1e-8, Some(0.0), None),
            variant("int8", 4e-3, Some(-0.1), Some(3.0)),
        ];
        let reason = &automatic(&variants, |_| None)[0].reason;
        assert!(reason.contains("int8: 1 - cosine up to 4.0e-3"), "{reason}");
    }
}
