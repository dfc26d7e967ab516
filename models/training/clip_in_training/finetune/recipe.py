"""A fine-tuning recipe: backbone, data and both stages of CLIP-IN, as one TOML file and as typed values."""

import math
import typing
from dataclasses import dataclass, field

from clip_in_training.common.recipe import OptimiserRecipe, RecipeError, from_table, parse_toml

WITHIN_PAIR = ("softmax", "margin", "direction")
"""Forms of the loss within an edit."""


@dataclass(frozen=True)
class BackboneRecipe:
    """Which model is fine-tuned."""

    name: str
    """open_clip's name (ViT-B-32), `hf-hub:…`, `bundle:DIR` (a bundle that this module trained), or `text:DIR` (a
    text tower alone, for stage 1).
    """
    pretrained: str = ""
    """open_clip's tag (openai, laion2b_s34b_b79k, dfn5b …) or a checkpoint file; "" draws random weights."""
    positions: str = "rope"
    """Of the text encoder: rope (CLIP-IN) | absolute (the table of the checkpoint, stretched if the context
    grows).
    """
    context_length: int = 248
    """Longest caption in tokens. TULIP's, whose RoPE CLIP-IN repeats."""
    gradient_checkpointing: bool = False
    """Computes activations again in the backward pass: less memory, about a third more time."""
    compile: bool = False
    """torch.compile of both towers: worth it on GPUs; slower on CPUs where we tried."""


@dataclass(frozen=True)
class SourceRecipe:
    """One data set."""

    kind: str
    """ultraedit | edit_jsonl | sharegpt4v | dci | docci | webdataset | folder | texts."""
    path: str = ""
    """File, folder or pattern; or `hub:NAME` for a Parquet data set of the Hub (ultraedit)."""
    images: str = ""
    """Folder that relative image paths start from, if it is not that of `path`."""
    weight: float = 1.0
    """Share among the sources of the same role (edits | singles), relative to the others."""
    role: str = ""
    """"" is the kind's own; "singles" deals the two sides of edits as images that have nothing to do with each
    other, as ordinary CLIP training does.
    """
    skip: int = 0
    """Leaves the first N records out: those that a benchmark takes."""
    exclude: str = ""
    """File with an image name a line; records of these images are left out (folder and ending do not count)."""
    limit: int = 0
    """Only the first N records of what is left; 0: all."""
    filters: dict[str, float] = field(default_factory=dict)
    """Smallest value by quality column, e.g. clip_sim_dir = 0.2; rows below it, or without it, are out."""


@dataclass(frozen=True)
class TuningOptimiserRecipe(OptimiserRecipe):
    """AdamW; a rate of its own for each part, 0 takes `learning_rate`."""

    image_learning_rate: float = 0.0
    text_learning_rate: float = 0.0
    logit_scale_learning_rate: float = 0.0


@dataclass(frozen=True)
class DistilRecipe:
    """Stage 1: the rotary text encoder learns the original one's vectors (TULIP, arXiv 2410.10034)."""

    steps: int = 0
    """0 leaves the stage out."""
    batch: int = 256
    """Captions a step, over all processes."""
    chunk: int = 0
    """Captions encoded at a time on each process; the step stays the same. 0: all."""
    optimiser: TuningOptimiserRecipe = field(
        default_factory=lambda: TuningOptimiserRecipe(learning_rate=5e-4, weight_decay=0.1)
    )


@dataclass(frozen=True)
class TuningLossRecipe:
    """Weight of each term of stage 2; 0 switches a term off. The paper's sum has weight 1 everywhere."""

    clip_short: float = 1.0
    """L_short: images and their short captions."""
    clip_long: float = 1.0
    """L_long: images and their long captions."""
    hard_negative_short: float = 1.0
    """L_HN on the short captions of edits."""
    hard_negative_long: float = 0.0
    """L_HN on the long captions of edits, where they have some."""
    hard_negative: str = "symmetric"
    """symmetric (CLIP-IN) | triplet (TripletCLIP: image anchors) | negclip (NegCLIP: its source side)."""
    difference: float = 0.0
    """PC-CLIP (arXiv 2409.09721): the change of an edit in words (`edit_prompt`) and I_after - I_before."""
    anchor: float = 0.0
    """Against forgetting: 1 - cosine of single images and their captions to the vectors of the model that stage 2
    starts from. That model stays in memory and is run beside.
    """
    mask_equal_captions: bool = True
    """Captions of a pool that say the same are no negatives of each other."""
    clip_images: str = "all"
    """Which images L_short and L_long read: all | singles. Both sides of an edit in one pool are hard negatives
    already, so "singles" keeps what L_HN adds apart from them.
    """
    clip_partners: bool = True
    """Whether the two sides of an edit are negatives of each other in L_short and L_long. false leaves telling them
    apart to the terms that are made for it, and nothing counts twice.
    """
    clip_partner_margin: float = 0.0
    """Added to the logit of an edit's other side in L_short and L_long, at least 0: telling the two sides apart then
    counts for more than telling them from other images; e^margin times as much where a softmax is undecided.
    """
    within_pair_short: float = 0.0
    """The two sides of an edit against each other only, with their short captions."""
    within_pair_long: float = 0.0
    within_pair: str = "softmax"
    """softmax (over two candidates) | margin (FG-CLIP 2's ranking loss, arXiv 2510.10921) | direction (the change of
    the image's vector and of its caption's point the same way).
    """
    within_pair_sharpness: float = 1.0
    """Multiplies the scale of the logits there: a temperature of its own."""


