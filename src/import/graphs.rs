//! `onnx/vision_model.onnx` and `onnx/text_model.onnx`: selects their inputs and outputs.

use super::architecture::{Architecture, Family};
use super::error::ImportError;
use crate::bundle::Element;
use crate::runtime::{Port, Signature};

/// The image graph in the layout.
pub const IMAGE: &str = "onnx/vision_model.onnx";
/// The text graph in the layout.
pub const TEXT: &str = "onnx/text_model.onnx";

/// Names of the image graph's input and output.
pub fn image(
    signature: &Signature,
    architecture: &Architecture,
) -> Result<(String, String), ImportError> {
    let [pixels] = &signature.inputs[..] else {
        let reason = format!("{} instead of pixel_values alone", names(&signature.inputs));
        return Err(refused(IMAGE, "inputs", reason));
    };
    check_input(IMAGE, pixels, "pixel_values", Element::Float32)?;
    let output = output(IMAGE, signature, architecture, "image_embeds")?;
    Ok((pixels.name.clone(), output))
}

/// The text graph's input, its attention mask if it has one, and its output.
pub fn text(
    signature: &Signature,
    architecture: &Architecture,
) -> Result<(String, Option<String>, String), ImportError> {
    let mut mask = None;
    let mut ids = None;
    for port in &signature.inputs {
        match port.name.as_str() {
            "input_ids" => {
                check_input(TEXT, port, "input_ids", Element::Int64)?;
                ids = Some(port.name.clone());
            }
            "attention_mask" if architecture.family == Family::Siglip => {
                let reason =
                    "a SigLIP text encoder must not mask its padding, but this one has a mask";
                return Err(refused(TEXT, "attention_mask", reason.to_owned()));
            }
            "attention_mask" => {
                check_input(TEXT, port, "attention_mask", Element::Int64)?;
                mask = Some(port.name.clone());
            }
            other => {
                let reason = "is an unknown input".to_owned();
                return Err(refused(TEXT, other, reason));
            }
        }
    }
    let ids = ids.ok_or_else(|| {
        let reason = format!("{} without input_ids", names(&signature.inputs));
        refused(TEXT, "inputs", reason)
    })?;
    let output = output(TEXT, signature, architecture, "text_embeds")?;
    Ok((ids, mask, output))
}

fn check_input(graph: &str, port: &Port, name: &str, element: Element) -> Result<(), ImportError> {
    if port.name != name {
        let reason = format!("is an input that is not supported; {name} is");
        return Err(refused(graph, &port.name, reason));
    }
    if port.element != Some(element) {
        let reason = format!("its elements are not {element:?}");
        return Err(refused(graph, name, reason));
    }
    Ok(())
}

/// The output with the embeddings. CLIP's `pooler_output` is not suitable, because it lacks the projection.
fn output(
    graph: &str,
    signature: &Signature,
    architecture: &Architecture,
    embeds: &str,
) -> Result<String, ImportError> {
    let candidates: &[&str] = match architecture.family {
        Family::Clip => &[embeds],
        Family::Siglip => &["pooler_output", embeds],
    };
    let mut found = signature
        .outputs
        .iter()
        .filter(|port| candidates.contains(&port.name.as_str()));
    let (Some(port), None) = (found.next(), found.next()) else {
        let reason = format!(
            "{}, of which exactly one must be named {}",
            names(&signature.outputs),
            candidates.join(" or ")
        );
        return Err(refused(graph, "outputs", reason));
    };
    let width = architecture.embedding_dim as i64;
    let fits = matches!(port.shape[..], [_, found] if found == width || found < 0);
    if port.element != Some(Element::Float32) || !fits {
        let reason = format!("is not float32 of [batch, {width}], as in config.json");
        return Err(refused(graph, &port.name, reason));
    }
    Ok(port.name.clone())
}

fn names(ports: &[Port]) -> String {
    let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    names.join(", ")
}

fn refused(graph: &str, field: &str, reason: String) -> ImportError {
    ImportError::Refused {
        file: graph.to_owned(),
        field: field.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, element: Element, shape: &[i64]) -> Port {
        Port {
            name: name.to_owned(),
            element: Some(element),
            shape: shape.to_vec(),
        }
    }

    fn text_signature(inputs: &[&str], outputs: &[(&str, i64)]) -> Signature {
        let ids = |name: &&str| port(name, Element::Int64, &[-1, -1]);
        let vectors = |(name, width): &(&str, i64)| port(name, Element::Float32, &[-1, *width]);
        Signature {
            inputs: inputs.iter().map(ids).collect(),
            outputs: outputs.iter().map(vectors).collect(),
        }
    }

    fn architecture(family: Family) -> Architecture {
        Architecture {
            family,
            embedding_dim: 8,
            image_size: 32,
            context_length: 16,
            pooled_id: None,
        }
    }

    #[test]
    fn each_family_has_outputs_of_its_own() {
        let (clip, siglip) = (architecture(Family::Clip), architecture(Family::Siglip));
        let both = [("pooler_output", 8), ("text_embeds", 8)];
        let found = text(
            &text_signature(&["input_ids", "attention_mask"], &both),
            &clip,
        )
        .unwrap();
        assert_eq!(
            (found.1.as_deref(), found.2.as_str()),
            (Some("attention_mask"), "text_embeds")
        );
        let found = text(&text_signature(&["input_ids"], &both[..1]), &siglip).unwrap();
        assert_eq!((found.1, found.2.as_str()), (None, "pooler_output"));

        let refused = |inputs: &[&str], outputs: &[(&str, i64)], architecture| {
            text(&text_signature(inputs, outputs), architecture)
                .unwrap_err()
                .to_string()
        };
        for (said, field) in [
            (refused(&["input_ids"], &both, &siglip), "outputs"),
            (refused(&["input_ids"], &both[..1], &clip), "outputs"),
            (
                refused(&["input_ids", "attention_mask"], &both[..1], &siglip),
                "attention_mask",
            ),
            (
                refused(&["input_ids", "position_ids"], &both, &clip),
                "position_ids",
            ),
            (refused(&["attention_mask"], &both, &clip), "inputs"),
            (
                refused(&["input_ids"], &[("text_embeds", 9)], &clip),
                "text_embeds",
            ),
        ] {
            assert!(said.starts_with(&format!("{TEXT}: {field}: ")), "{said}");
        }
    }

    #[test]
    fn pixels_are_float32() {
        let output = port("image_embeds", Element::Float32, &[-1, 8]);
        for (name, element, field) in [
            ("pixel_values", Element::Uint8, "pixel_values"),
            ("pixels", Element::Float32, "pixels"),
        ] {
            let signature = Signature {
                inputs: vec![port(name, element, &[-1, 3, 32, 32])],
                outputs: vec![output.clone()],
            };
            let said = image(&signature, &architecture(Family::Clip))
                .unwrap_err()
                .to_string();
            assert!(said.starts_with(&format!("{IMAGE}: {field}: ")), "{said}");
        }
    }
}
