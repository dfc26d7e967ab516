"""8-bit weights and activations for processors: QDQ form, with activation ranges calibrated at export.

Calibration is static, although dynamic is the usual choice for transformers, for two reasons. A dynamic range
covers the whole batch, so an embedding depends on the other items of the batch (1 - cosine up to 2e-4, measured).
And convolutions, most of the demo's image tower, would stay in fp32. Where both are possible, static costs 2 to 5 %
of the speed.

- Only products with weights are quantised: attention's own products lose more than they gain.
- The output of a MatMul stays in fp32: it is computed in 32 bits, and rounding it again only loses precision. The
  output of a Gemm is rounded, because ONNX Runtime would otherwise unpack its weights on each run.
- Not quantised: the convolution on pixels and the projection to the embedding. Together they cause a third of the
  loss and take a few percent of the time. Nor is a Gemm just before the projection: in the demo's image tower it
  causes a quarter of what is left (1 - cosine 3.7e-4 in place of 2.8e-4) and takes no time that could be measured.
- Activations are uint8 and weights int8, with one scale per channel. Over the full range this is exact only with
  VNNI instructions. Without them, two products are added in 16 bits, which saturates (1 - cosine up to 0.12,
  measured). So if the exporting processor has no VNNI, weights have seven bits, which every processor computes
  exactly. The golden check detects a full-range variant on a processor without VNNI.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from clip_in_training.export.variants.graph_files import folded, save, silent
from clip_in_training.export.variants.structure import Structure


class _Feeds(CalibrationDataReader):
    def __init__(self, name: str, feeds: Iterator[np.ndarray]):
        self.name, self.feeds = name, feeds

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input, or None after the last."""
        value = next(self.feeds, None)
        return None if value is None else {self.name: value}


def has_vnni(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor adds 8-bit products without saturation; False if that is unknown."""
    try:
        return "vnni" in cpuinfo.read_text()
    except OSError:
        return False


def to_int8(source: Path, target: Path, work: Path, feeds: Iterator[np.ndarray]) -> None:
    """Writes the int8 version of a graph with one input, calibrated on `feeds`."""
    start = folded(source, work)
    graph = onnx.load(start).graph
    structure = Structure(graph)
    kept = structure.first_convolution() + structure.projection() + structure.before_projection()
    kept += structure.without_weights({"MatMul", "Gather"})
    result = work / f"quantised-{source.name}"
    with silent():
        quantize_static(
            start,
            result,
            _Feeds(graph.input[0].name, feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul", "Gemm", "Gather"],
            nodes_to_exclude=kept,
            per_channel=True,
            reduce_range=not has_vnni(),
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
        )
    save(onnx.load(result), target)
