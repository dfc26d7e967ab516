"""A recipe for a model from scratch: data, towers and both stages, as one TOML file and as typed values."""

import typing
from dataclasses import dataclass, field
from pathlib import Path

from clip_in_training.common.recipe import OptimiserRecipe, RecipeError, from_table, parse_toml, read_recipe
from clip_in_training.common.robustness import RobustnessRecipe
from clip_in_training.scratch.scenes.attributes import ALL_CATEGORIES, CATEGORIES
from clip_in_training.scratch.scenes.setting import ALL, NARROW, SEEN, Setting
from clip_in_training.scratch.scenes.setting import CATEGORIES as LANGUAGES


@dataclass(frozen=True)
class DataRecipe:
    """The scenes to draw and the folder that stores them."""

    directory: str = "data/demo"
    """Folder of the Parquet shards, relative to the working directory."""
    image_size: int = 128
    """Height and width of the drawn scenes and of the encoder's input, pixels."""
    seed: int = 1
    train_pairs_per_category: int = 4000
    train_scenes: int = 0
    """Single scenes (no edit) for the attribute pre-training, besides the edits."""
    test_pairs_per_category: int = 150
    validation_pairs_per_category: int = 50
    test_scenes: int = 500
    workers: int = 2
    categories: list[str] = field(default_factory=lambda: ["all"])
    """Kinds of edits; "all" is those of the language. Without some, such as "other", some of what captions state
    changes in no edit, and is not learnt well."""
    language: str = "narrow"
    """narrow: the words of `models/demo`. wide: more templates and synonyms, digits, keywords, typing errors, bare
    labels, and edits in more categories."""
    held_out: bool = False
    """True keeps what `scenes/held_out.py` names out of all three splits, so that it can be evaluated on later."""
    japanese: float = 0.0
    """Share of the edits and scenes whose short captions are in Japanese, in the wide language; 0 to 1."""
    category_weights: dict[str, float] = field(default_factory=dict)
    """How often edits of a category are drawn, relative to 1; hard categories are shown more often."""

    def __post_init__(self) -> None:
        """Names the categories that "all" stands for."""
        if self.categories == ["all"]:
            object.__setattr__(self, "categories", list(LANGUAGES.get(self.language, ALL_CATEGORIES)))

    @property
    def setting(self) -> Setting:
        """How scenes are chosen and put into words."""
        return Setting(self.language, SEEN if self.held_out else ALL, japanese=self.japanese)


@dataclass(frozen=True)
class AugmentRecipe:
    """Variations for each reading of an image. The meaning must not change: no flips, no hue."""

    shift: int = 4
    """Largest shift of the whole image in each direction, in pixels; edges are repeated."""
    brightness: float = 0.1
    """Largest relative change of brightness."""
    contrast: float = 0.1
    """Largest relative change of contrast."""
    robustness: RobustnessRecipe = field(default_factory=lambda: RobustnessRecipe(share=0.0))
    """Blur, gamma, noise and JPEG; `share` 0 leaves them out. Rotation, zoom and occluder are not used here."""


@dataclass(frozen=True)
class TokenizerRecipe:
    """The byte-level BPE that is trained on the training captions."""

    vocabulary_size: int = 1024


@dataclass(frozen=True)
class ImageTowerRecipe:
    """Shape of the image encoder."""

    widths: list[int] = field(default_factory=lambda: [64, 128, 192])
    """Channels at a quarter, an eighth, a sixteenth … of the resolution."""
    blocks: list[int] = field(default_factory=lambda: [1, 2, 1])
    """Residual blocks at each resolution."""
    fine_width: int = 192
    """Channels of the second-coarsest map before its maximum is taken."""
    queries: int = 8
    """Learned queries that read from the second-coarsest map."""
    value_width: int = 64
    """Channels that each query reads."""
    where_width: int = 16
    """Channels of the coarsest map before it is flattened."""
    feature_width: int = 320
    """Width of the joined features, the input of attribute heads and embedding."""
    mean: list[float] = field(default_factory=lambda: [0.5, 0.5, 0.5])
    std: list[float] = field(default_factory=lambda: [0.25, 0.25, 0.25])


@dataclass(frozen=True)
class TextTowerRecipe:
    """Shape of the text encoder."""

    width: int = 192
    depth: int = 2
    heads: int = 4
    hidden: int = 576
    """Width between the two layers of the MLP."""
    context_length: int = 96
    """Longest text in tokens, start and end included."""
    positions: str = "rope"
    """rope | absolute: a learnt table, as in CLIP."""


@dataclass(frozen=True)
class StageARecipe:
    """Attribute pre-training of the image tower: cross-entropy on what the generator drew."""

    steps: int = 4000
    batch: int = 128
    reading: float = 0.25
    """Weight of `losses.reading`: positions of a code's characters, and the characters."""
    optimiser: OptimiserRecipe = field(default_factory=lambda: OptimiserRecipe(learning_rate=2e-3))


