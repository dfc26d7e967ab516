"""What can be asked of a statement about a picture beside its golden sample: the reference of the server."""

import numpy as np

FEATURES = ("text_difference", "direction", "change_along", "not_of_reference", "same")
"""In the order of the columns. I and I' are the unit vectors of the picture and of the golden sample, T and T' those
of the statement and of what is true of the golden sample, said the same way; D = T - T'.

- text_difference: I·D
- direction: cos(I - I', D) (StyleGAN-NADA, arXiv 2108.00946)
- change_along: (I - I')·D / |D|, the length of the change along D
- not_of_reference: -I'·D
- same: 1 where the statement is what is true of the golden sample (|D| up to 0.001), and all else is 0; else 0
"""
SAME = 1e-3
"""The same text has slightly different vectors in different batches, most at half precision."""
ZERO = 1e-12


def features(
    picture: np.ndarray, reference: np.ndarray, texts: np.ndarray, reference_texts: np.ndarray | None
) -> np.ndarray:
    """float64 [statements, features] of one picture.

    `picture`, `reference` [width]; `texts`, `reference_texts` [statements, width]; lengths do not matter. Without
    `reference_texts` a statement is measured against the mean of all statements.
    """
    picture, reference, texts = (_unit(vectors) for vectors in (picture, reference, texts))
    others = texts.mean(axis=0) if reference_texts is None else _unit(reference_texts)
    along, change = texts - others, picture - reference
    lengths = np.linalg.norm(along, axis=1)
    same = lengths <= SAME
    along[same] = 0.0
    change_along = along @ change / np.where(same, 1.0, lengths)
    direction = change_along / max(float(np.linalg.norm(change)), ZERO)
    return np.stack(
        [along @ picture, direction, change_along, -(along @ reference), same.astype(np.float64)], axis=1
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    exact = np.asarray(vectors, dtype=np.float64)
    return exact / np.maximum(np.linalg.norm(exact, axis=-1, keepdims=True), ZERO)