@dataclass(frozen=True)
class LoraRecipe:
    """Low-rank adapters (arXiv 2106.09685), merged into the weights at export."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0


@dataclass(frozen=True)
class FinetuneRecipe:
    """Stage 2: joint contrastive fine-tuning."""

    steps: int = 1000
    pairs: int = 64
    """Edits a step over all processes; each brings two images."""
    singles: int = 0
    """Single images a step over all processes."""
    chunk: int = 0
    """Images encoded at a time; the step stays one contrastive pool (GradCache, arXiv 2101.06983). 0: all."""
    trains: str = "all"
    """all | text | last_blocks | lora."""
    last_blocks: int = 4
    """Blocks of each tower that train where `trains` is last_blocks, with what comes behind them."""
    lora: LoraRecipe = field(default_factory=LoraRecipe)
    keep: int = 0
    """Numbered checkpoints that are kept beside the last one; 0: none."""
    ema: float = 0.0
    """Decay of a moving average of the weights, e.g. 0.999; it is what is measured and exported. 0: none."""
    optimiser: TuningOptimiserRecipe = field(
        default_factory=lambda: TuningOptimiserRecipe(learning_rate=1e-5, weight_decay=0.1)
    )
    losses: TuningLossRecipe = field(default_factory=TuningLossRecipe)


@dataclass(frozen=True)
class ValidationRecipe:
    """What is measured during stage 2, on data of its own."""

    every: int = 0
    """Steps between two measurements, the last step is always measured; 0: none."""
    records: int = 500
    """Records of a source that are read, if it has no `limit`; they stay in memory."""
    chunk: int = 64
    """Images or texts encoded at a time."""
    sources: list[SourceRecipe] = field(default_factory=list)
    """Sources of edits are measured by MMVP's rule, sources of single images by retrieval."""


@dataclass(frozen=True)
class TuningRecipe:
    """A whole recipe."""

    name: str
    description: str
    backbone: BackboneRecipe
    seed: int = 1
    threads: int = 0
    """CPU threads; 0 takes all."""
    precision: str = "bf16"
    """bf16 (autocast) | fp32."""
    device: str = "auto"
    """auto (a card if there is one) | cpu | cuda."""
    workers: int = 2
    """Processes that read and decode, for each training process; 0 reads in the training process."""
    log_every: int = 20
    checkpoint_every: int = 500
    sources: list[SourceRecipe] = field(default_factory=list)
    distil: DistilRecipe = field(default_factory=DistilRecipe)
    finetune: FinetuneRecipe = field(default_factory=FinetuneRecipe)
    validation: ValidationRecipe = field(default_factory=ValidationRecipe)
    ablation: dict[str, dict[str, typing.Any]] = field(default_factory=dict)
    """Name -> what differs from the recipe, as dotted keys (`finetune.losses.clip_long = 0.0`)."""


def is_tuning_recipe(text: str, origin: str = "recipe") -> bool:
    """Whether a recipe's text fine-tunes a backbone, or trains from scratch."""
    return "backbone" in parse_toml(text, origin)


def parse_tuning_recipe(text: str, origin: str = "recipe") -> TuningRecipe:
    """Parses and checks a recipe's text; `origin` is named in errors. Raises `RecipeError`."""
    recipe = from_table(TuningRecipe, parse_toml(text, origin), origin, "")
    check(recipe, origin)
    return recipe


