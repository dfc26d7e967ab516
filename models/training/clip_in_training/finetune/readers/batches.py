"""Records to what a step trains on: pixels and token ids."""

import copy
import hashlib
import typing
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clip_in_training.common.errors import DataError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.backbone.backbone import TextRules
from clip_in_training.finetune.readers.broken import Broken, Tally
from clip_in_training.finetune.readers.loader import Loader
from clip_in_training.finetune.readers.order import Mixture, Place, share
from clip_in_training.finetune.readers.reader import Reader, RecordError
from clip_in_training.finetune.readers.records import Batch, Captions, EditPair, Single, View
from clip_in_training.finetune.readers.substitutes import substitutes
from clip_in_training.finetune.recipe import TuningRecipe

CHARACTERS_PER_TOKEN = 32
"""A text is cut to so many characters for each token of the context before it is tokenised: no language
model's vocabulary comes near it on average, and a caption of 5,000 words costs no more than one that fits.
"""
EDITS, SINGLES, CAPTIONS = 0, 1, 2
"""Roles; each has an order of its own."""
Read = Callable[[Reader, int], typing.Any]
"""What is read of a record: its images, or its captions alone. Raises `RecordError`."""


class _Image(typing.NamedTuple):
    """An image as the encoder takes it, with its captions."""

    pixels: Tensor
    short: str | None
    long: str | None
    name: str
    prompt: str | None = None


