"""Measures a bundle on drawn scenes: everything that the goals ask for and that drawn scenes can answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from clip_in_training.common.recipe import parse_toml
from clip_in_training.export.evaluate.drawn.absolute import classify
from clip_in_training.export.evaluate.drawn.pairs import (
    array,
    captions,
    draw_pairs,
    encode_pairs,
    measure_pairs,
)
from clip_in_training.export.evaluate.goals.wordings import WORDINGS
from clip_in_training.export.evaluate.goals.worse_pictures import SHIFTS
from clip_in_training.export.evaluate.graphs import Graphs, bundle_graphs
from clip_in_training.scratch.model.bundle import read_manifest
from clip_in_training.scratch.scenes.attributes import CATEGORIES
from clip_in_training.scratch.scenes.generate import EditPair, change_pair, edit_pair, single_scene, stream
from clip_in_training.scratch.scenes.setting import NARROW, SEEN, Setting
from clip_in_training.scratch.scenes.wide.edits import CHANGES, SWAP

COMBINATIONS = {"color": "object and colour", "defect": "object and defect"}
HELD_OUT = {"object": "object", "surface": "surface", **COMBINATIONS}
"""Kind of `held_out.KINDS` -> its name."""


@dataclass
class Share:
    """How many of how many, seed by seed."""

    right: list[int] = field(default_factory=list)
    count: list[int] = field(default_factory=list)

    def add(self, right: np.ndarray | int, count: int | None = None) -> None:
        """One seed's: an array with a truth value each, or two numbers."""
        self.right.append(int(np.sum(right)))
        self.count.append(len(right) if isinstance(right, np.ndarray) else int(count or 0))

    @property
    def all(self) -> tuple[int, int]:
        """(right, count) of all seeds."""
        return sum(self.right), sum(self.count)

    @property
    def percent(self) -> float:
        """The share of all seeds; NaN of none."""
        right, count = self.all
        return 100 * right / count if count else float("nan")

    @property
    def by_seed(self) -> list[float]:
        """The share of each seed, in percent."""
        return [100 * right / count for right, count in zip(self.right, self.count, strict=True) if count]


def together(shares: Sequence[Share]) -> Share:
    """All of them as one, seed by seed."""
    return Share(
        [sum(rights) for rights in zip(*(share.right for share in shares), strict=True)],
        [sum(counts) for counts in zip(*(share.count for share in shares), strict=True)],
    )


@dataclass
class Measured:
    """Shares of five seeds. Pairs are right by MMVP's rule, text to image, where nothing else is said."""

    categories: dict[str, Share]
    """MMVP's categories, in the words of the narrow language."""
    both: Share
    """All four comparisons."""
    wordings: dict[str, dict[str, Share]]
    """Group -> wording: the same edits."""
    shifts: dict[str, Share]
    """Worse pictures of the same edits."""
    seen: Share
    """Edits of scenes in which nothing is held out, and"""
    held_out: dict[str, Share]
    """those in which something is, by kind."""
    swaps: dict[str, Share]
    """Attribute -> images that prefer their own caption to the other side's; chance is 50."""
    found: Share
    """Defects that are found, and"""
    alarms: Share
    """false alarms."""
    never_drawn: bool = True
    """Whether the model's training left out what is held out. Otherwise "lost on held-out scenes" shows nothing."""


def nothing_yet() -> Measured:
    """All shares, of nothing."""
    return Measured(
        {name: Share() for name in CATEGORIES},
        Share(),
        {group: {name: Share() for name in wordings} for group, wordings in WORDINGS.items()},
        {name: Share() for name in SHIFTS},
        Share(),
        {kind: Share() for kind in HELD_OUT},
        {name: Share() for name, kind in CHANGES if kind == SWAP},
        Share(),
        Share(),
    )


def measure(
    bundle: Path, seeds: Sequence[int], pairs: int, scenes: int, told: Callable[[str], Any] = print
) -> Measured:
    """`pairs`: edits of each category, attribute and seed; `scenes`: single scenes a seed. Raises ExportError if the
    bundle has no fp32 graphs.
    """
    manifest = read_manifest(bundle)
    graphs, size = bundle_graphs(bundle, manifest), int(manifest["image"]["size"][0])
    found, swaps = nothing_yet(), [change for change in CHANGES if change[1] == SWAP]
    found.never_drawn = _never_drawn(manifest, bundle)
    for turn, seed in enumerate(seeds):
        _same_edits(graphs, seed, pairs, size, found)
        for setting in (SEEN, *HELD_OUT):
            drawn = [
                edit_pair(
                    name, stream(seed, "test", f"{name}, {setting}", index), size, Setting(NARROW, setting)
                )
                for name in CATEGORIES
                for index in range(pairs)
            ]
            share = found.seen if setting == SEEN else found.held_out[setting]
            share.add(_outcome(graphs, drawn, seed).text_to_image)
        for change in swaps:
            drawn = [
                change_pair(change, stream(seed, "test", f"swap {change[0]}", index), size)
                for index in range(pairs)
            ]
            found.swaps[change[0]].add(int(_outcome(graphs, drawn, seed).noticed.sum()), 2 * len(drawn))
        singles = [single_scene(stream(seed, "test", "scene", index), size) for index in range(scenes)]
        alarms = classify(graphs, singles, ["defect"])["defect"].alarms()
        found.found.add(*alarms[:2])
        found.alarms.add(*alarms[2:])
        told(f"{bundle}, seed {seed}: measured ({turn + 1} of {len(seeds)})")
    return found


def _never_drawn(manifest: dict[str, Any], bundle: Path) -> bool:
    """Whether the recipe in the manifest says so. Of what the run started from it says nothing."""
    provenance = manifest.get("provenance", {})
    recipe = parse_toml(provenance.get("recipe_text", ""), f"the recipe in {bundle}")
    return recipe.get("data", {}).get("held_out") is True and "started_from" not in provenance


def _outcome(graphs: Graphs, drawn: Sequence[EditPair], seed: int):
    said = captions(drawn, "caption")
    return measure_pairs(graphs, drawn, [seed] * len(drawn), encode_pairs(graphs, drawn), said)


def _same_edits(graphs: Graphs, seed: int, pairs: int, size: int, found: Measured) -> None:
    """Edits as the card draws them, then in other words, then in worse pictures."""
    drawn = [pair for name in CATEGORIES for pair in draw_pairs(name, seed, pairs, size)]
    images, seeds = encode_pairs(graphs, drawn), [seed] * len(drawn)
    plain = measure_pairs(graphs, drawn, seeds, images, captions(drawn, "caption"))
    for name, share in found.categories.items():
        share.add(plain.text_to_image[plain.categories == name])
    found.both.add(plain.both)
    for group, wordings in WORDINGS.items():
        for name, wording in wordings.items():
            random = Random(seed)
            texts = [wording(pair, random) for pair in drawn]
            right = measure_pairs(graphs, drawn, seeds, images, texts).text_to_image
            found.wordings[group][name].add(right)
    for name, worsen in SHIFTS.items():
        random = Random(seed)
        sides = [array(image) for pair in drawn for image in worsen(pair, random)]
        vectors = graphs.encode_images(np.stack(sides)).reshape(len(drawn), 2, -1)
        outcome = measure_pairs(graphs, drawn, seeds, vectors, captions(drawn, "caption"))
        found.shifts[name].add(outcome.text_to_image)
