"""Reads graphs for a conversion, and writes converted ones."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization.shape_inference import quant_pre_process

from clip_in_training.common.errors import ExportError


@contextmanager
def silent() -> Iterator[None]:
    """Suppresses the converters' warnings: their results are measured afterwards."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def folded(source: Path, work: Path) -> Path:
    """A copy in the folder `work` with folded constants, so that each weight is an initializer.

    Raises `ExportError` if the weights are in a separate file, which the converters do not support.
    """
    if (beside := source.with_name(f"{source.name}_data")).exists():
        raise ExportError(
            f"{source.name} is too large for one file and has its weights in {beside.name}; such graphs can "
            "only be exported as bf16: remove int8 and fp16 from --precisions"
        )
    target = work / f"folded-{source.name}"
    with silent():
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
    return target


def save(model: onnx.ModelProto, target: Path) -> None:
    """Checks and writes a graph; the same graph gives the same bytes."""
    onnx.checker.check_model(model)
    model.producer_version = ""
    model.doc_string = ""
    target.write_bytes(model.SerializeToString(deterministic=True))
