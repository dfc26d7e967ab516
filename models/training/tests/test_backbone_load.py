"""Backbones by name: activation, image rules, errors. No test contacts the Hub: files stand in for downloads."""

import json
import math

import open_clip
import pytest
import torch
import transformers
from open_clip.pretrained import _PRETRAINED, list_pretrained
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import QuickGELU
from PIL import Image
from safetensors.torch import save_file

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone import load_backbone, load_original
from clip_in_training.finetune.backbone.backbone import ImageRules
from clip_in_training.finetune.backbone.images import Preprocess
from clip_in_training.finetune.backbone.logit_scale import bounded_scale
from clip_in_training.finetune.backbone.pretrained import resolve
from clip_in_training.finetune.recipe import BackboneRecipe
from clip_in_training.scratch.model import load_bundle

TEXTS = ["a red mug", "two blue bolts on a grey plate, seen from above", ""]


def picture(width=50, height=41, seed=0) -> Image.Image:
    numbers = torch.Generator().manual_seed(seed)
    values = torch.randint(0, 256, (height, width, 3), generator=numbers, dtype=torch.uint8)
    return Image.fromarray(values.numpy())


def activations(tower) -> set[type]:
    return {type(block.mlp.gelu) for block in tower.transformer.resblocks}


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Tags of tiny-clip with the entries that ViT-B-32 has for them; the download is a local file."""
    torch.manual_seed(8)
    clip = open_clip.create_model("tiny-clip")
    torch.save(clip.state_dict(), tmp_path / "weights.pt")
    tags = {tag: _PRETRAINED["ViT-B-32"][tag] for tag in ("openai", "laion2b_s34b_b79k")}
    tags["dfn"] = _PRETRAINED["ViT-H-14"]["dfn5b"]
    monkeypatch.setitem(_PRETRAINED, "tiny-clip", tags)
    asked = []

    def download(entry, **_):
        asked.append(entry["hf_hub"])
        return str(tmp_path / "weights.pt")

    monkeypatch.setattr(open_clip.factory, "download_pretrained", download)
    return clip.state_dict(), asked


@pytest.mark.parametrize(("tag", "quick"), [("openai", True), ("dfn", True), ("laion2b_s34b_b79k", False)])
def test_the_tag_decides_the_activation_of_both_towers(published, tag, quick):
    weights, asked = published
    backbone = load_original(BackboneRecipe("tiny-clip", pretrained=tag), 1)
    expected = {QuickGELU} if quick else {torch.nn.GELU}
    assert activations(backbone.clip.visual) == activations(backbone.clip) == expected
    assert asked == [_PRETRAINED["tiny-clip"][tag]["hf_hub"]]
    reference = open_clip.create_model("tiny-clip", force_quick_gelu=quick).eval()
    reference.load_state_dict(weights)
    with torch.no_grad():
        vectors = reference.encode_text(open_clip.tokenize(TEXTS), normalize=True)
        torch.testing.assert_close(
            backbone.encode_text(backbone.text_rules(TEXTS)), vectors, atol=1e-6, rtol=0
        )
        other = open_clip.create_model("tiny-clip", force_quick_gelu=not quick).eval()
        other.load_state_dict(weights)
        wrong = other.encode_text(open_clip.tokenize(TEXTS), normalize=True)
    assert (wrong - vectors).abs().max() > 1e-5  # The check above can distinguish the two.


def test_every_tag_of_open_clip_gets_the_activation_it_was_trained_with():
    quick = {(n, t) for n, t in list_pretrained() if resolve(n, t).quick_gelu}
    assert {
        ("ViT-L-14", "openai"),
        ("ViT-L-14-336", "openai"),
        ("ViT-L-14-336-quickgelu", "openai"),
        ("ViT-H-14", "dfn5b"),
        ("ViT-H-14-378-quickgelu", "dfn5b"),
        ("ViT-B-16", "dfn2b"),
    } <= quick
    assert {("ViT-B-32", "laion2b_s34b_b79k"), ("ViT-L-14", "datacomp_xl_s13b_b90k")}.isdisjoint(quick)
    native = {
        (n, t)
        for n, t in list_pretrained()
        if "hf_model_name" not in open_clip.get_model_config(n)["text_cfg"]
    }
    assert all(((n, t) in quick) == bool(_PRETRAINED[n][t].get("quick_gelu")) for n, t in native)


def test_image_rules_follow_the_tag_and_for_a_file_what_all_tags_agree_on():
    assert resolve("ViT-SO400M-14-SigLIP2", "webli").preprocess["resize_mode"] == "squash"
    assert resolve("ViT-H-14", "dfn5b").preprocess["resize_mode"] == "squash"
    assert resolve("ViT-H-14", "laion2b_s32b_b79k").preprocess["resize_mode"] == "shortest"
    siglip = resolve("ViT-B-16-SigLIP", "").preprocess
    assert (siglip["mean"], siglip["resize_mode"]) == ((0.5, 0.5, 0.5), "squash")
    assert "mean" not in resolve("ViT-L-14", "").preprocess  # LAION's and OpenAI's differ


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_checkpoint_file(tmp_path, suffix):
    torch.manual_seed(3)
    weights = open_clip.create_model("tiny-clip").state_dict()
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save({"state_dict": {f"module.{name}": value for name, value in weights.items()}}, path)
    else:
        save_file(weights, path)
    backbone = load_original(BackboneRecipe("tiny-clip", pretrained=str(path)), 1)
    assert all(torch.equal(backbone.clip.state_dict()[name], value) for name, value in weights.items())


def test_a_file_that_could_run_code_is_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(BackboneError, match="state dict"):
        load_original(BackboneRecipe("tiny-clip", pretrained=str(tmp_path / "trap.pt")), 1)
    assert not (tmp_path / "ran").exists()


def test_a_file_of_another_architecture_is_refused(tmp_path):
    torch.save(open_clip.create_model("tiny-siglip").state_dict(), tmp_path / "other.pt")
    with pytest.raises(BackboneError, match="not one of this architecture"):
        load_original(BackboneRecipe("tiny-clip", pretrained=str(tmp_path / "other.pt")), 1)


def test_random_weights_depend_on_the_seed_alone():
    one, same, other = (load_backbone(BackboneRecipe("tiny-clip"), seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["clip.token_embedding.weight"], other["clip.token_embedding.weight"])


def test_loading_does_not_change_the_callers_random_state():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_backbone(BackboneRecipe("tiny-clip"), 1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", ["tiny-clip", "tiny-siglip"])
def test_the_vectors_are_those_of_open_clip(name):
    backbone = load_original(BackboneRecipe(name), 1)
    rules = PreprocessCfg(**backbone.clip.visual.preprocess_cfg)
    pictures = [picture(seed=seed) for seed in range(2)]
    pixels = torch.stack([backbone.preprocess(image) for image in pictures])
    ids = open_clip.tokenize(TEXTS, context_length=backbone.text_rules.context_length)
    with torch.no_grad():
        transform = image_transform_v2(rules, is_train=False)
        expected = backbone.clip.encode_image(torch.stack([transform(p) for p in pictures]), normalize=True)
        torch.testing.assert_close(backbone.encode_image(pixels), expected, atol=2e-6, rtol=0)
        expected = backbone.clip.encode_text(ids, normalize=True)
        torch.testing.assert_close(
            backbone.encode_text(backbone.text_rules(TEXTS)), expected, atol=2e-6, rtol=0
        )
    assert backbone.embedding_dim == expected.shape[1]
    assert pixels.dtype == torch.uint8 and pixels.shape[1:3] == (backbone.image_rules.size,) * 2


def test_families():
    clip = load_original(BackboneRecipe("tiny-clip"), 1)
    assert (clip.family, clip.bias().item()) == ("softmax", 0.0)
    siglip = load_original(BackboneRecipe("tiny-siglip"), 1)
    assert (siglip.family, siglip.bias().item()) == ("sigmoid", -10.0)
    with torch.no_grad():
        siglip.clip.logit_scale.fill_(math.log(117.3))
    assert siglip.scale().item() == pytest.approx(117.3, rel=1e-5)  # SigLIP has no bound


def test_a_scale_at_its_bound_can_still_fall():
    for start in (4.6052, 5.0):  # The first one is OpenAI's value.
        parameter = torch.nn.Parameter(torch.tensor(start))
        scale = bounded_scale(parameter)
        assert 99.999 < scale.item() <= 100
        scale.backward()
        assert parameter.grad > 50


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_geometry_is_that_of_open_clip(mode, interpolation):
    rules = ImageRules(32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), interpolation, mode, fill_color=7)
    theirs = image_transform_v2(
        PreprocessCfg(32, "RGB", rules.mean, rules.std, interpolation, mode, fill_color=7), is_train=False
    )
    for size in ((50, 41), (41, 50), (20, 30), (33, 200), (32, 32)):
        image = picture(*size)
        pixels = Preprocess(rules)(image).permute(2, 0, 1) / 255
        mean, std = (torch.tensor(values)[:, None, None] for values in (rules.mean, rules.std))
        torch.testing.assert_close((pixels - mean) / std, theirs(image))


def test_a_packaged_folder(tmp_path):
    torch.manual_seed(4)
    weights = open_clip.create_model("tiny-clip").state_dict()
    config = open_clip.get_model_config("tiny-clip") | {"quick_gelu": True}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    )
    with pytest.raises(
        BackboneError, match="could not be loaded"
    ):  # open_clip would continue with random weights
        load_original(BackboneRecipe(f"local-dir:{tmp_path}"), 1)
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    backbone = load_original(BackboneRecipe(f"local-dir:{tmp_path}"), 1)
    assert backbone.image_rules == ImageRules(32, (0.5,) * 3, (0.5,) * 3, "bilinear", "squash")
    assert activations(backbone.clip) == {QuickGELU}
    assert torch.equal(backbone.clip.state_dict()["ln_final.weight"], weights["ln_final.weight"])


def test_a_bundle_is_a_backbone():
    backbone = load_backbone(BackboneRecipe("bundle:models/demo", context_length=64), 1)
    model, preprocess, tokenize = load_bundle("models/demo")
    image = picture(150, 130)
    assert torch.equal(backbone.preprocess(image), preprocess(image))
    assert torch.equal(backbone.text_rules(TEXTS), tokenize(TEXTS))
    with torch.no_grad():
        assert torch.equal(backbone.encode_text(tokenize(TEXTS)), model.encode_text(tokenize(TEXTS)))
        pixels = preprocess(image)[None]
        assert torch.equal(backbone.encode_image(pixels), model.encode_image(pixels))
    assert backbone.scale().item() == pytest.approx(model.scale().item())
    assert (backbone.positions, backbone.family, backbone.embedding_dim) == ("rope", "softmax", 192)


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (BackboneRecipe("ViT-Z-99"), "ViT-B-32"),
        (BackboneRecipe("ViT-B-32", pretrained="no_such_tag"), "laion2b_s34b_b79k"),
        (BackboneRecipe("hf-hub:some/model", pretrained="openai"), "leave backbone.pretrained out"),
        (BackboneRecipe("hf-hub:"), "Empty identifier"),
        (BackboneRecipe("local-dir:/no/such/folder"), "open_clip_config.json"),
        (BackboneRecipe("coca_ViT-B-32"), "captions"),
        (BackboneRecipe("bundle:/no/such/bundle"), "no bundle there"),
        (BackboneRecipe("bundle:models/demo", positions="absolute"), "rope"),
        (BackboneRecipe("tiny-clip", context_length=1), "context_length"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_an_unavailable_backbone_is_refused_with_advice(recipe, says):
    with pytest.raises(BackboneError, match=says):
        load_backbone(recipe, 1)


@pytest.mark.parametrize(
    "recipe", [BackboneRecipe("ViT-B-32", pretrained="openai"), BackboneRecipe("hf-hub:some/model")]
)
def test_a_hub_that_cannot_be_reached_is_named(monkeypatch, recipe):
    def unreachable(*_, **__):
        raise OSError("[Errno -2] Name or service not known")

    monkeypatch.setattr(open_clip.pretrained, "hf_hub_download", unreachable)
    with pytest.raises(BackboneError) as caught:
        load_backbone(recipe, 1)
    for hint in (recipe.name, "Hub", "HF_ENDPOINT", "local-dir:", "Name or service not known"):
        assert hint in str(caught.value)


def test_a_tokenizer_that_cannot_be_fetched_is_not_blamed_on_the_checkpoint(monkeypatch, tmp_path):
    config = open_clip.get_model_config("tiny-siglip")
    config["text_cfg"]["hf_tokenizer_name"] = "some/tokenizer"
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-hub", config)

    def unreachable(*_, **__):
        raise OSError("We couldn't connect")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", unreachable)
    torch.save(open_clip.create_model("tiny-siglip").state_dict(), tmp_path / "weights.pt")
    for pretrained in ("", str(tmp_path / "weights.pt")):
        with pytest.raises(BackboneError) as caught:
            load_backbone(BackboneRecipe("tiny-hub", pretrained=pretrained), 1)
        for hint in ("the tokenizer of tiny-hub", "HF_ENDPOINT", "local-dir:", "We couldn't connect"):
            assert hint in str(caught.value)


def test_a_model_of_the_hub_without_its_weights_is_refused(monkeypatch, tmp_path):
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": open_clip.get_model_config("tiny-clip"), "preprocess_cfg": {}})
    )

    def only_the_description(repo_id, filename, **_):
        if filename != "open_clip_config.json":
            raise OSError("timed out")
        return str(tmp_path / filename)

    monkeypatch.setattr(open_clip.pretrained, "hf_hub_download", only_the_description)
    with pytest.raises(BackboneError, match="could not be fetched"):
        load_backbone(BackboneRecipe("hf-hub:some/model"), 1)
