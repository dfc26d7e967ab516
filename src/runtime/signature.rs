//! A graph's inputs and outputs, as declared in the graph.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use super::{RuntimeError, SessionSettings, session};
use crate::bundle::Element;

/// Inputs and outputs of a graph, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Its inputs.
    pub inputs: Vec<Port>,
    /// Its outputs.
    pub outputs: Vec<Port>,
}

/// An input or an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its element type; `None` for a type that a bundle cannot have.
    pub element: Option<Element>,
    /// Length of each axis, -1 for a dynamic one.
    pub shape: Vec<i64>,
}

/// Loads a graph on the CPU to read its inputs and outputs.
///
/// # Errors
/// [`RuntimeError`] if ONNX Runtime or the graph cannot be loaded.
pub fn signature(path: &Path) -> Result<Signature, RuntimeError> {
    let session: Session = session::load(path, &SessionSettings::cpu(1), None)?;
    let ports = |outlets: &[Outlet]| outlets.iter().map(port).collect();
    Ok(Signature {
        inputs: ports(session.inputs()),
        outputs: ports(session.outputs()),
    })
}

fn port(outlet: &Outlet) -> Port {
    let element = match outlet.dtype().tensor_type() {
        Some(TensorElementType::Float32) => Some(Element::Float32),
        Some(TensorElementType::Int64) => Some(Element::Int64),
        Some(TensorElementType::Uint8) => Some(Element::Uint8),
        _ => None,
    };
    let shape = outlet.dtype().tensor_shape();
    Port {
        name: outlet.name().to_owned(),
        element,
        shape: shape.map(|shape| shape.to_vec()).unwrap_or_default(),
    }
}
