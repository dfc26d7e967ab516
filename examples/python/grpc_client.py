r"""Which of these texts fits an image best? gRPC with `grpcio`.

    python -m grpc_tools.protoc -I proto --python_out=examples/python --grpc_python_out=examples/python \
        clip_in/v1/clip_in.proto
    python examples/python/grpc_client.py part.jpg "a red bolt" "a blue mug"

The first command (package grpcio-tools) writes the client's code beside this file. The address is CLIP_IN_ADDRESS
(127.0.0.1:8080), the key CLIP_IN_API_KEY (none).
"""

import os
import sys

import grpc
from clip_in.v1 import clip_in_pb2, clip_in_pb2_grpc


def similarity(image: bytes, texts: list[str]) -> list[float]:
    """Cosines of an encoded image and each text, in the order of the texts. Raises grpc.RpcError."""
    key = os.environ.get("CLIP_IN_API_KEY")
    with grpc.insecure_channel(os.environ.get("CLIP_IN_ADDRESS", "127.0.0.1:8080")) as channel:
        answer = clip_in_pb2_grpc.ClipInStub(channel).Similarity(
            clip_in_pb2.SimilarityRequest(images=[image], texts=texts),
            metadata=[("authorization", f"Bearer {key}")] if key else [],
            timeout=30,
        )
    # One image: the matrix has one row.
    return list(answer.scores.values)


def main() -> None:
    """Print the cosines, the best one first."""
    with open(sys.argv[1], "rb") as file:
        image = file.read()
    texts = sys.argv[2:]
    try:
        scores = similarity(image, texts)
    except grpc.RpcError as error:
        # The trailer has the same code as the error of a REST answer.
        code = dict(error.trailing_metadata() or ()).get("x-clip-in-code", "")
        sys.exit(f"{error.code().name} {code}: {error.details()}")
    for score, text in sorted(zip(scores, texts, strict=True), reverse=True):
        print(f"{score:.4f}\t{text}")


if __name__ == "__main__":
    main()
