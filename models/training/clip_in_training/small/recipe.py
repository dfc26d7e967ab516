"""The recipe of `clip-in-small`: data, heads and training, as one TOML file and as typed values."""

from dataclasses import dataclass, field
from pathlib import Path

from clip_in_training.common.recipe import OptimiserRecipe, RecipeError, from_table, parse_toml, read_recipe
from clip_in_training.common.robustness import RobustnessRecipe
from clip_in_training.scratch.scenes.wide.edits import WIDE_CATEGORIES
from clip_in_training.small.pictures.edits import CATEGORIES as COMPOSED


@dataclass(frozen=True)
class DataRecipe:
    """The edits to draw, and the folder that stores what the frozen tower makes of them."""

    directory: str = "data/small"
    """Folder of the blocks, relative to the working directory."""
    image_size: int = 160
    """Height and width of the pictures and of the encoder's input, pixels; a multiple of 32."""
    seed: int = 1
    pairs: int = 24_000
    """Edits, drawn and composed; a block has `BLOCK` of them."""
    composed: float = 0.33
    """Share of the edits that are made of named pictures."""
    long: float = 0.2
    """Share of the edits with long captions; the others have short ones."""
    wordings: int = 2
    """Short captions of each side of a drawn edit; each has other words."""
    varied: float = 0.5
    """Share of the drawn edits whose codes are in other typefaces, on floors that are not plain."""
    held_out: bool = True
    """True keeps what `scenes/held_out.py` names out, so that it can be evaluated on later."""
    categories: dict[str, float] = field(default_factory=dict)
    """How often drawn edits of a category occur, relative to 1."""
    composed_categories: dict[str, float] = field(default_factory=dict)
    """The same for composed edits."""
    robustness: RobustnessRecipe = field(default_factory=RobustnessRecipe)


@dataclass(frozen=True)
class HeadsRecipe:
    """Shapes of the heads."""

    text_tower: str = "runs/small-text/tower"
    """Folder of the text tower that `make train-small-text` made."""
    context_length: int = 128
    world: int = 256
    """Width of the part of the embedding that says what class of thing it is."""
    fine: int = 192
    """Width of the trained part."""
    share: float = 0.5
    """Largest share of the trained part in the square of an embedding's length: without a limit, captions of scenes
    drown what a thing is.
    """
    temperature: float = 0.08
    """Of the softmax over a text's cosines to the names of classes."""
    map_width: int = 48
    """Channels of the trained map at stride 8."""
    map_blocks: int = 1
    """Pairs of convolutions on that map."""
    coarse_width: int = 96
    """Channels of the trained map at stride 16."""
    where_width: int = 16
    """Channels of that map before it is flattened."""
    queries: int = 8
    """Learnt queries that read from the map at stride 8."""
    value_width: int = 64
    """Channels that each query reads."""
    feature_width: int = 320
    """Width of the joined features of a picture."""
    text_width: int = 192
    text_layers: int = 1
    text_heads: int = 4
    text_queries: int = 4
    """Learnt queries that read from the tokens of a text."""


@dataclass(frozen=True)
class TrainRecipe:
    """The training of the heads."""

    look_steps: int = 1500
    """Steps before, in which the picture's head learns the attributes of drawn scenes without a text."""
    read_steps: int = 3000
    """Steps before, in which the text's head learns what captions state without a picture."""
    steps: int = 900
    balance_steps: int = 300
    """Steps at the end, in which only the text's balance between world and trained part is learnt."""
    joint_rate: float = 1e-3
    """Largest learning rate of the last stage, both of whose sides are trained before."""
    pairs: int = 64
    """Edits a batch; both sides of an edit are in it, so it has twice as many pictures."""
    wordings: int = 2
    """Wordings of a side that are read, at most `data.wordings`; each costs a run of the text tower."""
    classes: int = 64
    """Names of classes a batch, which must not get a trained part."""
    attributes: float = 0.5
    """Weight of the cross-entropy on the attributes of drawn scenes."""
    reading: float = 0.1
    """Weight of `losses.reading`: positions of a code's characters, and the characters."""
    within: float = 0.0
    """Weight of CLIP's loss within each edit: two pictures and their two captions."""
    shared: float = 1.0
    """Weight of the prototypes of attributes that pictures and captions share."""
    silence: float = 0.1
    """Weight of the trained part of names of classes."""
    optimiser: OptimiserRecipe = field(default_factory=lambda: OptimiserRecipe(learning_rate=2e-3))


@dataclass(frozen=True)
class SmallRecipe:
    """A whole recipe."""

    name: str
    description: str
    seed: int = 1
    threads: int = 0
    """Threads; 0 uses all cores."""
    log_every: int = 20
    """Steps between two lines of the log."""
    checkpoint_every: int = 200
    """Steps between two checkpoints."""
    data: DataRecipe = field(default_factory=DataRecipe)
    heads: HeadsRecipe = field(default_factory=HeadsRecipe)
    train: TrainRecipe = field(default_factory=TrainRecipe)


def load_small_recipe(path: str | Path) -> tuple[SmallRecipe, str]:
    """Reads a recipe file: the typed recipe and its text (which the bundle's provenance stores). Raises
    `RecipeError`.
    """
    text = read_recipe(path)
    return parse_small_recipe(text, str(path)), text


def parse_small_recipe(text: str, origin: str) -> SmallRecipe:
    """Parses a recipe's text. Raises `RecipeError`, which names `origin`."""
    recipe = from_table(SmallRecipe, parse_toml(text, origin), origin, "")
    data = recipe.data
    if data.image_size % 32 or data.image_size < 96:
        raise RecipeError(
            f"{origin}: `data.image_size` must be a multiple of 32 from 96 on, not {data.image_size}"
        )
    for key in ("composed", "long", "varied"):
        if not 0 <= getattr(data, key) <= 1:
            raise RecipeError(f"{origin}: `data.{key}` must be from 0 to 1, not {getattr(data, key)}")
    for key, given, known in (
        ("categories", data.categories, WIDE_CATEGORIES),
        ("composed_categories", data.composed_categories, COMPOSED),
    ):
        unknown = sorted(set(given) - set(known))
        if unknown or any(weight < 0 for weight in given.values()):
            raise RecipeError(
                f"{origin}: `data.{key}` must give a weight of at least 0 to some of {', '.join(known)}"
            )
    if not 0 < recipe.heads.share < 1:
        raise RecipeError(f"{origin}: `heads.share` must be between 0 and 1, not {recipe.heads.share}")
    if data.wordings < 1 or data.pairs < 1 or recipe.train.pairs < 1:
        raise RecipeError(f"{origin}: `data.wordings`, `data.pairs` and `train.pairs` must be at least 1")
    return recipe
