"""Half precision, for GPUs. It brings no speed on a processor, which computes each operator in fp32.

Two parts stay in fp32. Normalisation: rounded to fp16, the length of a vector is off by up to 4e-4, and so are
cosines (measured). Angles of rotary positions: in fp16, position 127 is off by up to 0.06 rad.
"""

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from clip_in_training.export.variants.graph_files import folded, save, silent
from clip_in_training.export.variants.structure import Structure


def to_fp16(source: Path, target: Path, work: Path) -> None:
    """Writes the fp16 version of a graph; inputs and outputs keep their types."""
    model = onnx.load(folded(source, work))
    structure = Structure(model.graph)
    with silent():
        half = convert_float_to_float16(
            model,
            keep_io_types=True,
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, "Cast"],
            node_block_list=structure.normalisation() + structure.angles(),
        )
    _drop_detours(half.graph)
    OnnxModel(half).topological_sort()  # casts were appended at the end
    save(half, target)


def _drop_detours(graph: onnx.GraphProto) -> None:
    """Removes the casts from fp32 to fp16 and back that the converter puts between fp32 nodes.

    Otherwise the length of a vector would be rounded to fp16 between the node that computes it and the node that
    divides by it.
    """
    rounded = {n.output[0]: n.input[0] for n in graph.node if _casts_to(n, onnx.TensorProto.FLOAT16)}
    exact = {
        n.output[0]: rounded[n.input[0]]
        for n in graph.node
        if _casts_to(n, onnx.TensorProto.FLOAT) and n.input[0] in rounded
    }
    for node in graph.node:
        back = node.output[0] in exact  # stays, without effect: it may be an output of the graph
        node.input[:] = [exact[node.output[0]]] if back else [exact.get(name, name) for name in node.input]
    kept = {output.name for output in graph.output}
    while True:
        used = kept.union(*(node.input for node in graph.node))
        unused = [n for n in graph.node if n.op_type == "Cast" and n.output[0] not in used]
        if not unused:
            return
        for node in unused:
            graph.node.remove(node)


def _casts_to(node: onnx.NodeProto, element: int) -> bool:
    return node.op_type == "Cast" and node.attribute[0].i == element
