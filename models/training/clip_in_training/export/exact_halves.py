"""Stores weights of an fp32 graph as fp16 where that loses nothing: the file is smaller, the model the same."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from clip_in_training.export.variants.graph_files import save

LEAST = 4096
"""Values of the smallest weight that is worth a node."""


def store_exact_halves(path: Path) -> None:
    """Rewrites a graph. Weights that `weights.round_weights` has rounded become fp16 with a `Cast` behind them, which
    the runtime computes once, when it loads the graph. Weights that fp16 does not hold exactly stay as they are.
    """
    model = onnx.load(path)
    graph = model.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        halved = _halved(tensor)
        if halved is None:
            kept.append(tensor)
            continue
        name = f"{tensor.name}.fp16"
        kept.append(numpy_helper.from_array(halved, name))
        casts.append(helper.make_node("Cast", [name], [tensor.name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    save(model, path)


def _halved(tensor: onnx.TensorProto) -> np.ndarray | None:
    if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LEAST:
        return None
    values = numpy_helper.to_array(tensor)
    halved = values.astype(np.float16)
    return halved if (halved.astype(np.float32) == values).all() else None
