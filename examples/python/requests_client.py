"""Which of these texts fits an image best? Plain HTTP with `requests`.

    python examples/python/requests_client.py part.jpg "a red bolt" "a blue mug"

The address is CLIP_IN_URL (http://127.0.0.1:8080), the key CLIP_IN_API_KEY (none).
"""

import os
import sys

import requests


def similarity(image: bytes, texts: list[str]) -> list[float]:
    """Cosines of an encoded image and each text, in the order of the texts.

    Raises RuntimeError with the server's reason.
    """
    key = os.environ.get("CLIP_IN_API_KEY")
    answer = requests.post(
        os.environ.get("CLIP_IN_URL", "http://127.0.0.1:8080") + "/v1/similarity",
        # A form: the image is one part of it, each text another one. JSON with base64 works as well.
        files=[("image", image), *(("text", (None, text)) for text in texts)],
        headers={"authorization": f"Bearer {key}"} if key else {},
        timeout=30,
    )
    if not answer.ok:
        error = answer.json()["error"]
        # `code` is stable; `param` names the item at fault, such as images[0].
        raise RuntimeError(f"{answer.status_code} {error['code']}: {error['message']}")
    return answer.json()["scores"][0]


def main() -> None:
    """Print the cosines, the best one first."""
    with open(sys.argv[1], "rb") as file:
        image = file.read()
    texts = sys.argv[2:]
    try:
        scores = similarity(image, texts)
    except RuntimeError as error:
        sys.exit(str(error))
    for score, text in sorted(zip(scores, texts, strict=True), reverse=True):
        print(f"{score:.4f}\t{text}")


if __name__ == "__main__":
    main()
