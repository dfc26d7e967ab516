"""bf16: uses the fp32 graphs, computed in bf16 by OpenVINO's execution provider."""

import json
from pathlib import Path

import onnxruntime
import torch

from clip_in_training.common.errors import ExportError
from clip_in_training.export.evaluate.graphs import Graphs, Tokenize

PROVIDER = "OpenVINOExecutionProvider"


def has_bf16() -> bool:
    """Whether this processor has bf16 instructions. Without them OpenVINO emulates bf16, which is correct and
    slow.
    """
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def require_openvino() -> None:
    """Raises `ExportError` if the installed ONNX Runtime has no OpenVINO."""
    if PROVIDER not in onnxruntime.get_available_providers():
        raise ExportError(
            f"this ONNX Runtime ({onnxruntime.__version__}) has no OpenVINO, which computes bf16. "
            "Run this command in a separate environment in which `pip uninstall -y onnxruntime` and "
            "`pip install --no-deps onnxruntime-openvino==1.24.1` have replaced the package"
        )


def bf16_graphs(image: Path, text: Path, tokenize: Tokenize) -> Graphs:
    """Runs fp32 graphs in bf16 on one thread, with the server's settings.

    Raises `ExportError` if the installed ONNX Runtime has no OpenVINO, or if OpenVINO cannot be started.
    """
    require_openvino()
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "INFERENCE_NUM_THREADS": "1",
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": "NO",
    }
    options = {"device_type": "CPU", "load_config": json.dumps({"CPU": settings})}
    graphs = Graphs(image, text, tokenize, threads=1, providers=[(PROVIDER, options)])
    for session in (graphs.image, graphs.text):
        if PROVIDER not in session.get_providers():
            raise ExportError("OpenVINO could not be started, see the log above; bf16 was not measured")
    return graphs
