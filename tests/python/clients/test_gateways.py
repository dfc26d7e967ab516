"""LiteLLM and LangChain, and requests in the form that clients of Jina and vLLM send."""

import base64
import json
import os
import urllib.request

import numpy as np
import openai
import pytest
from langchain_openai import OpenAIEmbeddings

from tests.python.conftest import ROOT

# Otherwise it would download a price list at import.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
litellm = pytest.importorskip("litellm")

MODEL = "clip-in-demo"
TEXTS = ["a red bolt", "a blue mug"]
IMAGE = base64.b64encode((ROOT / "models/demo/samples/0.webp").read_bytes()).decode()


def post(server: str, body: dict) -> list[list[float]]:
    request = urllib.request.Request(
        f"{server}/v1/embeddings", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return [entry["embedding"] for entry in json.load(answer)["data"]]


@pytest.fixture(scope="module")
def expected(server):
    return np.array(post(server, {"model": MODEL, "input": TEXTS}))


def test_litellm_which_sends_null_for_missing_values(server, expected):
    answer = litellm.embedding(
        model=f"openai/{MODEL}", input=TEXTS, api_base=f"{server}/v1", api_key="unused"
    )
    np.testing.assert_allclose([entry["embedding"] for entry in answer.data], expected, atol=1e-6)
    assert answer.usage.prompt_tokens > 0
    given = {"api_base": f"{server}/v1", "api_key": "unused", "encoding_format": None, "dimensions": 32}
    # Otherwise it would refuse dimensions for unknown model names before sending anything.
    given["allowed_openai_params"] = ["dimensions"]
    short = litellm.embedding(model=f"openai/{MODEL}", input=TEXTS, **given)
    assert [len(entry["embedding"]) for entry in short.data] == [32, 32]
    with pytest.raises(litellm.exceptions.NotFoundError):
        litellm.embedding(model="openai/none", input=TEXTS, api_base=f"{server}/v1", api_key="unused")


def test_langchain_with_texts(server, expected):
    embeddings = OpenAIEmbeddings(
        model=MODEL, base_url=f"{server}/v1", api_key="unused", check_embedding_ctx_length=False
    )
    np.testing.assert_allclose(embeddings.embed_documents(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(embeddings.embed_query(TEXTS[0]), expected[0], atol=1e-5)


def test_lists_of_tokens_are_refused_with_advice(server):
    # LangChain sends these by default; its tokenizer is not downloaded here.
    client = openai.OpenAI(base_url=f"{server}/v1", api_key="unused", max_retries=0)
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        client.embeddings.create(model=MODEL, input=[[64, 2579, 32942]])


def test_jina_and_vllm(server, expected):
    jina = {
        "model": MODEL,
        "task": "retrieval.query",
        "normalized": True,
        "input": [{"text": TEXTS[0]}, {"image": IMAGE}],
    }
    text, image = post(server, jina)
    np.testing.assert_allclose(text, expected[0], atol=1e-5)
    parts = [
        {"type": "text", "text": TEXTS[1]},
        {"type": "image_url", "image_url": {"url": f"data:image/webp;base64,{IMAGE}"}},
    ]
    vllm = {
        "model": MODEL,
        "input": parts,
        "encoding_format": "float",
        "add_special_tokens": True,
        "user": "me",
    }
    other, same = post(server, vllm)
    np.testing.assert_allclose(other, expected[1], atol=1e-5)
    np.testing.assert_allclose(same, image, atol=1e-5)
