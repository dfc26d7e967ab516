"""Exports PyTorch towers as ONNX graphs."""

import copy
import logging
import tempfile
import warnings
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from clip_in_training.export.padding import fold_padding
from clip_in_training.scratch.model.dual_encoder import DualEncoder

OPSET = 18
"""Opset: old enough for every supported ONNX Runtime, new enough for single-operator reductions."""

EXTERNAL_FROM = 1_900_000_000
"""Weights of this many bytes do not fit into one file: a protobuf message is limited to 2 GiB."""


class ImageGraph(nn.Module):
    """`pixels` uint8 NHWC to `embedding` and `patch_embeddings`, both of unit length."""

    def __init__(self, model: DualEncoder):
        super().__init__()
        self.tower = model.image_tower

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Runs the tower once for both outputs."""
        vectors, patches, _ = self.tower(pixels)
        return functional.normalize(vectors, dim=-1), functional.normalize(patches, dim=-1)


class TextGraph(nn.Module):
    """`token_ids` int64 to `embedding` of unit length."""

    def __init__(self, model: DualEncoder):
        super().__init__()
        self.model = model

    def forward(self, token_ids: Tensor) -> Tensor:
        """Takes any batch size and any length."""
        return self.model.encode_text(token_ids)


M = TypeVar("M", bound=nn.Module)


def fold_batch_norm(module: M) -> M:
    """A copy in evaluation mode in which each BatchNorm is folded into the convolution before it."""
    folded = copy.deepcopy(module).eval()
    for parent in list(folded.modules()):
        if not isinstance(parent, nn.Sequential) or len(parent) != 2:
            continue
        convolution, norm = parent
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            parent[0], parent[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return folded


def export_graphs(model: DualEncoder, folder: Path) -> None:
    """Writes image.onnx and text.onnx (fp32) of a model whose weights are final."""
    size = model.image_tower.grid * 16
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    image = ImageGraph(fold_batch_norm(model)).to(memory_format=torch.contiguous_format)
    outputs = ["embedding", "patch_embeddings"]
    export_graph(image, pixels, folder / "image.onnx", "pixels", {0: "batch"}, outputs)
    token_ids = torch.full((2, 12), model.text_tower.end_id, dtype=torch.int64)
    text = TextGraph(copy.deepcopy(model).eval())
    export_graph(text, token_ids, folder / "text.onnx", "token_ids", {0: "batch", 1: "length"}, ["embedding"])


def export_graph(
    module: nn.Module,
    example: Tensor,
    path: Path,
    name: str,
    axes: dict[int, str],
    outputs: list[str],
    output_axes: dict[str, dict[int, str]] | None = None,
) -> None:
    """Writes one graph with one input, `name`, whose axes in `axes` are dynamic.

    Of an output, the first axis is dynamic, or those that `output_axes` has for its name.
    The trace-based exporter gives the smaller graph here: it leaves no shape arithmetic. Weights of `EXTERNAL_FROM`
    bytes and more go to a file beside the graph, `NAME.onnx_data`.
    """
    parameters = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    external = sum(t.numel() * t.element_size() for t in parameters.values()) >= EXTERNAL_FROM
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as work:
        # Export to a file: only then can the exporter store weights externally. It writes one file per tensor.
        traced = Path(work) / path.name
        dynamic = {output: {0: "batch"} for output in outputs} | (output_axes or {}) | {name: axes}
        _trace(module, example, traced, name, dynamic, outputs)
        graph = onnx.load(traced)
    fold_padding(graph)
    graph.producer_version = ""
    graph.doc_string = ""
    if external:
        onnx.save_model(
            graph, path, save_as_external_data=True, location=f"{path.name}_data", size_threshold=1024
        )
        onnx.checker.check_model(path, full_check=True)
    else:
        onnx.checker.check_model(graph, full_check=True)
        path.write_bytes(graph.SerializeToString(deterministic=True))


def _trace(
    module: nn.Module,
    example: Tensor,
    path: Path,
    name: str,
    dynamic: dict[str, dict[int, str]],
    outputs: list[str],
) -> None:
    """Suppresses the exporter's warnings: its result is measured afterwards."""
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            module,
            (example,),
            str(path),
            input_names=[name],
            output_names=outputs,
            dynamic_axes=dynamic,
            opset_version=OPSET,
            do_constant_folding=True,
            dynamo=False,
        )
