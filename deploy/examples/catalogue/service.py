"""Gets embeddings from the running clip-in server, over /v1/embeddings."""

import base64
from collections.abc import Sequence

import httpx
import numpy as np

ITEMS_A_REQUEST = 32


class Service:
    """A clip-in server. Embeddings are float32 rows of length 1."""

    def __init__(self, url: str, api_key: str | None = None):
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=60)
        self.model: str | None = None
        """Name of the model of the last answer."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings of texts [texts, embedding_dim]."""
        return self._embed([{"text": text} for text in texts])

    def images(self, images: Sequence[bytes]) -> np.ndarray:
        """Embeddings of encoded images (JPEG, PNG, WebP, …) [images, embedding_dim]."""
        return self._embed([{"image": base64.b64encode(image).decode()} for image in images])

    def _embed(self, items: list[dict[str, str]]) -> np.ndarray:
        vectors = []
        for start in range(0, len(items), ITEMS_A_REQUEST):
            # base64: four bytes per number, without rounding.
            body = {"input": items[start : start + ITEMS_A_REQUEST], "encoding_format": "base64"}
            answer = self._client.post("/v1/embeddings", json=body)
            if answer.is_error:
                raise RuntimeError(f"the server answered {answer.status_code}: {answer.text}")
            content = answer.json()
            self.model = content["model"]
            vectors += [
                np.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in content["data"]
            ]
        return np.stack(vectors)


def combined(text: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The combination of a picture and a text: the mean of the two unit vectors, normalised again."""
    mean = (text + image) / 2
    return mean / np.linalg.norm(mean, axis=-1, keepdims=True)
