"""Reading graphs for a conversion, and writing converted ones."""

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
    """Without the converters' remarks: what they did is measured afterwards."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def folded(source: Path, work: Path) -> Path:
    """A copy in the folder `work` whose constants are folded, so that each weight is an initializer.

    Raises `ExportError` if the weights are in a file of their own, which the converters do not take.
    """
    if (beside := source.with_name(f"{source.name}_data")).exists():
        raise ExportError(
            f"{source.name} has its weights in {beside.name}, being too large for one file; such graphs can "
            "only be given bf16: leave int8 and fp16 out of --precisions"
        )
    target = work / f"folded-{source.name}"
    with silent():
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
    return target


def save(model: onnx.ModelProto, target: Path) -> None:
    """Checks and writes a graph, the same bytes for the same graph."""
    onnx.checker.check_model(model)
    model.producer_version = ""
    model.doc_string = ""
    target.write_bytes(model.SerializeToString(deterministic=True))