@dataclass(frozen=True)
class LossRecipe:
    """Weight of each term of stage B; 0 turns a term off."""

    clip_short: float = 0.0
    """Symmetric CLIP loss of all images and their short captions: L_short."""
    clip_long: float = 0.0
    """The same with long captions: L_long."""
    hard_negative_short: float = 0.0
    """L_HN on short captions."""
    hard_negative_long: float = 0.0
    """L_HN on long captions."""
    hard_negative: str = "symmetric"
    """symmetric (CLIP-IN) | triplet (image anchors only) | negclip (source anchors only)."""
    attributes: float = 0.0
    """Cross-entropy on the attributes, as in stage A."""
    patches: float = 0.0
    """CLIP loss of the best-fitting patch and the short caption, for heat maps."""
    changed_captions: float = 0.0
    """Cross-entropy of an image's own caption among `changed_captions` others, as NegCLIP has them."""


@dataclass(frozen=True)
class StageBRecipe:
    """Joint contrastive training of both towers."""

    steps: int = 4000
    pairs: int = 64
    """Edits per batch; each has two images and four captions."""
    keep_pairs_together: bool = True
    """False puts the images of an edit into different batches, as in ordinary CLIP training (no hard negatives)."""
    changed_captions: int = 5
    """Most captions, beside its own one, that an image is asked for the loss of that name: each says another value of
    one attribute in the same words."""
    wide_wording: float = 0.0
    """Share of these captions in the wide language: templates, synonyms, digits, keywords, typing errors."""
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    losses: LossRecipe = field(default_factory=LossRecipe)


@dataclass(frozen=True)
class Recipe:
    """A whole recipe."""

    name: str
    description: str
    seed: int = 1
    embedding_dim: int = 192
    threads: int = 0
    """CPU threads; 0 uses all cores."""
    precision: str = "bf16"
    """bf16 (autocast) | fp32."""
    log_every: int = 20
    """Steps between two lines of the log."""
    checkpoint_every: int = 500
    """Steps between two checkpoints."""
    data: DataRecipe = field(default_factory=DataRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)
    tokenizer: TokenizerRecipe = field(default_factory=TokenizerRecipe)
    image_tower: ImageTowerRecipe = field(default_factory=ImageTowerRecipe)
    text_tower: TextTowerRecipe = field(default_factory=TextTowerRecipe)
    stage_a: StageARecipe = field(default_factory=StageARecipe)
    stage_b: StageBRecipe = field(default_factory=StageBRecipe)


def load_recipe(path: str | Path) -> tuple[Recipe, str]:
    """Reads a recipe file: the typed recipe and its text (which the bundle's provenance stores)."""
    text = read_recipe(path)
    return parse_recipe(text, str(path)), text


def parse_recipe(text: str, origin: str = "recipe") -> Recipe:
    """Parses a recipe's text; errors name `origin`."""
    recipe = from_table(Recipe, parse_toml(text, origin), origin, "")
    _check(recipe, origin)
    return recipe


def kept_recipe(manifest: dict[str, typing.Any]) -> Recipe:
    """Parses the recipe in a bundle's manifest. Ignores tables that older recipes had and that do not affect the
    model. Raises `RecipeError`, and KeyError if the bundle was not trained from scratch.
    """
    source = manifest["provenance"]
    table = parse_toml(source["recipe_text"], source["recipe"])
    table.pop("ablation", None)
    # Recipes had only the nine kinds of edits before they could name them.
    table.setdefault("data", {}).setdefault("categories", source.get("edit_categories", list(CATEGORIES)))
    return from_table(Recipe, table, source["recipe"], "")


def _check(recipe: Recipe, origin: str) -> None:
    """Checks that the types cannot express."""
    if recipe.precision not in ("bf16", "fp32"):
        raise RecipeError(f"{origin}: `precision` must be bf16 or fp32, not {recipe.precision!r}")
    if recipe.data.language not in LANGUAGES:
        raise RecipeError(
            f"{origin}: `data.language` must be {' or '.join(LANGUAGES)}, not {recipe.data.language!r}"
        )
    if not 0 <= recipe.data.japanese <= 1 or (recipe.data.japanese and recipe.data.language == NARROW):
        raise RecipeError(f"{origin}: `data.japanese` must be from 0 to 1, and 0 unless the language is wide")
    categories = LANGUAGES[recipe.data.language]
    unknown = [name for name in recipe.data.categories if name not in categories]
    if unknown or not recipe.data.categories:
        known = ", ".join(categories)
        raise RecipeError(
            f"{origin}: `data.categories` must name some of {known}; it is {recipe.data.categories}"
        )
    if recipe.stage_b.losses.hard_negative not in ("symmetric", "triplet", "negclip"):
        raise RecipeError(f"{origin}: `stage_b.losses.hard_negative` must be symmetric, triplet or negclip")
    changed = recipe.stage_b.losses.changed_captions > 0
    if changed and (recipe.stage_b.changed_captions < 1 or recipe.data.language != NARROW):
        raise RecipeError(
            f"{origin}: `stage_b.losses.changed_captions` needs at least one caption and the narrow language"
        )
    if not 0 <= recipe.stage_b.wide_wording <= 1:
        raise RecipeError(f"{origin}: `stage_b.wide_wording` must be from 0 to 1")
    if recipe.text_tower.positions not in ("rope", "absolute"):
        raise RecipeError(f"{origin}: `text_tower.positions` must be rope or absolute")
    if len(recipe.image_tower.widths) != len(recipe.image_tower.blocks):
        raise RecipeError(f"{origin}: `image_tower.widths` and `image_tower.blocks` must have equal lengths")
