//! `/v1/rerank`: ranks texts and images by their similarity to a text or an image.

use crate::support::server::{Server, base64, demo};
use serde_json::{Value, json};

fn sample(i: usize) -> String {
    base64(&std::fs::read(demo().join(format!("samples/{i}.webp"))).unwrap())
}

fn answer(server: &Server, body: &Value) -> (u16, Value) {
    let response = server.post("/v1/rerank", body);
    (response.status().as_u16(), response.json().unwrap())
}

#[test]
fn order_and_scores_follow_from_the_embeddings() {
    let server = Server::start();
    let documents = json!([
        {"image": sample(0)}, "a red bolt", {"text": "a blue mug"}, {"image": sample(1)}
    ]);
    for query in [json!("a yellow flashlight"), json!({"image": sample(2)})] {
        let body = json!({"query": query, "documents": documents});
        let (status, ranked) = answer(&server, &body);
        assert_eq!(status, 200, "{ranked}");
        let mut input = vec![query];
        input.extend(documents.as_array().unwrap().iter().cloned());
        let embedded: Value = server
            .post("/v1/embeddings", &json!({"input": input}))
            .json()
            .unwrap();
        let vectors: Vec<Vec<f64>> = embedded["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| serde_json::from_value(item["embedding"].clone()).unwrap())
            .collect();
        let cosine = |i: usize| -> f64 {
            vectors[0]
                .iter()
                .zip(&vectors[i + 1])
                .map(|(a, b)| a * b)
                .sum()
        };
        let mut expected: Vec<usize> = (0..4).collect();
        expected.sort_by(|a, b| cosine(*b).total_cmp(&cosine(*a)));
        let results = ranked["results"].as_array().unwrap();
        for (result, index) in results.iter().zip(expected) {
            assert_eq!(result["index"], index);
            let off = result["relevance_score"].as_f64().unwrap() - cosine(index);
            assert!(off.abs() < 1e-5, "{result}");
            assert!(result.get("document").is_none());
        }
        assert_eq!(results.len(), 4);
    }
}

#[test]
fn documents_are_limited_and_returned_unchanged() {
    let server = Server::start();
    let documents = json!(["a red bolt", {"image": sample(0)}, "a blue mug"]);
    let body = json!({
        "query": "a red bolt", "documents": documents, "top_n": 2, "return_documents": true
    });
    let (_, ranked) = answer(&server, &body);
    let results = ranked["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["index"], 0);
    assert_eq!(results[0]["document"], json!({"text": "a red bolt"}));
    let all = json!({"query": "x", "documents": documents, "return_documents": true});
    let (_, ranked) = answer(&server, &all);
    let results = ranked["results"].as_array().unwrap();
    let image = results.iter().find(|r| r["index"] == 1).unwrap();
    assert_eq!(image["document"], json!({"image": sample(0)}));
}

#[test]
fn items_that_cannot_be_ranked_are_named() {
    let server = Server::start();
    for (body, code, param) in [
        (
            json!({"query": "a", "documents": []}),
            "no_documents",
            "documents",
        ),
        (
            json!({"query": {"image": "AAAA"}, "documents": ["a"]}),
            "image_unknown_format",
            "query",
        ),
        (
            json!({"query": "a", "documents": ["a", {"image": "AAAA"}]}),
            "image_unknown_format",
            "documents[1]",
        ),
        (
            json!({"query": "a", "documents": ["a"], "model": "other"}),
            "model_not_found",
            "model",
        ),
        (json!({"documents": ["a"]}), "invalid_request", "documents"),
    ] {
        let (status, error) = answer(&server, &body);
        assert!((400..500).contains(&status), "{body}");
        assert_eq!(error["error"]["code"], code, "{error}");
        if code != "invalid_request" {
            assert_eq!(error["error"]["param"], param, "{error}");
        }
    }
}
