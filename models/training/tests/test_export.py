"""Published checkpoints as bundles: the real server computes what open_clip computes."""

import json
import shutil

import numpy as np
import open_clip
import pytest
import torch
from bundle_server import TEXTS, clip_in, open_clip_cosines, pictures, scores
from PIL import Image
from test_backbone_tokenizers import unigram
from timm.models import register_model
from timm.models.eva import Eva

from clip_in_training.cli import main
from clip_in_training.export import graph, parity
from clip_in_training.export.dual_encoder import Identity, write_dual_encoder
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums
from clip_in_training.export.inputs import Inputs, Material, scenes
from clip_in_training.export.precision_table import BEGIN, END
from clip_in_training.export.source import parse_source
from clip_in_training.export.variants import add
from clip_in_training.finetune.backbone.load import load_original
from clip_in_training.finetune.recipe import BackboneRecipe

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
SQUASH = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
CONFIGS = {
    "export-quick": {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 48, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": TEXT,
    },
    # As in CLIPA: the mean of the patches, then the norm; q and k are normalised.
    "export-mean": {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 48,
            "layers": 2,
            "width": 64,
            "head_width": 32,
            "patch_size": 16,
            "pool_type": "avg",
            "no_ln_pre": True,
            "final_ln_after_pool": True,
            "qk_norm": True,
        },
        "text_cfg": {**TEXT, "qk_norm": True},
    },
    "export-resnet": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
        "text_cfg": TEXT,
    },
    "export-eva": {
        "embed_dim": 24,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 64,
            "timm_model_name": "export_eva",
            "timm_pool": "token",
            "timm_proj": None,
        },
        "text_cfg": TEXT,
    },
}
ALL = ["tiny-clip", "export-quick", "export-mean", "export-resnet", "export-eva", "tiny-siglip", "ViT-B-32"]


@register_model
def export_eva(pretrained=False, **options):
    """The parts of EVA-02 at small size: rotary positions in two dimensions, SwiGLU with a norm inside."""
    parts = {"swiglu_mlp": True, "scale_mlp": True, "use_rot_pos_emb": True, "qkv_fused": False}
    size = {"img_size": 64, "patch_size": 16, "embed_dim": 64, "depth": 2, "num_heads": 2, "mlp_ratio": 8 / 3}
    head = {"num_classes": options["num_classes"], "global_pool": options["global_pool"]}
    return Eva(**size, **parts, **head, ref_feat_shape=(4, 4))


