"""The official openai client against /v1/embeddings."""

import base64

import numpy as np
import openai
import pytest

from tests.python.conftest import ROOT

SAMPLE = (ROOT / "models/demo/samples/0.webp").read_bytes()


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server}/v1", api_key="unused", max_retries=0) as client:
        yield client


def vectors(answer) -> np.ndarray:
    assert [entry.index for entry in answer.data] == list(range(len(answer.data)))
    return np.array([entry.embedding for entry in answer.data])


def test_strings_and_lists_in_both_encodings(client):
    one = client.embeddings.create(model="clip-in-demo", input="a red bolt")
    assert one.model == "clip-in-demo" and one.usage.prompt_tokens > 2
    assert one.usage.prompt_tokens == one.usage.total_tokens
    texts = ["a red bolt", "a blue mug", "two screws to the left of a ball"]
    # The client requests base64 by default.
    packed = vectors(client.embeddings.create(model="clip-in-demo", input=texts))
    floats = vectors(client.embeddings.create(model="clip-in-demo", input=texts, encoding_format="float"))
    np.testing.assert_allclose(packed, floats, atol=1e-6)
    np.testing.assert_allclose(packed[0], vectors(one)[0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(packed, axis=-1), 1, atol=1e-5)


def test_dimensions_slice_and_then_normalise(client):
    whole = vectors(client.embeddings.create(model="clip-in-demo", input="a red bolt"))[0]
    short = vectors(client.embeddings.create(model="clip-in-demo", input="a red bolt", dimensions=32))[0]
    np.testing.assert_allclose(short, whole[:32] / np.linalg.norm(whole[:32]), atol=1e-5)


def test_images_as_objects_and_by_modality(client):
    image = base64.b64encode(SAMPLE).decode()
    mixed = vectors(
        client.embeddings.create(model="clip-in-demo", input=[{"image": image}, {"text": "a red bolt"}])
    )
    modality = vectors(
        client.embeddings.create(
            model="clip-in-demo",
            input=[f"data:image/webp;base64,{image}"],
            extra_body={"modality": "image"},
        )
    )
    np.testing.assert_allclose(mixed[0], modality[0], atol=1e-5)
    text = vectors(client.embeddings.create(model="clip-in-demo", input="a red bolt"))
    np.testing.assert_allclose(mixed[1], text[0], atol=1e-5)


def test_errors_become_exceptions_of_the_client(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="none", input="a")
    assert caught.value.code == "model_not_found" and caught.value.param == "model"
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="clip-in-demo", input=["a", {"image": "AAAA"}])
    assert caught.value.code == "image_unknown_format" and caught.value.param == "input[1]"
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="clip-in-demo", input="a", dimensions=100_000)
    assert caught.value.code == "invalid_dimensions"


def test_the_list_of_models(client):
    assert [model.id for model in client.models.list()] == ["clip-in-demo"]
    assert client.models.retrieve("clip-in-demo").owned_by == "clip-in"


@pytest.mark.parametrize("encoding", ["float", None])
def test_partial_answers_keep_the_good_items(client, encoding):
    items = ["a red bolt", {"image": "no base64!"}, {"image": base64.b64encode(SAMPLE).decode()}]
    given = {"encoding_format": encoding} if encoding else {}
    ask = client.embeddings.create
    answer = ask(model="clip-in-demo", input=items, extra_body={"partial": True}, **given)
    assert [entry.object for entry in answer.data] == ["embedding", "error", "embedding"]
    assert answer.data[1].error["code"] == "invalid_base64" and answer.data[1].embedding == []
    alone = vectors(ask(model="clip-in-demo", input=[items[0], items[2]], encoding_format="float"))
    found = [answer.data[0].embedding, answer.data[2].embedding]
    np.testing.assert_allclose(found, alone, atol=1e-5)
    with pytest.raises(openai.BadRequestError):
        ask(model="clip-in-demo", input=items)
