"""The official cohere client against /v1/rerank, /v2/rerank and /v2/embed."""

import base64

import cohere
import numpy as np
import openai
import pytest

from tests.python.conftest import ROOT

DOCUMENTS = ["a blue mug", "a red bolt", "two red bolts on wood", "a yellow flashlight"]


def expected(server: str, query: str) -> list[float]:
    """Cosines, computed with another client."""
    client = openai.OpenAI(base_url=f"{server}/v1", api_key="unused")
    answer = client.embeddings.create(model="clip-in-demo", input=[query, *DOCUMENTS])
    vectors = np.array([entry.embedding for entry in answer.data])
    return (vectors[1:] @ vectors[0]).tolist()


@pytest.mark.parametrize("kind", [cohere.Client, cohere.ClientV2])
def test_ranking(server, kind):
    client = kind(api_key="unused", base_url=server)
    answer = client.rerank(model="clip-in-demo", query="a red bolt", documents=DOCUMENTS, top_n=3)
    scores = expected(server, "a red bolt")
    order = sorted(range(len(scores)), key=lambda i: -scores[i])[:3]
    assert [result.index for result in answer.results] == order
    for result in answer.results:
        assert result.relevance_score == pytest.approx(scores[result.index], abs=1e-5)


def test_errors_become_exceptions_of_the_client(server):
    with pytest.raises(cohere.NotFoundError):
        cohere.ClientV2(api_key="unused", base_url=server).rerank(model="none", query="a", documents=["b"])


@pytest.fixture
def client(server):
    return cohere.ClientV2(api_key="unused", base_url=server)


def floats(server: str, texts: list[str]) -> np.ndarray:
    """Embeddings, computed with another client."""
    client = openai.OpenAI(base_url=f"{server}/v1", api_key="unused")
    answer = client.embeddings.create(model="clip-in-demo", input=texts)
    return np.array([entry.embedding for entry in answer.data])


def test_texts_in_every_type(server, client):
    types = ["float", "base64", "int8", "uint8", "binary", "ubinary"]
    answer = client.embed(
        model="clip-in-demo",
        texts=DOCUMENTS,
        input_type="search_document",
        embedding_types=types,
        truncate="END",
    )
    expected = floats(server, DOCUMENTS)
    assert answer.texts == DOCUMENTS and answer.id
    found = answer.embeddings
    np.testing.assert_allclose(found.float_, expected, atol=1e-6)
    decoded = [np.frombuffer(base64.b64decode(text), "<f4") for text in found.base64]
    np.testing.assert_allclose(decoded, expected, atol=1e-6)
    np.testing.assert_allclose(found.int8, expected * 127, atol=0.51)
    np.testing.assert_array_equal(np.array(found.uint8) - 128, found.int8)
    np.testing.assert_array_equal(found.ubinary, np.packbits(expected > 0, axis=1))
    np.testing.assert_array_equal(found.binary, np.packbits(expected > 0, axis=1).astype(int) - 128)
    assert answer.meta.billed_units.input_tokens > len(DOCUMENTS)


def test_images_and_parts(server, client):
    url = (
        "data:image/webp;base64,"
        + base64.b64encode((ROOT / "models/demo/samples/0.webp").read_bytes()).decode()
    )
    images = client.embed(model="clip-in-demo", images=[url], input_type="image", embedding_types=["float"])
    inputs = [
        {"content": [{"type": "image_url", "image_url": {"url": url}}]},
        {"content": [{"type": "text", "text": "a red bolt"}]},
    ]
    parts = client.embed(
        model="clip-in-demo",
        inputs=inputs,
        input_type="search_query",
        embedding_types=["float"],
        output_dimension=192,
    )
    np.testing.assert_allclose(parts.embeddings.float_[0], images.embeddings.float_[0], atol=1e-5)
    np.testing.assert_allclose(parts.embeddings.float_[1], floats(server, ["a red bolt"])[0], atol=1e-5)
    assert parts.meta.billed_units.images == 1


def test_an_item_that_cannot_be_embedded_raises_the_clients_error(client):
    with pytest.raises(cohere.NotFoundError) as unknown:
        client.embed(model="none", texts=["a"], input_type="search_query")
    assert unknown.value.body["message"].startswith("model_not_found")
    with pytest.raises(cohere.BadRequestError) as broken:
        client.embed(model="clip-in-demo", images=["data:image/png;base64,AAAA"], input_type="image")
    assert "images[0]" in broken.value.body["message"]


def test_partial(client):
    options = {"additional_body_parameters": {"partial": True}}
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "?"}}]
    answer = client.embed(
        model="clip-in-demo",
        inputs=[{"content": [part]} for part in parts],
        input_type="search_query",
        embedding_types=["float"],
        request_options=options,
    )
    assert [len(vector) for vector in answer.embeddings.float_] == [192, 0]
    assert answer.errors[0]["index"] == 1
