"""CLIP and SigLIP with random weights, in the layout of the Hub's ONNX exports.

`python tests/python/hub_layout.py clip|siglip FOLDER` writes one.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

OPSET = 18
SIGLIP_SCALE, SIGLIP_BIAS = 1.5, -2.25
"""Values of the random SigLIP; the scale is a logarithm."""

PUNCTUATION = r"[!\"\#\$%\&'\(\)\*\+,\-\.:;=\?@\[\\\]\^_`\{\|\}\~]"
"""Characters that google/siglip's tokenizer.json removes: not "<", ">" and "/", which its special tokens
contain.
"""


class Vision(nn.Module):
    """The image side, as `get_image_features` computes it."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding, states."""
        output = self.model.get_image_features(pixel_values)
        return output.pooler_output, output.last_hidden_state


class Text(nn.Module):
    """The text side, as `get_text_features` computes it."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embedding, states."""
        output = self.model.get_text_features(input_ids, attention_mask)
        return output.pooler_output, output.last_hidden_state


NARROW = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}


def small_clip() -> CLIPConfig:
    """ViT-B/32's vocabulary and image size with two narrow layers, a hundred times faster."""
    # Weights large enough that images and texts get different vectors.
    narrow = {**NARROW, "initializer_factor": 1.0}
    return CLIPConfig(text_config=narrow, vision_config=narrow, projection_dim=64)


def small_siglip() -> SiglipConfig:
    """SigLIP base's vocabulary and image size with two narrow layers."""
    return SiglipConfig(text_config=NARROW, vision_config=NARROW)


def write_clip(folder: Path, config: CLIPConfig | None = None) -> CLIPModel:
    """CLIP ViT-B/32, or the model of `config`; its text graph takes an attention mask."""
    torch.manual_seed(1)
    model = CLIPModel._from_config(config or CLIPConfig(), attn_implementation="eager").eval()
    model.config.save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    original = SimpleTokenizer()
    vocabulary = {
        {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}.get(piece, piece): number
        for piece, number in original.encoder.items()
    }
    merges = list(original.bpe_ranks)
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77).save_pretrained(folder)
    export(Vision(model), folder, "vision", {"pixel_values": torch.zeros(2, 3, 224, 224)}, "image_embeds")
    ids = torch.full((2, 9), 49407)
    export(
        Text(model), folder, "text", {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, "text_embeds"
    )
    return model


def write_siglip(folder: Path, config: SiglipConfig | None = None) -> SiglipModel:
    """SigLIP base patch16-224, or the model of `config`."""
    torch.manual_seed(2)
    model = SiglipModel._from_config(config or SiglipConfig(), attn_implementation="eager").eval()
    with torch.no_grad():
        model.logit_scale.fill_(SIGLIP_SCALE)
        model.logit_bias.fill_(SIGLIP_BIAS)
    model.config.save_pretrained(folder)
    SiglipImageProcessor().save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=siglip_tokenizer(),
        eos_token="</s>",
        pad_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    ).save_pretrained(folder)
    export(Vision(model), folder, "vision", {"pixel_values": torch.zeros(2, 3, 224, 224)}, "pooler_output")
    export(Text(model), folder, "text", {"input_ids": torch.ones(2, 64, dtype=torch.int64)}, "pooler_output")
    numbers = {name: getattr(model, name).detach().clone() for name in ("logit_scale", "logit_bias")}
    save_file({"another": torch.zeros(3), **numbers}, folder / "model.safetensors")
    return model


def siglip_tokenizer() -> Tokenizer:
    """A small Unigram vocabulary with the steps and the special tokens of google/siglip's tokenizer.json."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(PUNCTUATION), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=600, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    prose = [path.read_text(encoding="utf-8") for path in (Path(__file__), Path(json.__file__))]
    tokenizer.train_from_iterator([line for text in prose for line in text.splitlines()], trainer)
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def export(module: nn.Module, folder: Path, side: str, inputs: dict[str, Tensor], embedding: str) -> None:
    """Writes onnx/{side}_model.onnx; batch and text length are dynamic."""
    (folder / "onnx").mkdir(exist_ok=True)
    free = {0: "batch"} if side == "vision" else {0: "batch", 1: "length"}
    outputs = [embedding, "last_hidden_state"]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            folder / "onnx" / f"{side}_model.onnx",
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes={name: free for name in inputs} | {name: {0: "batch"} for name in outputs},
            opset_version=OPSET,
            do_constant_folding=True,
            dynamo=False,
        )


if __name__ == "__main__":
    family, target = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    {"clip": write_clip, "siglip": write_siglip}[family](Path(target))
