"""Retrieval: each text must find its image among all images, and each image its text."""

import numpy as np


def recall(queries: np.ndarray, gallery: np.ndarray, depth: int) -> float:
    """Percent of queries whose own entry (same row) is among the `depth` most similar of the gallery.

    Vectors are unit vectors [rows, embedding_dim]. In a tie, the correct entry ranks last.
    """
    similarity = queries @ gallery.T
    own = np.diagonal(similarity)[:, None]
    above = (similarity >= own).sum(axis=1) - 1
    return 100 * float((above < depth).mean())


def retrieval_table(images: np.ndarray, texts: np.ndarray) -> dict[str, float]:
    """R@1 and R@5 in both directions, in percent."""
    return {
        f"{name} R@{depth}": recall(queries, gallery, depth)
        for name, queries, gallery in (("image to text", images, texts), ("text to image", texts, images))
        for depth in (1, 5)
    }
