"""PatchCore (Roth et al., CVPR 2022) on a bundle's own features, as a Python program would run it.

`patchcore.py FEATURES SECONDS REFERENCES IMAGE…` prints JSON: milliseconds of each step of one picture after another,
medians. The first REFERENCES pictures are the good parts. Runs in the bench environment, on the ONNX Runtime that the
server loads, with a thread on each core for the session and for NumPy.

Two strides, averaged over 3 x 3 places and joined at the finer one; a tenth of the references' places by greedy
selection; distance to the nearest one. Without alignment, HTTP and re-weighting: less work than a server has.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import onnxruntime
import simplejpeg

SIZE, SHARE, BLUR = 448, 0.1, 4.0
STRIDES = ("stride8", "stride16")


class PatchCore:
    """A memory of good places."""

    def __init__(self, features: Path, references: list[bytes]):
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(features, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        found = [self.places(pixels(file)) for file in references]
        places = np.concatenate([each.reshape(-1, each.shape[-1]) for each in found])
        self.memory = chosen(places, round(SHARE * len(places)))
        self.lengths = np.square(self.memory).sum(axis=1)

    def places(self, picture: np.ndarray) -> np.ndarray:
        """[rows, columns, channels]"""
        maps = self.session.run(list(STRIDES), {self.input: picture[None]})
        fine, coarse = (cv2.blur(np.ascontiguousarray(each[0].transpose(1, 2, 0)), (3, 3)) for each in maps)
        return np.concatenate([fine, cv2.resize(coarse, fine.shape[1::-1])], axis=2)

    def score(self, places: np.ndarray) -> float:
        """The largest value of the map, which has the size of the picture."""
        flat = places.reshape(-1, places.shape[-1])
        squares = np.square(flat).sum(axis=1)[:, None] + self.lengths - 2 * flat @ self.memory.T
        nearest = np.sqrt(np.maximum(squares.min(axis=1), 0)).reshape(places.shape[:2])
        whole = cv2.GaussianBlur(cv2.resize(nearest, (SIZE, SIZE)), (0, 0), BLUR)
        return float(whole.max())


def pixels(file: bytes) -> np.ndarray:
    """uint8 [SIZE, SIZE, 3], with the fastest decoder and a resize that reads every pixel."""
    picture = simplejpeg.decode_jpeg(file)
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def chosen(places: np.ndarray, count: int) -> np.ndarray:
    """Greedy selection: again and again the place that is farthest from all chosen ones."""
    taken, distance = [0], np.full(len(places), np.inf, np.float32)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.square(places - places[taken[-1]]).sum(axis=1))
        taken.append(int(distance.argmax()))
    return places[taken]


def main() -> None:
    """Prints the medians."""
    features, seconds, references = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    files = [Path(name).read_bytes() for name in sys.argv[4:]]
    model = PatchCore(features, files[:references])
    steps: dict[str, list[float]] = {"decode": [], "features": [], "compare": [], "all": []}
    end, number = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        began = time.perf_counter()
        picture = pixels(files[number % len(files)])
        decoded = time.perf_counter()
        places = model.places(picture)
        computed = time.perf_counter()
        model.score(places)
        done = time.perf_counter()
        for name, took in zip(
            steps, (decoded - began, computed - decoded, done - computed, done - began), strict=True
        ):
            steps[name].append(took * 1e3)
        number += 1
    print(json.dumps({name: median(took) for name, took in steps.items()}))


if __name__ == "__main__":
    main()
