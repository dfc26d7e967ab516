"""Which of these texts fits an image best? With the `openai` package, unmodified.

    python examples/python/openai_client.py part.jpg "a red bolt" "a blue mug"

The address is CLIP_IN_URL (http://127.0.0.1:8080), the key CLIP_IN_API_KEY (none).
"""

import base64
import os
import sys

import openai


def embeddings(image: bytes, texts: list[str]) -> list[list[float]]:
    """Unit vectors of an encoded image and of each text, in this order."""
    client = openai.OpenAI(
        base_url=os.environ.get("CLIP_IN_URL", "http://127.0.0.1:8080") + "/v1",
        # The package wants a key even where the server does not.
        api_key=os.environ.get("CLIP_IN_API_KEY", "none"),
    )
    items = [{"image": base64.b64encode(image).decode()}, *({"text": text} for text in texts)]
    # An empty model name is the server's default model.
    answer = client.embeddings.create(model="", input=items)
    return [entry.embedding for entry in answer.data]


def main() -> None:
    """Print the cosines, the best one first."""
    with open(sys.argv[1], "rb") as file:
        image = file.read()
    texts = sys.argv[2:]
    try:
        picture, *captions = embeddings(image, texts)
    except openai.APIStatusError as error:
        sys.exit(f"{error.status_code} {error.code}: {error.message}")
    # The vectors have length 1: their dot product is the cosine.
    scores = [sum(a * b for a, b in zip(picture, caption, strict=True)) for caption in captions]
    for score, text in sorted(zip(scores, texts, strict=True), reverse=True):
        print(f"{score:.4f}\t{text}")


if __name__ == "__main__":
    main()