class Batches:
    """The batches of one training process.

    `batch(step)` depends on recipe, data and step alone. With several processes each gets an equal share,
    and all shares together are what one process alone would get.
    """

    def __init__(
        self,
        recipe: TuningRecipe,
        sources: Sequence[Reader],
        preprocess: Callable[[Image.Image], Tensor],
        text_rules: TextRules,
        rank: int = 0,
        world: int = 1,
        run: Path | None = None,
        largest_broken_share: float = 0.1,
    ):
        """`preprocess` gives uint8 [size, size, 3]. `run` is the folder that gets broken.jsonl.

        Raises `RecipeError` if the recipe asks for records of a role that no source has, or for numbers
        that the processes cannot share equally; `DataError` if a source is too small for a step.
        """
        self.recipe, self.sources = recipe, list(sources)
        self.preprocess, self.text_rules = preprocess, text_rules
        self.rank, self.world = rank, world
        file = run and run / ("broken.jsonl" if rank == 0 else f"broken-{rank}.jsonl")
        self.tally = Tally(largest_broken_share, file)
        pairs, singles = recipe.finetune.pairs, recipe.finetune.singles
        if recipe.finetune.steps and not pairs and not singles:
            raise RecipeError("`finetune.pairs` and `finetune.singles` are both 0")
        tunes = bool(recipe.finetune.steps)
        self._edits = self._mixture("edits", "finetune.pairs", tunes * pairs, EDITS)
        self._singles = self._mixture("singles", "finetune.singles", tunes * singles, SINGLES)
        distils = bool(recipe.distil.steps)
        self._captions = self._mixture("", "distil.batch", distils * recipe.distil.batch, CAPTIONS)
        self._groups = [reader.groups() for reader in self.sources]
        self._empty = text_rules.ids("")
        if rank == 0:
            for reader in self.sources:
                for note in reader.notes:
                    self.tally.note(note)

    def _mixture(self, role: str, key: str, count: int, number: int) -> Mixture | None:
        """The order of one role's records; of all sources if `role` is empty."""
        if not count:
            return None
        readers = [(n, r) for n, r in enumerate(self.sources) if role in ("", r.role)]
        if not readers:
            raise RecipeError(f"`{key}` is {count}, and no source has {role or 'captions'}")
        if count % self.world:
            raise RecipeError(f"`{key}` is {count}: {self.world} processes cannot share that equally")
        return Mixture(readers, count, self.recipe.seed, number)

    def batch(self, step: int) -> Batch:
        """This process' part of a step, counted in `tally`. Raises `DataError` if too much is broken."""
        batch = self.make_batch(step)
        self.tally.add(batch.read, batch.broken, batch.truncated)
        return batch

    def captions(self, step: int, cut: int = 0) -> Captions:
        """This process' captions of a step of stage 1, counted in `tally`; see `make_captions`."""
        captions = self.make_captions(step, cut)
        self.tally.add(captions.read, captions.broken, captions.truncated)
        return captions

    def of_all_processes(self) -> "Batches":
        """The same batches, whole: what all processes read between them."""
        whole = copy.copy(self)
        whole.rank, whole.world = 0, 1
        return whole

    def loader(self, first: int, last: int, start_method: str | None = None) -> Loader:
        """The batches of steps `first` … `last` - 1, read ahead by the recipe's workers."""
        return Loader(self, "make_batch", range(first, last), start_method=start_method)

    def caption_loader(self, first: int, last: int, cut: int = 0) -> Loader:
        """The captions of steps `first` … `last` - 1, likewise."""
        return Loader(self, "make_captions", range(first, last), cut)

    def make_batch(self, step: int) -> Batch:
        """`batch` without counting, for the processes that read."""
        if not self._edits and not self._singles:
            raise RecipeError("stage 2 has no steps: `finetune.steps` is 0")
        broken: list[Broken] = []
        pairs = self._records(self._edits, step, EDITS, self._edit, broken)
        singles = self._records(self._singles, step, SINGLES, self._single, broken)
        images = [source for _, (source, _) in pairs] + [target for _, (_, target) in pairs]
        images += [single for _, single in singles]
        short, short_cut = self._ids([image.short for image in images])
        long, long_cut = self._ids([image.long for image in images])
        prompts: dict[str, Tensor] = {}
        if self.recipe.finetune.losses.difference > 0:
            rows, _ = self._ids([image.prompt for image in images])
            there = torch.tensor([image.prompt is not None for image in images])
            prompts = {"prompt": self.text_rules.pad(rows), "has_prompt": there, "prompt_keys": _keys(rows)}
        return Batch(
            pixels=torch.stack([image.pixels for image in images]),
            pairs=len(pairs),
            short=self.text_rules.pad(short),
            long=self.text_rules.pad(long),
            has_short=torch.tensor([image.short is not None for image in images]),
            has_long=torch.tensor([image.long is not None for image in images]),
            names=[image.name for image in images],
            read=len(pairs) + len(singles) + len(broken),
            truncated=short_cut + long_cut,
            broken=broken,
            short_keys=_keys(short),
            long_keys=_keys(long),
            **prompts,
        )

    def _edit(self, reader: Reader, row: int) -> tuple["_Image", "_Image"]:
        pair = reader.read(row)
        assert isinstance(pair, EditPair)
        source = self._image(pair.source, f"{pair.name} (source)")
        return source, self._image(pair.target, f"{pair.name} (target)")._replace(prompt=pair.prompt)

    def _single(self, reader: Reader, row: int) -> "_Image":
        single = reader.read(row)
        assert isinstance(single, Single)
        return self._image(single.view, single.name)

    def _image(self, view: View, name: str) -> "_Image":
        try:
            pixels = self.preprocess(view.image)
        # Odd colour modes, say; which errors they make is the preprocessing's affair.
        except Exception as error:
            file, _, row = name.rpartition(":")
            raise RecordError(file, row, "image does not preprocess", str(error)[:200]) from error
        return _Image(pixels, view.short, view.long, name)

    def make_captions(self, step: int, cut: int = 0) -> Captions:
        """One caption of each of the step's records, of edits and singles, short or long, chosen by step and
        record. `cut` is the teacher's context length; 0 takes the student's.
        """
        if self._captions is None:
            raise RecipeError("stage 1 has no steps: `distil.steps` is 0")
        broken: list[Broken] = []
        found = self._records(self._captions, step, CAPTIONS, _captions, broken)
        texts, names, taught = [], [], []
        for place, captions in found:
            random = np.random.default_rng([self.recipe.seed, CAPTIONS, step, place.source, place.row])
            texts.append(captions[random.integers(len(captions))])
            names.append(f"{self.sources[place.source]}, record {place.row}")
            vector = self.sources[place.source].taught(place.row)
            if vector is not None:
                taught.append(torch.from_numpy(vector))
        rows, truncated = self._ids(texts)
        cut = cut or self.text_rules.context_length
        shorter = [row if len(row) <= cut else [*row[: cut - 1], row[-1]] for row in rows]
        return Captions(
            ids=self.text_rules.pad(rows),
            cut=self.text_rules.pad(shorter)[:, :cut].contiguous(),
            taught=torch.stack(taught) if taught and len(taught) == len(texts) else None,
            names=names,
            read=len(found) + len(broken),
            truncated=truncated,
            broken=broken,
        )

    def _records(
        self, mixture: Mixture | None, step: int, role: int, read: Read, broken: list[Broken]
    ) -> list[tuple[Place, typing.Any]]:
        """What `read` gives for this process' places of a step, and where each is from. Broken records are
        replaced and added to `broken`.
        """
        if mixture is None:
            return []
        planned = mixture.step(step)
        seed = [self.recipe.seed, role, step]
        mine = share(planned, self.rank, self.world)
        return [self._record(place, planned, seed, read, broken) for place in mine]

    def _record(
        self, place: Place, planned: list[Place], seed: list[int], read: Read, broken: list[Broken]
    ) -> tuple[Place, typing.Any]:
        """The record of a place, or the first of its substitutes that can be read."""
        reader = self.sources[place.source]
        try:
            return place, read(reader, place.row)
        except RecordError as error:
            broken.append(Broken(error.file, error.row, error.reason, error.detail))
        group = self._groups[place.source][place.group]
        for row in substitutes(place, planned, group, len(reader), seed):
            try:
                return place._replace(row=row), read(reader, row)
            except RecordError as error:
                broken.append(Broken(error.file, error.row, error.reason, error.detail))
        last = Tally.name(broken[-1])
        raise DataError(f"{reader}: nothing can stand in for a broken record; tried last: {last}")

    def _ids(self, texts: Sequence[str | None]) -> tuple[list[list[int]], int]:
        """The ids of each text, and how many texts filled the context."""
        most = self.text_rules.context_length
        rows = [
            self._empty if text is None else self.text_rules.ids(text[: most * CHARACTERS_PER_TOKEN])
            for text in texts
        ]
        return rows, sum(len(row) >= most for row in rows)


def _keys(rows: Sequence[Sequence[int]]) -> Tensor:
    """int64 [texts]: equal for equal ids, and for others by a chance of 2⁻⁶⁴."""
    digests = (hashlib.blake2b(np.asarray(row, np.int64).tobytes(), digest_size=8).digest() for row in rows)
    return torch.tensor(
        [int.from_bytes(digest, "little", signed=True) for digest in digests], dtype=torch.int64
    )


def _captions(reader: Reader, row: int) -> list[str]:
    return reader.captions(row)
