"""The baseline: the same encoders behind FastAPI, a small program with reasonable tuning.

Tuned: uvloop and httptools, decoding in threads outside the event loop, no spinning in ONNX Runtime (which costs
half of the throughput on a busy machine), orjson directly from NumPy, no validation of responses. Not included:
batching across requests, a resampler of its own, a cache.

`fastapi_baseline.py BUNDLE PORT --processes N --threads N`: processes of uvicorn, threads inside each ONNX Runtime
session.
"""

import argparse
import asyncio
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from PIL import Image
from tokenizers import Tokenizer

BUNDLE, THREADS = "FASTAPI_BASELINE_BUNDLE", "FASTAPI_BASELINE_THREADS"


class Encoders:
    """Preprocessing, tokenizer and the two sessions of a bundle."""

    def __init__(self, bundle: Path, threads: int):
        manifest = json.loads((bundle / "bundle.json").read_text())
        self.name, self.image, self.text = manifest["name"], manifest["image"], manifest["text"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")

        def session(tower: str):
            graph = bundle / manifest["variants"][0][tower]
            return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

        self.image_session, self.text_session = session("image"), session("text")
        self.tokenizer = Tokenizer.from_file(str(bundle / manifest["tokenizer"]))

    def embed_image(self, data: bytes) -> np.ndarray:
        """Resizes the short side to the model's size with Pillow's bicubic filter, crops the centre, runs the
        encoder.
        """
        image = Image.open(io.BytesIO(data)).convert("RGB")
        size = self.image["size"][0]
        width, height = image.size
        if width <= height:
            scaled = (size, size * height // width)
        else:
            scaled = (size * width // height, size)
        image = image.resize(scaled, Image.Resampling.BICUBIC)
        left, top = (round((side - size) / 2) for side in scaled)
        pixels = np.asarray(image.crop((left, top, left + size, top + size)))[None]
        return self.image_session.run([self.image["output"]], {self.image["input"]["name"]: pixels})[0]

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        """Texts are padded to the full context, as by open_clip's and CLIP's tokenizers."""
        length = self.text["context_length"]
        ids = np.full((len(texts), length), self.text["pad_id"], np.int64)
        for row, encoding in zip(
            ids, self.tokenizer.encode_batch(texts, add_special_tokens=False), strict=True
        ):
            pieces = [self.text["sot_id"], *encoding.ids[: length - 2], self.text["eot_id"]]
            row[: len(pieces)] = pieces
        return self.text_session.run([self.text["output"]], {self.text["input"]["name"]: ids})[0]


app = FastAPI()
encoders = Encoders(Path(os.environ[BUNDLE]), int(os.environ[THREADS])) if BUNDLE in os.environ else None
pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))


@app.get("/healthz")
async def health() -> dict:
    """The encoders are loaded before the server listens."""
    return {"status": "alive"}


@app.post("/v1/embeddings")
async def embeddings(request: Request) -> Response:
    """An image as the raw body, or `{"input": [texts]}`."""
    body = await request.body()
    if request.headers.get("content-type", "").startswith("image/"):
        work, argument = encoders.embed_image, body
    else:
        work, argument = encoders.embed_texts, orjson.loads(body)["input"]
    try:
        vectors = await asyncio.get_running_loop().run_in_executor(pool, work, argument)
    except (OSError, ValueError) as error:
        raise HTTPException(400, str(error)) from None
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    answer = {"object": "list", "data": data, "model": encoders.name}
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ[BUNDLE], os.environ[THREADS] = str(options.bundle.resolve()), str(options.threads)
    uvicorn.run(
        "fastapi_baseline:app",
        port=options.port,
        workers=options.processes,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
