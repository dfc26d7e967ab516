"""The upper limit of this machine for one image with any server: inference plus decoding.

`limit.py BUNDLE PRECISION SECONDS IMAGE…` prints JSON. Runs in the bench environment, on the ONNX Runtime
that the server loads. `limit.py --alone …` prints the least time of one image after another instead: the faster
decoder on one thread, and one session with a thread on each core.

- Encoder: one single-thread session per core, all running at once, at the batch size (1, 2, 4, 8) with the least
  CPU time per image.
- Decode and resize: libjpeg-turbo (simplejpeg), decoded at full size or at the smallest scale whose short side is
  at least 2.5 times the model's input (below that, embeddings suffer), whichever is faster, then OpenCV's
  INTER_AREA. This resize only represents the cost: it reads every pixel once, as any resize without aliasing must,
  and its result is not used.

The limit is cores / (encoder CPU + decode CPU): images per second, without HTTP, copies or waiting.
"""

import io
import json
import os
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import simplejpeg
from PIL import Image

BATCH_SIZES = (1, 2, 4, 8)
SAFE_REDUCTION = 2.5


class Encoder:
    """A session of the image tower."""

    def __init__(self, bundle: Path, manifest: dict, precision: str, threads: int = 1):
        variant = next(v for v in manifest["variants"] if v["precision"] == precision)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            bundle / variant["image"], options, providers=["CPUExecutionProvider"]
        )
        self.input, self.output = manifest["image"]["input"]["name"], manifest["image"]["output"]

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Embeddings of a batch of pixels."""
        return self.session.run([self.output], {self.input: batch})[0]


def scaled_size(width: int, height: int, size: int) -> tuple[int, int]:
    """torchvision's rule: the short side becomes `size`, and the long side is rounded down."""
    return (size, size * height // width) if width <= height else (size * width // height, size)


def centre(pixels: np.ndarray, size: int) -> np.ndarray:
    """The middle square."""
    top, left = (round((side - size) / 2) for side in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]


def pillow(data: bytes, size: int) -> np.ndarray:
    """The reference."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image = image.resize(scaled_size(*image.size, size), Image.Resampling.BICUBIC)
    return centre(np.asarray(image), size)


def turbo(data: bytes, size: int, reduced: bool) -> np.ndarray:
    """libjpeg-turbo and OpenCV."""
    least = int(SAFE_REDUCTION * size) if reduced else 0
    pixels = simplejpeg.decode_jpeg(data, min_height=least, min_width=least)
    height, width = pixels.shape[:2]
    return centre(cv2.resize(pixels, scaled_size(width, height, size), interpolation=cv2.INTER_AREA), size)


DECODERS = {"whole": False, "reduced": True}


def on_all_cores(work, seconds: float) -> float:
    """CPU seconds of one call while every core repeats it for some time; `work` gets the number of its core."""
    cores = len(os.sched_getaffinity(0))
    start_together = threading.Barrier(cores)

    def repeat(core: int) -> tuple[int, float]:
        work(core)
        start_together.wait()
        before, until, calls = time.thread_time(), time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            work(core)
            calls += 1
        return calls, time.thread_time() - before

    with ThreadPoolExecutor(cores) as pool:
        done = list(pool.map(repeat, range(cores)))
    return sum(cpu for _, cpu in done) / sum(calls for calls, _ in done)


def decode_limit(images: list[bytes], size: int, seconds: float) -> tuple[str, float]:
    """The faster way, and its CPU seconds per image."""

    def cpu(name: str) -> float:
        def work(_core: int) -> None:
            for image in images:
                turbo(image, size, DECODERS[name])

        return on_all_cores(work, seconds / len(DECODERS)) / len(images)

    return min(((name, cpu(name)) for name in DECODERS), key=lambda pair: pair[1])


def encoder_limit(sessions: list[Encoder], pixels: np.ndarray, seconds: float) -> tuple[int, float]:
    """The best batch size, and its CPU seconds per image."""

    def cpu(size: int) -> float:
        batch = np.resize(pixels, (size, *pixels.shape[1:]))
        return on_all_cores(lambda core: sessions[core].run(batch), seconds / len(BATCH_SIZES)) / size

    return min(((size, cpu(size)) for size in BATCH_SIZES), key=lambda pair: pair[1])


def alone(encoder: Encoder, images: list[bytes], size: int, seconds: float) -> dict:
    """Median times of one image at a time: decode and resize, then the encoder."""

    def times(reduced: bool) -> tuple[float, float]:
        decoding, encoding = [], []
        until = time.perf_counter() + seconds / len(DECODERS)
        while time.perf_counter() < until:
            for image in images:
                began = time.perf_counter()
                pixels = turbo(image, size, reduced)[None]
                decoded = time.perf_counter()
                encoder.run(pixels)
                encoding.append(time.perf_counter() - decoded)
                decoding.append(decoded - began)
        return statistics.median(decoding), statistics.median(encoding)

    found = {name: times(reduced) for name, reduced in DECODERS.items()}
    decoder = min(found, key=lambda name: sum(found[name]))
    decode, encode = found[decoder]
    return {"decoder": decoder, "decode_ms": decode * 1e3, "encode_ms": encode * 1e3}


def main() -> None:
    """Measures and prints the results."""
    arguments = sys.argv[1:]
    one_at_a_time = arguments[0] == "--alone"
    bundle_name, precision, seconds_text, *names = arguments[one_at_a_time:]
    bundle, seconds = Path(bundle_name), float(seconds_text)
    images = [Path(name).read_bytes() for name in names]
    manifest = json.loads((bundle / "bundle.json").read_text())
    size = manifest["image"]["size"][0]
    cv2.setNumThreads(1)
    cores = len(os.sched_getaffinity(0))
    if one_at_a_time:
        print(json.dumps(alone(Encoder(bundle, manifest, precision, cores), images, size, seconds)))
        return
    sessions = [Encoder(bundle, manifest, precision) for _ in range(cores)]
    decoder, decode = decode_limit(images, size, seconds / 2)
    pixels = np.stack([pillow(image, size) for image in images])
    batch, encode = encoder_limit(sessions, pixels, seconds)
    found = {
        "per_second": cores / (encode + decode),
        "encode_ms": encode * 1e3,
        "decode_ms": decode * 1e3,
        "batch": batch,
        "decoder": decoder,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
