"""`infinity_model.py VOCABULARY FOLDER`: writes a CLIP ViT-B/32 with random weights in transformers' format.

Runs in infinity's environment. The architecture is transformers' default CLIPConfig, which is OpenAI's
ViT-B/32; the image processor has the settings of OpenAI's preprocessor_config.json, in the newer of
transformers' two implementations; the tokenizer's files are made from the BPE merges that open_clip ships.
Random weights take as long as trained ones, and nothing is downloaded.
"""

import gzip
import json
import sys
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessorFast, CLIPModel, CLIPProcessor, CLIPTokenizerFast
from transformers.models.clip.tokenization_clip import bytes_to_unicode

MERGES = 49152 - 256 - 2


def write_tokenizer(vocabulary: Path, folder: Path) -> None:
    """vocab.json and merges.txt, numbered as OpenAI's tokenizer numbers them."""
    lines = gzip.open(vocabulary, "rt", encoding="utf-8").read().split("\n")
    merges = lines[1 : MERGES + 1]
    characters = list(bytes_to_unicode().values())
    tokens = characters + [character + "</w>" for character in characters]
    tokens += ["".join(merge.split()) for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")


def main() -> None:
    """Writes the folder; the image processor's file is the last one."""
    vocabulary, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).eval().save_pretrained(folder)
    write_tokenizer(vocabulary, folder)
    tokenizer = CLIPTokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77, pad_token="<|endoftext|>"
    )
    CLIPProcessor(CLIPImageProcessorFast(), tokenizer).save_pretrained(folder)


if __name__ == "__main__":
    main()
