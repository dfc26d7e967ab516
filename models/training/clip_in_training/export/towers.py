"""Exports both towers of any `Backbone` as graphs: image.onnx and text.onnx, fp32."""

from pathlib import Path
from typing import Any

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.common.errors import ExportError
from clip_in_training.export.graph import ImageGraph as OwnImageGraph
from clip_in_training.export.graph import export_graph
from clip_in_training.export.traceable import traceable
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.bundle_backbone import BundleBackbone
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone


class ImageGraph(nn.Module):
    """`pixels` uint8 NHWC to `embedding`.

    Normalisation is part of the graph, because it costs nothing. With ViT-B/32 on one thread, measured in
    alternation, CPU time is 1.01 (batch 1) and 1.00 (batch 8) times that of a graph with normalised NCHW float32
    input. The server copies a quarter of the bytes and computes no floats.
    """

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, pixels: Tensor) -> Tensor:
        """Any batch."""
        return self.backbone.encode_image(pixels)


class PatchGraph(nn.Module):
    """`pixels` to `embedding` and `patch_embeddings`: the other tokens of a plain CLIP ViT, after the same norm and
    projection.
    """

    def __init__(self, backbone: OpenClipBackbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Runs the tower once for both outputs."""
        visual = self.backbone.clip.visual
        visual.output_tokens = True
        seen = {}

        def keep(_module: nn.Module, _inputs: tuple, output: tuple[Tensor, Tensor]) -> Tensor:
            seen["tokens"] = output[1]
            return output[0]

        hook = visual.register_forward_hook(keep)
        try:
            vectors = self.backbone.encode_image(pixels)
        finally:
            hook.remove()
        return vectors, functional.normalize(seen["tokens"] @ visual.proj, dim=-1)


class TextGraph(nn.Module):
    """`token_ids` int64 to `embedding`."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, token_ids: Tensor) -> Tensor:
        """Takes any batch. Takes any length up to the context if padding has no influence, else only the full
        context.
        """
        return self.backbone.encode_text(token_ids)


def patch_grid(backbone: Backbone) -> int | None:
    """Number of rows (and columns) of patch vectors; None if the tower is neither a plain CLIP ViT nor this
    project's own.
    """
    if isinstance(backbone, BundleBackbone):
        return backbone.model.image_tower.grid
    visual: Any = getattr(getattr(backbone, "clip", None), "visual", None)
    plain = (
        type(visual) is VisionTransformer
        and visual.attn_pool is None
        and visual.pool_type == "tok"
        and not visual.final_ln_after_pool
        and visual.proj is not None
        and visual.grid_size[0] == visual.grid_size[1]
    )
    return visual.grid_size[0] if plain else None


def export_towers(backbone: Backbone, folder: Path, patches: bool) -> None:
    """Writes image.onnx and text.onnx; `patches` adds the output `patch_embeddings` (see `patch_grid`).

    Raises `ExportError`, which names the tower, if the tracer cannot express it.
    """
    model = traceable(backbone)
    size = backbone.image_rules.size
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    image: nn.Module = ImageGraph(model)
    outputs = ["embedding"]
    if patches:
        if isinstance(model, BundleBackbone):
            image = OwnImageGraph(model.model)
        elif isinstance(model, OpenClipBackbone):
            image = PatchGraph(model)
        outputs = ["embedding", "patch_embeddings"]
    _export("image", image, pixels, folder, "pixels", {0: "batch"}, outputs)
    _export_text(model, folder)


def export_text_tower(backbone: Backbone, folder: Path) -> None:
    """Writes text.onnx alone. Raises `ExportError` if the tracer cannot express the tower."""
    _export_text(traceable(backbone), folder)


def _export_text(backbone: Backbone, folder: Path) -> None:
    token_ids = backbone.text_rules(["one two three", "four"])
    axes = {0: "batch"} | ({1: "length"} if backbone.text_rules.pad_to == "longest" else {})
    _export("text", TextGraph(backbone), token_ids, folder, "token_ids", axes, ["embedding"])


def _export(
    tower: str,
    module: nn.Module,
    example: Tensor,
    folder: Path,
    name: str,
    axes: dict[int, str],
    outputs: list[str],
) -> None:
    try:
        export_graph(module, example, folder / f"{tower}.onnx", name, axes, outputs)
    except OSError:
        raise
    except Exception as error:  # the tracer passes on any exception of the operator
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ExportError(
            f"the {tower} encoder cannot be written as an ONNX graph ({reason}); no bundle was written"
        ) from error
