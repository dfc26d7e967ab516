"""Tokenizers of backbones: open_clip's ids, the padding rule, and a tokenizer.json that gives the same."""

import json
import pickle

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone import load_backbone, load_original
from clip_in_training.finetune.recipe import BackboneRecipe

TEXTS = [
    "A photo of a cat.",
    "two dogs, three cats & 14 birds",
    "It's the dog's ball; they've thrown it, haven't they?",
    'a 3/4" bolt -- size M6x20 (DIN 912)!!!',
    "naïve café, Zürich, Ångström",
    "cafe\u0301 with a combining accent",
    "the dog\u2019s \u201cball\u201d",
    "  spaces\tand\n\nnew lines  ",
    "under_score CamelCase x+y=z 100% $5.99 #tag [a] {b} \\ ^ ~ ` |",
    "",
    "русский текст, 螺丝和螺母",
    "a long text about many things, " * 20,
    "</s> and <pad> and <eos>",
]


def unigram() -> PreTrainedTokenizerFast:
    """T5's kind, as in SigLIP: padding is the end token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>", unk_token="<unk>"
    )


def gemma() -> PreTrainedTokenizerFast:
    """Gemma's kind, as in SigLIP2: byte fallback, and plain added tokens for white space."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    bytes_of = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=[*special, *bytes_of, "\n\n", "\t"], show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    file = json.loads(tokenizer.to_str())
    for token in file["added_tokens"]:
        token["special"] = token["content"] in special
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] not in bytes_of]
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.post_processor = processors.TemplateProcessing("$A <eos>", special_tokens=[("<eos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", bos_token="<bos>", unk_token="<unk>"
    )


def package(folder, tokenizer, clean="canonicalize", **text) -> BackboneRecipe:
    """A SigLIP in the layout of a Hub model."""
    config = open_clip.get_model_config("tiny-siglip")
    config["text_cfg"] |= {"vocab_size": len(tokenizer), "hf_tokenizer_name": "from/the-hub"} | text
    config["text_cfg"]["tokenizer_kwargs"] = {"clean": clean}
    config["vision_cfg"] = open_clip.get_model_config("tiny-clip")["vision_cfg"]
    model = open_clip.CustomTextCLIP(**{key: value for key, value in config.items() if key != "custom_text"})
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    tokenizer.save_pretrained(folder)
    return BackboneRecipe(f"local-dir:{folder}", positions="absolute", context_length=16)


@pytest.mark.parametrize("clean", ["canonicalize", "lower", "whitespace"])
@pytest.mark.parametrize("kind", [unigram, gemma])
def test_the_ids_of_a_hub_tokenizer_are_those_of_open_clip(tmp_path, kind, clean):
    recipe = package(tmp_path, kind(), clean)
    rules = load_backbone(recipe, 1).text_rules
    # Text that is spelled like a special token stays text here; open_clip (transformers) would read it as the
    # token.
    texts = TEXTS if clean == "canonicalize" else TEXTS[:-1]
    expected = open_clip.get_tokenizer(recipe.name)(texts)
    ids = rules(texts)
    for text, row, theirs in zip(texts, ids, expected, strict=True):
        assert row.tolist() == theirs.tolist(), text
    assert ids.shape == (len(texts), 16)


@pytest.mark.parametrize("kind", [unigram, gemma])
def test_no_text_spells_a_special_token(tmp_path, kind):
    rules = load_backbone(package(tmp_path, kind(), "whitespace"), 1).text_rules
    for text in ("</s>", "a<eos>b", "<pad> <bos>", "\n\n</s>"):
        assert not {rules.end_id, rules.pad_id, 0, 1} & set(rules.ids(text)[:-1]), text


@pytest.mark.parametrize("name", ["unigram", "gemma", "clip"])
def test_the_saved_file_gives_the_same_ids(tmp_path, name):
    if name == "clip":
        rules = load_backbone(BackboneRecipe("tiny-clip"), 1).text_rules
    else:
        rules = load_backbone(package(tmp_path, {"unigram": unigram, "gemma": gemma}[name]()), 1).text_rules
    rules.save(tmp_path / "saved.json")
    served = Tokenizer.from_file(str(tmp_path / "saved.json"))
    served.encode_special_tokens = True
    sent = pickle.loads(pickle.dumps(rules))
    for text in TEXTS:
        ids = rules.ids(text)
        inner = served.encode(text, add_special_tokens=False).ids
        start = [] if rules.start_id is None else [rules.start_id]
        assert ids == [*start, *inner[: rules.context_length - len(start) - 1], rules.end_id], text
        assert sent.ids(text) == ids


def test_clip_pads_to_the_longest_and_keeps_the_end_token():
    rules = load_backbone(BackboneRecipe("tiny-clip", context_length=100), 1).text_rules
    assert rules(["a cat", "a dog and a cat"]).shape == (2, 7)
    ids = rules(["word " * 300])
    assert ids.shape == (1, 100) and ids[0, -1] == ids.max() == 49407
    expected = open_clip.tokenize(TEXTS[:4])
    assert torch.equal(rules(TEXTS[:4]), expected[:, : rules(TEXTS[:4]).shape[1]])


def test_a_tower_that_depends_on_padding_gets_the_whole_context(tmp_path):
    backbone = load_backbone(package(tmp_path, unigram()), 1)
    assert backbone.text_rules.pad_to == "context_length"
    assert backbone.text_rules(["a"]).shape == (1, 16)
    longer = load_backbone(BackboneRecipe(f"local-dir:{tmp_path}", context_length=40), 1)
    assert longer.text_rules(["a"]).shape == (1, 40)
    assert longer.encode_text(longer.text_rules(["a", "b"])).shape == (2, 64)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ({"pool_type": "eos", "eos_id": 5}, "looks for 5"),
        ({"tokenizer_mode": "clips"}, "end token"),
    ],
)
def test_tokenizers_that_the_server_does_not_support_are_refused(tmp_path, text, says):
    with pytest.raises(BackboneError, match=says):
        load_original(package(tmp_path, unigram(), **text), 1)


def test_an_end_token_is_required(tmp_path):
    tokenizer = unigram()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing("$A", special_tokens=[])
    with pytest.raises(BackboneError, match="one end token"):
        load_original(package(tmp_path, tokenizer), 1)
