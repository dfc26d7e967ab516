"""The MMVP pair rule: two images, two texts; both texts must find their image."""

import numpy as np

from clip_in_training.scratch.scenes.attributes import CATEGORIES


def pair_is_right(similarity: np.ndarray) -> np.ndarray:
    """Applies MMVP-VLM's rule, text to image, to [pairs, 2 images, 2 texts] of cosines.

    Correct if and only if S[1,1] > S[2,1] and S[2,2] > S[1,2]: each text prefers its own image. Both comparisons
    are strict and a tie is wrong. So a model that does not see the difference gets about 0 %, and a guessing one
    25 %.
    """
    first = similarity[:, 0, 0] > similarity[:, 1, 0]
    second = similarity[:, 1, 1] > similarity[:, 0, 1]
    return first & second


def pair_similarity(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Cosines [pairs, 2, 2] of unit vectors [pairs, 2, embedding_dim] each."""
    return np.einsum("pid,ptd->pit", images, texts)


def pair_accuracy(images: np.ndarray, texts: np.ndarray, categories: np.ndarray) -> dict[str, float]:
    """Percentage of correct pairs by category, and "mean", the mean over MMVP's categories, without others."""
    right = pair_is_right(pair_similarity(images, texts))
    names = list(dict.fromkeys(categories.tolist()))
    table = {name: 100 * float(right[categories == name].mean()) for name in names}
    counted = [name for name in names if name in CATEGORIES] or names
    return {**table, "mean": float(np.mean([table[name] for name in counted]))}
