"""From pairs and a bundle to an adapted bundle: reads, embeds, trains, chooses the strength, writes."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clip_in_training.adapt import export, protected, record, replay, strength
from clip_in_training.adapt.adapters import AdapterSettings, Similarity, Trainer
from clip_in_training.adapt.embedded import Embedded, Embedder
from clip_in_training.adapt.encoders import Encoders, fp32_encoders
from clip_in_training.adapt.inputs import Inputs
from clip_in_training.adapt.measure import right, which
from clip_in_training.adapt.pairs import SPLITS, Broken
from clip_in_training.adapt.report import broken_lines, gained_nothing, report
from clip_in_training.common.errors import DataError, ExportError

DRAWN = 300
"""Edits that are drawn for a bundle without a replay file."""
GOLDEN = 1e-3
"""Largest 1 - cosine to a golden vector at which pictures and texts are read as the server reads them."""


@dataclass(frozen=True)
class Data:
    """The pairs as vectors."""

    splits: dict[str, Embedded]
    broken: Broken
    checks: export.Checks


def adapt(inputs: Inputs, settings: AdapterSettings) -> dict[str, Any]:
    """Adapts `inputs.bundle` and writes `inputs.out`. Returns the record that its provenance keeps.

    Prints the report. Raises `DataError` if the pairs cannot be used, and `ExportError` if nothing was gained; there
    is no new bundle then.
    """
    began = time.process_time()
    manifest, threads = inputs.manifest, inputs.threads
    encoders = fp32_encoders(inputs.bundle, manifest, threads)
    _check_reading(inputs.bundle, manifest, encoders)
    data = read_pairs(inputs, encoders)
    own = replay.load_replay(inputs.bundle, manifest)
    kept = _replayed(inputs, encoders, own, data.broken)
    del encoders
    similarity = Similarity(
        manifest["similarity"]["kind"],
        float(manifest["similarity"]["logit_scale"]),
        float(manifest["similarity"].get("logit_bias", 0.0)),
    )

    all_trained, chosen_on = _trained(data.splits, Trainer(kept, similarity, settings, inputs.seed))
    points = [point for trained in all_trained for point in strength.curve(trained, kept)]
    least = None if kept is None else kept.reference_share() - inputs.keep
    chosen = strength.choose(points, least)
    trained = next(each for each in all_trained if each.anchor == chosen.anchor)
    held_facts = [fact for _, pairs in trained.parts for fact in pairs.facts]
    test = data.splits["test"]
    entry = {
        **inputs.described(),
        "inputs_sha256": inputs.digest(settings),
        "settings": asdict(settings),
        "chosen_on": chosen_on,
        "anchor": chosen.anchor,
        "strength": chosen.strength,
        **record.learnt(data.splits, data.broken, held_facts, points[0].held_out, chosen.held_out),
        "test": None
        if not len(test)
        else record.measured(
            right(test.images, test.texts), right(*trained.final(test.images, test.texts, chosen.strength))
        ),
        "which": _which(trained, chosen.strength),
        "protected": None if kept is None else record.protected(kept, points[0].protected, chosen.protected),
        "replay": "none" if kept is None else kept.source,
        "curve": [_point(point) for point in points],
    }
    print(left_out(data) + report(entry))
    if chosen.strength == 0:
        raise ExportError(gained_nothing(entry, inputs.keep))
    image, text = trained.final.products(chosen.strength)
    content = export.write_adapted(
        inputs.bundle,
        inputs.out,
        manifest,
        export.Products(image, text),
        own or kept,
        entry,
        data.checks,
        inputs.name,
        threads,
    )
    print(f"{time.process_time() - began:.1f} s of processor time")
    return content["provenance"][export.KEY][-1]


def _check_reading(folder: Path, manifest: dict[str, Any], encoders: Encoders) -> None:
    worst = export.golden_distance(folder, manifest, encoders)
    if not worst <= GOLDEN:
        raise ExportError(
            f"{folder}: its golden pictures and texts come out otherwise here, by 1 - cosine up to {worst:.1e}: "
            "check it with `clip-in model verify`"
        )


def left_out(data: Data) -> str:
    """What of the pairs is not used, or is not as it should be."""
    both = set(data.splits["train"].pictures) & set(data.splits["validation"].pictures)
    seen = f"warning: {len(both)} pictures are in train and in validation: their shares are too good\n\n"
    return broken_lines(data.broken) + (seen if both else "")


def read_pairs(inputs: Inputs, encoders: Encoders) -> Data:
    """Embeds all splits. Raises `DataError` if there is nothing to train on."""
    broken, embed = Broken(), Embedder(encoders, inputs.manifest["embedding_dim"])
    splits = {split: embed(inputs.pairs.read(split, broken)) for split in SPLITS}
    if not len(splits["train"]) + len(splits["validation"]):
        named = "".join(f"\n  {record}" for record in broken.records[:10])
        raise DataError(
            f"{inputs.pairs.folder} has no pair to train on: {broken.read} rows, {len(broken.records)} of them broken"
            f"{named}"
        )
    return Data(splits, broken, export.Checks(np.stack(embed.sample_pixels), embed.sample_texts))


def _replayed(inputs: Inputs, encoders: Encoders, own: replay.Replay | None, broken: Broken):
    if inputs.replay == "none":
        print("warning: nothing is replayed: what the model knew is neither kept nor checked")
        return None
    if inputs.replay:
        width = inputs.manifest["embedding_dim"]
        return protected.replay_of_folder(encoders, width, Path(inputs.replay), broken)
    if own is not None:
        return own
    print(f"{inputs.bundle} has no {replay.FILE}: {DRAWN} edits are drawn to replay")
    return protected.drawn_replay(encoders, inputs.manifest, DRAWN)


def _trained(splits: dict[str, Embedded], trainer: Trainer) -> tuple[list[strength.Trained], str]:
    """Adapters for each anchor, and in words what the strength is chosen on."""
    learning, held = splits["train"], splits["validation"]
    found = []
    if len(held) >= strength.FEWEST and len(learning):
        for anchor in trainer.anchors():
            final = trainer(learning, anchor)
            found.append(strength.Trained(anchor, final, [(final, held)]))
        return found, "validation"
    together = learning.joined(held)
    folds = strength.folds(together.parts, trainer.seed)
    if not folds:
        raise DataError(
            f"all {len(together)} pairs for training and validation are of one part: nothing is left to choose the "
            "strength with; correct more parts"
        )
    everything = np.arange(len(together))
    for anchor in trainer.anchors():
        parts = [
            (trainer(together.rows(np.setdiff1d(everything, fold)), anchor), together.rows(fold))
            for fold in folds
        ]
        found.append(strength.Trained(anchor, trainer(together, anchor), parts))
    return found, f"{len(folds)} parts of train and validation in turn"


def _which(trained: strength.Trained, chosen: float) -> dict[str, Any] | None:
    """Whether a fact is told from the others, on pairs that the adapters were not trained on."""
    before = [which(held.images, held.texts, held.facts) for _, held in trained.parts]
    after = [
        which(*adapters(held.images, held.texts, chosen), held.facts) for adapters, held in trained.parts
    ]
    facts = [fact for _, held in trained.parts for fact in held.facts]
    return record.which_fact(np.concatenate(before), np.concatenate(after), facts)


def _point(point: strength.Point) -> dict[str, Any]:
    return {
        "anchor": point.anchor,
        "strength": point.strength,
        "right": point.held_out.percent,
        "margin": point.held_out.mean_margin,
        "protected": point.protected,
    }
