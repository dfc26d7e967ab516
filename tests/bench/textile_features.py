"""`make textile-features`: do the features of a frozen tower find defects of a woven textile, by ten good pictures?

The pictures are those of textile.py, numbers 1 to 250 of each class. A draw takes ten nominal pictures as the
reference, and fits one Gaussian to all their values at stride 4. The score of a picture comes from the Mahalanobis
distances of its values. The table shows the AUROC of other nominal pictures against local and against global
defects, by way of padding and precision. Nothing is trained.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import mean

import numpy as np
import onnxruntime
from clip_in_training.export.inputs import scenes
from clip_in_training.export.variants.int8 import to_int8
from clip_in_training.small.features.graph import INPUT, FeatureGraph, export_features
from clip_in_training.small.lite0_weights import pretrained
from PIL import Image

from tests.bench.auroc import auroc
from tests.bench.report import table
from tests.bench.textile import LAST, pictures

SIZE, REFERENCES, TOP = 448, 10, 0.002
ASKED = 100
"""Pictures of each class whose scores are compared."""

Values = np.ndarray
"""[rows, columns, channels]"""


class Gaussian:
    """Mean and covariance of values, with a ridge in units of the mean variance."""

    def __init__(self, count: float, total: np.ndarray, products: np.ndarray, ridge: float):
        self.mean = total / count
        covariance = products / count - np.outer(self.mean, self.mean)
        covariance += ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        self.whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T.astype(np.float32)

    def scores(self, values: Values) -> np.ndarray:
        """The mean of the largest distances, and the mean of all."""
        rows = values.reshape(-1, values.shape[-1]) - self.mean.astype(np.float32)
        distances = np.sqrt(np.square(rows @ self.whiten).sum(axis=1))
        top = max(round(TOP * len(distances)), 1)
        return np.array([np.partition(distances, -top)[-top:].mean(), distances.mean()])


class Reference:
    """The Gaussian of all reference pictures; the scores of each of them under the Gaussian of the others."""

    def __init__(self, references: list[Values], ridge: float):
        rows = [values.reshape(-1, values.shape[-1]).astype(np.float64) for values in references]
        parts = [(len(r), r.sum(axis=0), r.T @ r) for r in rows]
        count, total, products = (sum(column[1:], column[0]) for column in zip(*parts, strict=True))
        self.gaussian = Gaussian(count, total, products, ridge)
        left_out = [
            Gaussian(count - n, total - t, products - p, ridge).scores(values)
            for (n, t, p), values in zip(parts, references, strict=True)
        ]
        self.centre, self.spread = np.mean(left_out, axis=0), np.std(left_out, axis=0, ddof=1)

    def scores(self, values: Values) -> np.ndarray:
        """Top, mean, and the larger one of both in standard deviations of the reference pictures."""
        both = self.gaussian.scores(values)
        return np.append(both, ((both - self.centre) / self.spread).max())


# How the values at stride 4 enter: (name, ridge, function).
WAYS: list[tuple[str, float, Callable[[Values], Values]]] = [
    ("after ReLU6, ridge 0.001", 1e-3, lambda values: np.clip(values, 0, 6)),
    ("before ReLU6, ridge 1, without the outermost values", 1.0, lambda values: values[1:-1, 1:-1]),
]


def pixels(data: bytes) -> np.ndarray:
    """uint8 [1, SIZE, SIZE, 3]."""
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))[None]


def graphs(folder: Path) -> dict[str, Path]:
    """The graph in three forms."""
    found = {}
    for borders in ("reflect", "zeros"):
        found[f"{borders}, fp32"] = folder / f"{borders}.onnx"
        export_features(FeatureGraph(pretrained(), borders=borders).eval(), folder / f"{borders}.onnx")
    found["reflect, int8"] = folder / "int8.onnx"
    to_int8(folder / "reflect.onnx", folder / "int8.onnx", folder, calibration())
    return found


def calibration() -> Iterator[np.ndarray]:
    """Drawn scenes, and noise of two strengths: the textures that an inspection may see."""
    yield from (image[None] for image in scenes(SIZE, "validation")[0][:12])
    rng = np.random.default_rng(0)
    for strength in (16, 40):
        yield np.clip(rng.normal(128, strength, (1, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)


def measure(graph: Path, images: dict[str, list[bytes]], draws: int) -> list[list[str]]:
    """A row of the table for each of `WAYS`."""
    session = onnxruntime.InferenceSession(graph)

    def values(data: bytes) -> Values:
        return session.run(["stride4"], {INPUT: pixels(data)})[0][0].transpose(1, 2, 0)

    order = list(np.random.default_rng(0).permutation(LAST))
    chosen = [order[draw * REFERENCES : (draw + 1) * REFERENCES] for draw in range(draws)]
    rest = order[draws * REFERENCES :][:ASKED]
    asked = {name: those[:ASKED] for name, those in images.items()}
    asked["nominal"] = [images["nominal"][i] for i in rest]
    references = [[values(images["nominal"][i]) for i in draw] for draw in chosen]
    models = [
        [Reference([enter(picture) for picture in draw], ridge) for _, ridge, enter in WAYS]
        for draw in references
    ]
    scores: dict[str, list] = {}
    for name, those in asked.items():
        scores[name] = []
        for picture in map(values, those):
            scores[name].append(
                [
                    [m.scores(enter(picture)) for m, (*_, enter) in zip(draw, WAYS, strict=True)]
                    for draw in models
                ]
            )
    found = {name: np.array(rows) for name, rows in scores.items()}  # [picture, draw, way, score]
    rows = []
    for way, (described, *_) in enumerate(WAYS):
        cells = []
        for score in range(3):
            for defect in ("local", "global"):
                areas = [
                    auroc(found["nominal"][:, draw, way, score], found[defect][:, draw, way, score])
                    for draw in range(draws)
                ]
                cells.append(f"{mean(areas):.3f} ({min(areas):.3f}…{max(areas):.3f})")
        rows.append([described, *cells])
    return rows


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    images = pictures()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for form, graph in graphs(Path(folder)).items():
            rows += [[form, *row] for row in measure(graph, images, options.draws)]
    scores = ("top 0.2 %", "mean", "larger of both")
    columns = [f"{score}, {defect}" for score in scores for defect in ("local", "global")]
    print(f"\nAUROC, {REFERENCES} nominal pictures as reference, {ASKED} of each class asked, ", end="")
    print(f"{options.draws} draws, mean (least…most)\n")
    print(table(["padding", "values at stride 4", *columns], rows))


if __name__ == "__main__":
    main()
