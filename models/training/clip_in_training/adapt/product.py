"""Puts a product with a matrix, and the division by the length, behind an output of an ONNX graph."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from clip_in_training.common.errors import ExportError

PREFIX = "adaptation"
"""Of the names of what this module adds to a graph."""
SHORTEST = 1e-12
"""Least length that a vector is divided by; PyTorch's own in `normalize`."""
AXES_AS_INPUT = 18
"""First opset whose ReduceL2 reads its axes from an input."""


def put_products(source: Path, target: Path, products: dict[str, np.ndarray]) -> None:
    """Writes the graph `source` to `target`, with each output x named in `products` replaced by W x / |W x|.

    W is [width, width]; x has its vectors on the last axis. The outputs keep their names and types. Weights in a file
    beside the graph stay there: it must lie beside `target` too. Where a product was put before, W is multiplied into
    it, so that a graph never has two. Raises `ExportError` naming the output that the graph lacks.
    """
    try:
        model = onnx.load(source, load_external_data=False)
    except Exception as error:  # protobuf's decoder has exceptions of its own
        raise ExportError(f"{source} is no readable ONNX graph ({str(error)[:200]})") from error
    for output, matrix in products.items():
        if not _multiply(model.graph, output, matrix):
            _append(model, output, matrix, source)
    model.producer_version = ""
    model.doc_string = ""
    target.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(target))


def _multiply(graph: onnx.GraphProto, output: str, matrix: np.ndarray) -> bool:
    """W of an earlier adaptation becomes the product of both."""
    for tensor in graph.initializer:
        if tensor.name == _name(output, "matrix"):
            earlier = numpy_helper.to_array(tensor).astype(np.float64)
            both = (earlier @ matrix.astype(np.float64).T).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(both, tensor.name))
            return True
    return False


def _append(model: onnx.ModelProto, output: str, matrix: np.ndarray, path: Path) -> None:
    graph = model.graph
    declared = next((each for each in graph.output if each.name == output), None)
    if declared is None:
        known = ", ".join(each.name for each in graph.output)
        raise ExportError(f"{path} has no output {output}; it has {known}")
    element = declared.type.tensor_type.elem_type
    if element != TensorProto.FLOAT:
        raise ExportError(f"{path}: the output {output} must be float32 to be adapted")
    before = _name(output, "before")
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == output:
                    names[place] = before
    graph.initializer.extend(
        [
            numpy_helper.from_array(
                np.ascontiguousarray(matrix.T.astype(np.float32)), _name(output, "matrix")
            ),
            numpy_helper.from_array(np.array(SHORTEST, dtype=np.float32), _name(output, "shortest")),
        ]
    )
    product, length, least = (_name(output, part) for part in ("product", "length", "least"))
    graph.node.extend(
        [
            helper.make_node("MatMul", [before, _name(output, "matrix")], [product], product),
            _lengths(model, product, length, output),
            helper.make_node("Max", [length, _name(output, "shortest")], [least], least),
            helper.make_node("Div", [product, least], [output], _name(output, "division")),
        ]
    )


def _lengths(model: onnx.ModelProto, vectors: str, lengths: str, output: str) -> onnx.NodeProto:
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    if opset < AXES_AS_INPUT:
        return helper.make_node("ReduceL2", [vectors], [lengths], lengths, axes=[-1], keepdims=1)
    axes = _name(output, "axes")
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), axes))
    return helper.make_node("ReduceL2", [vectors, axes], [lengths], lengths, keepdims=1)


def _name(output: str, part: str) -> str:
    return f"{PREFIX}/{output}/{part}"
