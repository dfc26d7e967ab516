"""The tokenizer: codes are split into characters, and all normalisation is inside `tokenizer.json`."""

import pytest

from clip_in_training.scratch.tokenizer.encode import (
    END_ID,
    PAD_ID,
    SPECIAL_TOKENS,
    START_ID,
    TextEncoder,
    load_tokenizer,
)
from clip_in_training.scratch.tokenizer.training import save_tokenizer, train_tokenizer

CAPTIONS = [
    'A red mug with a tag reading "K7" in the upper half, next to three small blue washers.',
    'A green box labelled "AB4" with a battery nearby.',
    "Six tiny washers above a red chip with pins on two sides facing to the left.",
] * 20


@pytest.fixture(scope="module")
def tokenize(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    save_tokenizer(train_tokenizer(CAPTIONS, 400), path)
    return load_tokenizer(path, 24)


def pieces(tokenize, text):
    return [tokenize.tokenizer.decode([i]) for i in tokenize.ids(text)[1:-1]]


def test_codes_are_single_characters(tokenize):
    for code in ("K7", "AB4", "red", "9X", "MUGS"):
        expected = ['"', *code.lower(), '"']
        assert [p.strip() for p in pieces(tokenize, f'tag "{code}"')][-len(expected) :] == expected


def test_words_are_whole_and_digits_are_single(tokenize):
    assert pieces(tokenize, "red washers") == [" red", " washers"]
    assert [p.strip() for p in pieces(tokenize, "1234") if p.strip()] == list("1234")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A RED Mug", "a red mug"),
        ("  a red\n\t mug ", "a red mug"),
        ("a ﬁne box", "a fine box"),
        ("ｒｅｄ mug", "red mug"),
        ("a red\u3000mug", "a red mug"),
    ],
)
def test_normalisation_is_part_of_the_tokenizer(tokenize, one, other):
    assert tokenize.ids(one) == tokenize.ids(other)


def test_a_word_is_the_same_token_at_the_start(tokenize):
    assert tokenize.ids("red mug")[1] in tokenize.ids("a red mug")


def test_special_tokens_in_a_text_are_plain_characters(tokenize):
    for special in SPECIAL_TOKENS:
        inner = tokenize.ids(f"a {special} b")[1:-1]
        assert not {PAD_ID, START_ID, END_ID} & set(inner)
        assert tokenize.tokenizer.decode(inner) == f" a {special} b"


def test_a_long_text_loses_its_tail_and_keeps_its_end(tokenize):
    ids = tokenize.ids("red mug " * 50)
    assert len(ids) == 24 and ids[0] == START_ID and ids[-1] == END_ID and ids.count(END_ID) == 1


def test_any_bytes_can_be_read(tokenize):
    for text in ("螺丝 🔩", "\x00\x7f", ""):
        ids = tokenize.ids(text)
        assert ids[0] == START_ID and ids[-1] == END_ID


def test_padding_goes_to_the_right(tokenize):
    batch = tokenize(["red", "a red mug with a tag"])
    assert batch.shape[0] == 2 and batch[0, -1] == PAD_ID and batch[1, -1] == END_ID
    assert tokenize([]).shape == (0, 0)


def test_the_same_captions_give_the_same_file(tmp_path):
    for name in ("a.json", "b.json"):
        save_tokenizer(train_tokenizer(CAPTIONS, 350), tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(ValueError, match="at least 259"):
        train_tokenizer(CAPTIONS, 100)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no tokenizer"):
        load_tokenizer(tmp_path / "tokenizer.json", 8)


def test_special_ids_have_no_spelling_in_the_file(tokenize):
    assert isinstance(tokenize, TextEncoder)
    assert tokenize.tokenizer.get_added_tokens_decoder() == {}
