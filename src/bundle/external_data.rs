//! The files beside an ONNX graph with its weights, and the rule that the manifest's checksums must cover them.
//!
//! ONNX Runtime opens such a file by its name in the graph. This check prevents it from opening a file without a checksum or
//! outside the bundle.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use prost::Message;

/// Names of the files with the data of a graph's tensors, as written in the graph. The bytes of the tensors are skipped.
///
/// # Errors
/// A sentence if the bytes are not an ONNX model.
pub fn locations(graph: Vec<u8>) -> Result<BTreeSet<String>, String> {
    let model = Model::decode(Bytes::from(graph)).map_err(|e| format!("not an ONNX model: {e}"))?;
    let mut found = BTreeSet::new();
    if let Some(graph) = &model.graph {
        graph.collect(&mut found);
    }
    for training in &model.training_info {
        let graphs = [&training.initialization, &training.algorithm];
        for graph in graphs.into_iter().flatten() {
            graph.collect(&mut found);
        }
    }
    for function in &model.functions {
        function
            .node
            .iter()
            .for_each(|node| node.collect(&mut found));
        let attributes = function.attribute.iter();
        attributes.for_each(|attribute| attribute.collect(&mut found));
    }
    Ok(found)
}

/// The name within the bundle of a file that a graph names: it must be beside the graph or below its folder.
///
/// # Errors
/// A sentence if the name leads elsewhere.
pub fn name_in_bundle(graph: &str, location: &str) -> Result<String, String> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if location.is_empty() || !Path::new(location).components().all(is_plain) {
        let shown: String = location.chars().take(100).collect();
        return Err(format!(
            "its weights lie in {shown:?}; only a file beside the graph may hold them"
        ));
    }
    let folder = Path::new(graph).parent().unwrap_or(Path::new(""));
    let parts: PathBuf = folder.join(location).components().collect();
    Ok(parts.to_string_lossy().into_owned())
}

/// `onnx.ModelProto`, reduced to the fields that lead to tensors (field numbers from onnx.proto). Texts are bytes here: the
/// check must neither refuse nor miss a text that ONNX Runtime accepts, whatever its encoding.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "20")]
    training_info: Vec<Training>,
    #[prost(message, repeated, tag = "25")]
    functions: Vec<Function>,
}

/// `onnx.TrainingInfoProto`
#[derive(Clone, PartialEq, Message)]
struct Training {
    #[prost(message, optional, tag = "1")]
    initialization: Option<Graph>,
    #[prost(message, optional, tag = "2")]
    algorithm: Option<Graph>,
}

/// `onnx.FunctionProto`
#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(message, repeated, tag = "7")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "11")]
    attribute: Vec<Attribute>,
}

/// `onnx.GraphProto`
#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "15")]
    sparse_initializer: Vec<SparseTensor>,
}

/// `onnx.NodeProto`
#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

/// `onnx.AttributeProto`
#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(message, optional, tag = "5")]
    tensor: Option<Tensor>,
    #[prost(message, optional, boxed, tag = "6")]
    graph: Option<Box<Graph>>,
    #[prost(message, repeated, tag = "10")]
    tensors: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    graphs: Vec<Graph>,
    #[prost(message, optional, tag = "22")]
    sparse_tensor: Option<SparseTensor>,
    #[prost(message, repeated, tag = "23")]
    sparse_tensors: Vec<SparseTensor>,
}

/// `onnx.SparseTensorProto`
#[derive(Clone, PartialEq, Message)]
struct SparseTensor {
    #[prost(message, optional, tag = "1")]
    values: Option<Tensor>,
    #[prost(message, optional, tag = "2")]
    indices: Option<Tensor>,
}

/// `onnx.TensorProto`
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
}

/// `onnx.StringStringEntryProto`
#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

type Names = BTreeSet<String>;

impl Graph {
    fn collect(&self, found: &mut Names) {
        self.initializer.iter().for_each(|it| it.collect(found));
        let sparse = self.sparse_initializer.iter();
        sparse.for_each(|it| it.collect(found));
        self.node.iter().for_each(|it| it.collect(found));
    }
}

impl Node {
    fn collect(&self, found: &mut Names) {
        self.attribute.iter().for_each(|it| it.collect(found));
    }
}

impl Attribute {
    fn collect(&self, found: &mut Names) {
        let tensors = self.tensor.iter().chain(&self.tensors);
        tensors.for_each(|it| it.collect(found));
        let sparse = self.sparse_tensor.iter().chain(&self.sparse_tensors);
        sparse.for_each(|it| it.collect(found));
        let graphs = self.graph.iter().map(|it| &**it).chain(&self.graphs);
        graphs.for_each(|it| it.collect(found));
    }
}

impl SparseTensor {
    fn collect(&self, found: &mut Names) {
        let tensors = self.values.iter().chain(&self.indices);
        tensors.for_each(|it| it.collect(found));
    }
}

impl Tensor {
    /// Ignores `data_location`: readers differ in when they check it.
    fn collect(&self, found: &mut Names) {
        let locations = self.external_data.iter().filter(|it| it.key == "location");
        found.extend(locations.map(|it| String::from_utf8_lossy(&it.value).into_owned()));
    }
}