def check(recipe: TuningRecipe, origin: str) -> None:
    """What types cannot say. Raises `RecipeError` naming the key."""
    choices = {
        "precision": (recipe.precision, ("bf16", "fp32")),
        "device": (recipe.device, ("auto", "cpu", "cuda")),
        "backbone.positions": (recipe.backbone.positions, ("rope", "absolute")),
        "finetune.trains": (recipe.finetune.trains, ("all", "text", "last_blocks", "lora")),
        "finetune.losses.clip_images": (recipe.finetune.losses.clip_images, ("all", "singles")),
        "finetune.losses.hard_negative": (
            recipe.finetune.losses.hard_negative,
            ("symmetric", "triplet", "negclip"),
        ),
        "finetune.losses.within_pair": (recipe.finetune.losses.within_pair, WITHIN_PAIR),
    }
    for key, (value, allowed) in choices.items():
        if value not in allowed:
            raise RecipeError(f"{origin}: `{key}` must be one of {', '.join(allowed)}, not {value!r}")
    stage, losses = recipe.finetune, recipe.finetune.losses
    for key, number in {
        "distil.steps": recipe.distil.steps,
        "distil.chunk": recipe.distil.chunk,
        "finetune.steps": stage.steps,
        "finetune.pairs": stage.pairs,
        "finetune.singles": stage.singles,
        "finetune.chunk": stage.chunk,
        "finetune.keep": stage.keep,
        "validation.every": recipe.validation.every,
        "workers": recipe.workers,
    }.items():
        if number < 0:
            raise RecipeError(f"{origin}: `{key}` must not be negative, but is {number}")
    for key, number in {
        "distil.batch": recipe.distil.batch,
        "log_every": recipe.log_every,
        "checkpoint_every": recipe.checkpoint_every,
        "validation.records": recipe.validation.records,
        "validation.chunk": recipe.validation.chunk,
    }.items():
        if number < 1:
            raise RecipeError(f"{origin}: `{key}` must be at least 1, but is {number}")
    if not 0 <= stage.ema < 1:
        raise RecipeError(
            f"{origin}: `finetune.ema` must be from 0 up to, not including, 1, but is {stage.ema}"
        )
    if recipe.validation.every and not recipe.validation.sources:
        raise RecipeError(f"{origin}: `validation.every` needs [[validation.sources]] to measure on")
    if stage.steps == 0:
        return
    if stage.pairs + stage.singles == 0:
        raise RecipeError(
            f"{origin}: `finetune.pairs` and `finetune.singles` are both 0: a step has no images"
        )
    singles, pairs = (
        [getattr(losses, f"{name}_{kind}") for kind in ("short", "long")]
        for name in ("clip", "hard_negative")
    )
    if min(singles + pairs) < 0:
        raise RecipeError(f"{origin}: no weight in `finetune.losses` may be negative")
    within = [losses.within_pair_short, losses.within_pair_long]
    if min(losses.difference, losses.anchor, *within) < 0:
        raise RecipeError(f"{origin}: no weight in `finetune.losses` may be negative")
    if losses.anchor and not stage.singles:
        raise RecipeError(
            f"{origin}: `finetune.losses.anchor` is about single images: set `finetune.singles`"
        )
    if losses.difference and not stage.pairs:
        raise RecipeError(f"{origin}: `finetune.losses.difference` is about edits: set `finetune.pairs`")
    _check_within_pair(losses, stage.pairs, origin)
    if max(singles + ([*pairs, *within, losses.difference] if stage.pairs else [])) == 0:
        why = "every weight is 0" if stage.pairs else "hard negatives need `finetune.pairs`"
        raise RecipeError(f"{origin}: `finetune.losses` leave nothing to learn: {why}")


def _check_within_pair(losses: TuningLossRecipe, pairs: int, origin: str) -> None:
    """What concerns the two sides of an edit. Raises `RecipeError` naming the key."""
    name = f"{origin}: `finetune.losses."
    if max(losses.within_pair_short, losses.within_pair_long) and not pairs:
        raise RecipeError(f"{name}within_pair_*` are about edits: set `finetune.pairs`")
    for key, value, smallest in (
        ("clip_partner_margin", losses.clip_partner_margin, 0.0),
        ("within_pair_sharpness", losses.within_pair_sharpness, 1e-3),
    ):
        if not smallest <= value < math.inf:
            raise RecipeError(f"{name}{key}` must be a finite number of at least {smallest:g}, not {value}")
    if losses.clip_partner_margin and not losses.clip_partners:
        raise RecipeError(
            f"{name}clip_partner_margin` has no effect while `clip_partners` is false: remove one of them"
        )
    if losses.clip_images == "singles" and (losses.clip_partner_margin or not losses.clip_partners):
        raise RecipeError(
            f'{name}clip_partner_margin` and `clip_partners` are about edits, which `clip_images = "singles"` leaves '
            'out of L_short and L_long: set it to "all"'
        )
