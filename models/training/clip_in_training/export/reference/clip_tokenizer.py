"""Converts the vocabulary that open_clip ships to CLIP's tokenizer as `tokenizer.json`."""

import json

from open_clip.tokenizer import SimpleTokenizer
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from clip_in_training.scratch.tokenizer.encode import SpecialIds

SPECIAL = SpecialIds(start=49406, end=49407, pad=0)
"""Padding is "!" (0), as in open_clip: the graph ignores what follows the end token."""

WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def clip_tokenizer() -> Tokenizer:
    """Gives the same ids as open_clip's tokenizer on ordinary text, normalised as in transformers.

    Mojibake and HTML entities stay as they are (open_clip repairs them first). The special tokens have no spelling:
    "<|endoftext|>" in a text is plain characters.
    """
    original = SimpleTokenizer()
    vocabulary = dict(original.encoder)
    for name, spelled, token_id in (
        ("<start_of_text>", "<|startoftext|>", SPECIAL.start),
        ("<end_of_text>", "<|endoftext|>", SPECIAL.end),
    ):
        assert vocabulary.pop(name) == token_id
        vocabulary[spelled] = token_id
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=list(original.bpe_ranks), end_of_word_suffix="</w>")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    assert json.loads(tokenizer.to_str())["added_tokens"] == []
    return tokenizer
