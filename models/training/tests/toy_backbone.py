"""A dual encoder of a few hundred numbers in float64, whose gradients can be compared to the last digits."""

import torch
from torch import nn
from torch.nn import functional

from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.readers.records import Batch

SIZE, WIDTH, WORDS = 4, 6, 11


class ToyBackbone(Backbone):
    def __init__(self, family="softmax", dropout=0.0, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.family, self.embedding_dim = family, WIDTH
        self.image = nn.Linear(SIZE * SIZE * 3, WIDTH)
        self.words = nn.Embedding(WORDS, WIDTH)
        self.text = nn.Linear(WIDTH, WIDTH)
        self.unused = nn.Linear(2, 2)
        self.dropout = nn.Dropout(dropout)
        self.logit_scale = nn.Parameter(torch.tensor(1.3))
        self.logit_bias = nn.Parameter(torch.tensor(-0.7))
        self.double()

    def encode_image(self, pixels):
        return functional.normalize(self.image(self.dropout(pixels.double().flatten(1) / 255)), dim=-1)

    def encode_text(self, token_ids):
        there = (token_ids > 0).unsqueeze(-1)
        mean = (self.words(token_ids) * there).sum(1) / there.sum(1)
        return functional.normalize(self.text(self.dropout(mean)), dim=-1)

    def scale(self):
        return self.logit_scale.exp()

    def bias(self):
        return self.logit_bias if self.family == "sigmoid" else torch.zeros((), dtype=torch.float64)

    def preprocess(self, image):
        raise NotImplementedError


def toy_batch(pairs, singles, seed, lacking_short=(), lacking_long=()):
    """Token 1 stands for the empty text, 0 for padding."""
    random = torch.Generator().manual_seed(seed)
    images = 2 * pairs + singles
    texts = {}
    for kind, length, lacking in (("short", 4, lacking_short), ("long", 9, lacking_long)):
        ids = torch.randint(2, WORDS, (images, length), generator=random)
        ids[list(lacking)] = torch.tensor([1] + [0] * (length - 1))
        has = torch.ones(images, dtype=torch.bool)
        has[list(lacking)] = False
        texts |= {kind: ids, f"has_{kind}": has}
    pixels = torch.randint(0, 256, (images, SIZE, SIZE, 3), generator=random, dtype=torch.uint8)
    return Batch(pixels=pixels, pairs=pairs, names=[f"toy:{i}" for i in range(images)], **texts)


def with_prompts_and_keys(batch, seed=0):
    """The batch with prompts of all its edits except the first, and with keys: captions 0 and 2, and the last two,
    are equal.
    """
    random = torch.Generator().manual_seed(seed)
    images, pairs = len(batch.pixels), batch.pairs
    batch.prompt = torch.randint(2, WORDS, (images, 5), generator=random)
    batch.has_prompt = torch.zeros(images, dtype=torch.bool)
    batch.has_prompt[pairs + 1 : 2 * pairs] = True
    for kind in ("short", "long", "prompt"):
        ids, keys = getattr(batch, kind), torch.arange(images) * 7 - 3
        for one, other in ((0, 2), (pairs, 1), (images - 2, images - 1)):
            ids[other], keys[other] = ids[one], keys[one]
        setattr(batch, f"{kind}_keys", keys)
    return batch


def rows_of(batch, rows, pairs):
    """Selects rows of a batch as a new batch; the first 2 x pairs of them are sources and targets."""
    tensors = {k: v[rows] for k, v in vars(batch).items() if isinstance(v, torch.Tensor)}
    return Batch(pairs=pairs, names=[batch.names[i] for i in rows], **tensors)