class Exported:
    """A model with the weights of a checkpoint file, and the bundle that `export --from` made of it."""

    def __init__(self, folder, name: str):
        self.name, self.checkpoint, self.bundle = name, folder / "weights.pt", folder / "bundle"
        self.options = {"pretrained": str(self.checkpoint)}
        if "siglip" in name:
            self._package(folder / "package")
        torch.manual_seed(11)
        model = open_clip.create_model(self.name, load_weights=False)
        with torch.no_grad():  # Random towers give two pictures nearly the same vector.
            for parameter in model.parameters():
                if parameter.ndim >= 2:
                    parameter.mul_(2)
            model.logit_scale.fill_(np.log(117.33 if "siglip" in name else 60.0))
        torch.save(model.state_dict(), self.checkpoint)
        self.source = f"open_clip:{self.name}" + ("" if "siglip" in name else f"/{self.checkpoint}")

    def _package(self, folder):
        """Writes the Hub's layout: with its tokenizer, and a description of how images are resized."""
        folder.mkdir()
        tokenizer, config = unigram(), open_clip.get_model_config(self.name)
        config["text_cfg"] |= {"vocab_size": len(tokenizer), "hf_tokenizer_name": "from/the-hub"}
        config["text_cfg"]["tokenizer_kwargs"] = {"clean": "canonicalize"}
        described = {"model_cfg": config, "preprocess_cfg": SQUASH}
        (folder / "open_clip_config.json").write_text(json.dumps(described))
        tokenizer.save_pretrained(folder)
        self.checkpoint = folder / "open_clip_pytorch_model.bin"
        self.name, self.options = f"local-dir:{folder}", {}

    def export(self, *more) -> int:
        return main(["export", "--from", self.source, "--out", str(self.bundle), *map(str, more)])

    def original(self):
        model, _, preprocess = open_clip.create_model_and_transforms(self.name, **self.options)
        return model.eval(), preprocess, open_clip.get_tokenizer(self.name)

    def manifest(self) -> dict:
        return json.loads((self.bundle / "bundle.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    ready = {}

    def make(name: str) -> Exported:
        if name not in ready:
            ready[name] = Exported(tmp_path_factory.mktemp(name), name)
            assert ready[name].export("--precisions", "fp16,int8" if name == "tiny-clip" else "") == 0
        return ready[name]

    return make


@pytest.mark.parametrize("name", ALL[:-1])
def test_the_server_gives_open_clips_cosines(made, name, tmp_path):
    model = made(name)
    check(model.bundle, model.original(), tmp_path)


def check(bundle, original, folder):
    clip, preprocess, tokenize = original
    paths = pictures(folder)
    expected = open_clip_cosines(clip, preprocess, tokenize, paths, TEXTS)
    # Otherwise the comparison would always pass.
    assert np.ptp(expected, axis=0).max() > 1e-2 and np.ptp(expected, axis=1).max() > 1e-2
    assert "golden embeddings agree" in clip_in("model", "verify", bundle)
    logits = clip.logit_scale.exp().item() * expected + (
        0 if clip.logit_bias is None else clip.logit_bias.item()
    )
    for path, cosines, row in zip(paths, expected, torch.from_numpy(logits), strict=True):
        found = scores(bundle, path, TEXTS)
        np.testing.assert_allclose(found["scores"], cosines, atol=1e-4)
        probabilities = row.softmax(-1) if clip.logit_bias is None else row.sigmoid()
        np.testing.assert_allclose(found["probabilities"], probabilities, atol=3e-3, rtol=0.03)


@pytest.mark.full_size
def test_vit_b_32_is_open_clips(tmp_path):
    """The real size, with few inputs to compare."""
    backbone = load_original(BackboneRecipe(name="ViT-B-32", positions="absolute"), seed=1)
    pixels, texts = scenes(224)
    few = Inputs(pixels[:3], texts[:3])
    identity = Identity("vit-b-32", "random", {}, lambda *_: "", weights=False)
    content = write_dual_encoder(
        backbone, identity, tmp_path / "out", material=Material(few, lambda: few, "")
    )
    assert content["image"]["patch_grid"] == [7, 7]
    _, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32", load_weights=False)
    check(
        tmp_path / "out",
        (backbone.clip, preprocess, open_clip.get_tokenizer("ViT-B-32")),
        tmp_path / "images",
    )


def test_the_manifest_says_what_open_clip_does(made):
    clip, siglip = made("tiny-clip").manifest(), made("tiny-siglip").manifest()
    assert (clip["image"]["resize_mode"], clip["image"]["mean"][0]) == ("shortest", 0.48145466)
    assert (clip["text"]["pad_to"], clip["text"]["positions"]) == ("longest", "absolute")
    assert clip["similarity"] == {"kind": "softmax", "logit_scale": pytest.approx(60), "logit_bias": 0}
    assert (siglip["image"]["resize_mode"], siglip["image"]["std"]) == ("squash", [0.5] * 3)
    assert (siglip["text"]["pad_to"], siglip["text"]["context_length"]) == ("context_length", 16)
    # Beyond CLIP's limit of 100: SigLIP has none.
    assert siglip["similarity"] == {
        "kind": "sigmoid",
        "logit_scale": pytest.approx(117.33),
        "logit_bias": -10,
    }
    assert clip["name"] == "tiny-clip-weights"
    assert clip["files"] == checksums(made("tiny-clip").bundle)


def test_each_precision_is_in_manifest_and_card(made):
    model = made("tiny-clip")
    variants = model.manifest()["variants"]
    assert [variant["precision"] for variant in variants] == ["fp32", "int8", "fp16"]
    assert variants[0]["parity"]["text"]["max_abs"] <= parity.LIMIT
    for variant in variants[1:]:
        assert variant["benchmark_delta"] is None and variant["speedup"] > 0
        assert 0 < variant["parity"]["image"]["worst"] < 0.1
    table = (model.bundle / "model-card.md").read_text().split(BEGIN)[1].split(END)[0]
    assert [line.split("|")[1].strip() for line in table.splitlines()[3:6]] == ["fp32", "int8", "fp16"]


def test_patch_vectors_are_the_other_tokens_behind_the_same_projection(made):
    model = made("export-quick")
    clip, _, _ = model.original()
    pixels, _ = scenes(48)
    session = Graphs(model.bundle / "image.onnx", model.bundle / "text.onnx", None).image
    (found,) = session.run(["patch_embeddings"], {"pixels": pixels[:5]})
    mean, std = (torch.tensor(v) for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    with torch.inference_mode():
        image = ((torch.from_numpy(pixels[:5]) / 255 - mean) / std).permute(0, 3, 1, 2)
        tokens = clip.visual.forward_intermediates(
            image, indices=1, normalize_intermediates=True, output_fmt="NLC"
        )["image_intermediates"][0]
        expected = torch.nn.functional.normalize(tokens @ clip.visual.proj, dim=-1)
    assert model.manifest()["image"]["patch_grid"] == [3, 3] and found.shape == (5, 9, 24)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert made("export-mean").manifest()["image"]["patch_output"] is None


def test_a_precision_can_be_added_later(made, tmp_path, capsys):
    model = made("export-quick")
    bundle = tmp_path / "bundle"
    shutil.copytree(model.bundle, bundle)
    assert main(["variants", "--bundle", str(bundle), "--precisions", "fp16"]) == 0
    assert "fp16" in capsys.readouterr().out
    # The file that the bundle was exported from is a different one now.
    kept = model.checkpoint.read_bytes()
    state = torch.load(model.checkpoint)
    state["text_projection"] *= -1
    torch.save(state, model.checkpoint)
    try:
        assert main(["variants", "--bundle", str(bundle), "--precisions", "fp16"]) == 1
    finally:
        model.checkpoint.write_bytes(kept)
    assert "is no longer the model" in capsys.readouterr().err


def test_weights_beyond_protobufs_limit_stand_beside_the_graph(made, tmp_path, monkeypatch, capsys):
    model = made("export-quick")
    monkeypatch.setattr(graph, "EXTERNAL_FROM", 1000)
    out = tmp_path / "out"
    assert main(["export", "--from", model.source, "--out", str(out)]) == 0
    assert {"image.onnx_data", "text.onnx_data"} <= set(checksums(out))
    assert (out / "text.onnx").stat().st_size < 200_000
    assert main(["variants", "--bundle", str(out), "--precisions", "fp16"]) == 1
    assert (
        "image.onnx is too large for one file and has its weights in image.onnx_data"
        in capsys.readouterr().err
    )
    assert "golden embeddings agree" in clip_in("model", "verify", out)


def refused(model: Exported, folder, *more) -> None:
    """Checks that the export fails and leaves the content of --out unchanged."""
    out = folder / "out"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    assert main(["export", "--from", model.source, "--out", str(out), *more]) == 1
    assert [path.name for path in folder.rglob("*")] == ["out", "mine.txt"]


def test_a_graph_that_disagrees_is_refused(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(parity, "LIMIT", 1e-12)
    refused(made("export-quick"), tmp_path)
    assert "disagrees with PyTorch" in capsys.readouterr().err


def test_an_inaccurate_int8_variant_is_refused(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(add, "NONSENSE", 1e-9)
    refused(made("export-quick"), tmp_path, "--precisions", "int8")
    assert "Leave int8 out of --precisions" in capsys.readouterr().err


def test_an_operator_that_the_tracer_does_not_support_is_refused(made, tmp_path, capsys, monkeypatch):
    model = made("export-quick")

    def forward(self, states):
        return torch.linalg.pinv(states).mT

    monkeypatch.setattr(open_clip.transformer.QuickGELU, "forward", forward)
    refused(model, tmp_path)
    assert "the image encoder cannot be written as an ONNX graph" in capsys.readouterr().err


def test_sources_without_a_checkpoint_are_refused(tmp_path, capsys):
    for source, said in (
        ("ViT-B-32/openai", "--from 'ViT-B-32/openai' names no checkpoint"),
        ("open_clip:ViT-B-32", "open_clip:NAME/TAG"),
        ("open_clip:ViT-B-32/nonsense", "laion2b_s34b_b79k"),
        ("open_clip:no-such-net/openai", "ViT-B-32"),
    ):
        assert main(["export", "--from", source, "--out", str(tmp_path / "out")]) == 1
        assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_sources():
    found = parse_source("open_clip:ViT-B-32//some/where/best.pt")
    assert (found.name, found.pretrained, found.api_name()) == (
        "ViT-B-32",
        "/some/where/best.pt",
        "vit-b-32-best",
    )
    found = parse_source("open_clip:hf-hub:timm/ViT-B-16-SigLIP2")
    assert (found.name, found.pretrained) == ("hf-hub:timm/ViT-B-16-SigLIP2", "")
    assert found.api_name() == "vit-b-16-siglip2"
    assert parse_source("open_clip:ViT-B-32/openai").api_name() == "vit-b-32-openai"


def test_calibration_on_a_folder(made, tmp_path, capsys):
    model, folder = made("export-quick"), tmp_path / "own"
    for index in range(6):
        pictures(folder / str(index))
    (folder / "captions.txt").write_text("a red bolt\na blue mug\n\n" * 9)
    options = ["--precisions", "int8", "--calibrate", str(folder), "--name", "mine"]
    assert main(["export", "--from", model.source, "--out", str(tmp_path / "out"), *options]) == 0
    assert "18 images and 18 texts" in (tmp_path / "out" / "model-card.md").read_text()
    assert json.loads((tmp_path / "out" / "bundle.json").read_text())["name"] == "mine"
    capsys.readouterr()
    (folder / "0" / "0.png").write_bytes(b"no image")
    assert main(["export", "--from", model.source, "--out", str(tmp_path / "new"), *options]) == 1
    assert "0.png is not a readable image" in capsys.readouterr().err
    shutil.rmtree(folder / "1")
    assert main(["export", "--from", model.source, "--out", str(tmp_path / "new"), *options]) == 1
    assert "has 15 images" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_names_follow_the_rule_of_manifests(made, tmp_path, capsys):
    model = made("export-quick")
    assert main(["export", "--from", model.source, "--out", str(tmp_path / "out"), "--name", "My Model"]) == 1
    assert "a-z 0-9" in capsys.readouterr().err


def test_pictures_differ(tmp_path):
    assert [Image.open(path).size for path in pictures(tmp_path)] == [(70, 45), (200, 330), (97, 97)]
