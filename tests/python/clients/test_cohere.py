"""The official cohere client against /v1/rerank and /v2/rerank."""

import cohere
import numpy as np
import openai
import pytest

DOCUMENTS = ["a blue mug", "a red bolt", "two red bolts on wood", "a yellow flashlight"]


def expected(server: str, query: str) -> list[float]:
    """Cosines, by way of another client."""
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


def test_errors_are_the_client_s_own(server):
    with pytest.raises(cohere.NotFoundError):
        cohere.ClientV2(api_key="unused", base_url=server).rerank(model="none", query="a", documents=["b"])
