//! The same image gives the same embedding and the same scores in every form of request.

use crate::support::server::{Server, base64, distance, embeddings, fixture, numbers, success};
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

const TEXTS: [&str; 2] = ["a red bolt", "a blue bolt"];

/// Every way to send one image to a path, with additional fields.
fn every_form(
    server: &Server,
    path: &str,
    fields: &[(&str, &str)],
    json_of: impl Fn(Value) -> Value,
) -> Vec<Value> {
    let image = fixture("420-large.jpg");
    let encoded = base64(&image);
    let url_safe = encoded.replace('+', "-").replace('/', "_");
    let mut answers = Vec::new();
    for spelled in [
        encoded.clone(),
        url_safe.trim_end_matches('=').to_owned(),
        format!("data:image/jpeg;base64,{encoded}"),
    ] {
        answers.push(success(server.post(path, &json_of(json!(spelled)))));
        answers.push(success(
            server.post(path, &json_of(json!({"image": spelled}))),
        ));
    }
    let mut form = Form::new().part("image", Part::bytes(image.clone()).file_name("any.bin"));
    for (name, value) in fields {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    answers.push(success(
        server
            .client
            .post(format!("{}{path}", server.url))
            .multipart(form)
            .send()
            .unwrap(),
    ));
    for content_type in ["image/jpeg", "application/octet-stream", "image/png"] {
        let request = server
            .client
            .post(format!("{}{path}", server.url))
            .query(fields);
        answers.push(success(
            request
                .header("content-type", content_type)
                .body(image.clone())
                .send()
                .unwrap(),
        ));
    }
    answers
}

#[test]
fn embeddings_are_the_same_in_every_form() {
    let server = Server::start();
    let answers = every_form(&server, "/v1/embeddings", &[], |image| match image {
        Value::String(plain) => json!({"input": [plain], "modality": "image"}),
        object => json!({"input": object}),
    });
    let first = embeddings(&answers[0]).remove(0);
    let norm: f32 = first.iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!((norm - 1.0).abs() < 1e-4, "norm {norm}");
    for answer in &answers {
        assert!(distance(&embeddings(answer)[0], &first) <= 1e-6);
    }
}

#[test]
fn scores_are_the_same_in_every_form_and_follow_from_the_embeddings() {
    let server = Server::start();
    let fields = [("text", TEXTS[0]), ("text", TEXTS[1])];
    let answers = every_form(
        &server,
        "/v1/similarity",
        &fields,
        |image| json!({"images": [image], "texts": TEXTS}),
    );
    let first = numbers(&answers[0]["scores"][0]);
    for answer in &answers {
        assert!(distance(&numbers(&answer["scores"][0]), &first) <= 1e-6);
    }
    // cosine, logit and probability computed here from the embeddings
    let image = base64(&fixture("420-large.jpg"));
    let input = json!({"input": [{"image": image}, TEXTS[0], {"text": TEXTS[1]}]});
    let vectors = embeddings(&success(server.post("/v1/embeddings", &input)));
    let scale = success(server.get("/v1/models"))["data"][0]["similarity"]["logit_scale"]
        .as_f64()
        .unwrap();
    let cosines: Vec<f64> = vectors[1..]
        .iter()
        .map(|text| {
            vectors[0]
                .iter()
                .zip(text)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        })
        .collect();
    let weights: Vec<f64> = cosines
        .iter()
        .map(|cosine| (scale * cosine).exp())
        .collect();
    for i in 0..2 {
        assert!((f64::from(first[i]) - cosines[i]).abs() < 1e-5);
        let logit = answers[0]["logits"][0][i].as_f64().unwrap();
        assert!((logit - scale * cosines[i]).abs() < 1e-3);
        let probability = answers[0]["probabilities"][0][i].as_f64().unwrap();
        assert!((probability - weights[i] / (weights[0] + weights[1])).abs() < 1e-4);
    }
}

#[test]
fn labels_are_ranked_the_same_in_every_form() {
    let server = Server::start();
    let fields = [("label", TEXTS[0]), ("label", TEXTS[1])];
    let answers = every_form(
        &server,
        "/v1/classify",
        &fields,
        |image| json!({"images": [image], "labels": TEXTS}),
    );
    for answer in &answers {
        let labels = answer["results"][0]["labels"].as_array().unwrap();
        let scores: Vec<f64> = labels
            .iter()
            .map(|label| label["score"].as_f64().unwrap())
            .collect();
        assert!(scores[0] >= scores[1] && (scores[0] + scores[1] - 1.0).abs() < 1e-5);
        assert_eq!(
            labels[0]["label"],
            answers[0]["results"][0]["labels"][0]["label"]
        );
        assert_eq!(
            labels[0]["label"],
            TEXTS[labels[0]["index"].as_u64().unwrap() as usize]
        );
    }
}

/// A picture of more than 2 MiB: an uncompressed BMP with 24 bits per pixel.
fn large_image() -> Vec<u8> {
    let (width, height) = (1024_u32, 1024_u32);
    let size = width * height * 3;
    let mut bytes = b"BM".to_vec();
    for field in [
        54 + size,
        0,
        54,
        40,
        width,
        height,
        1 | 24 << 16,
        0,
        size,
        0,
        0,
        0,
        0,
    ] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend((0..size).map(|i| (i / 9 % 251) as u8));
    bytes
}

#[test]
fn a_large_image_is_accepted_in_every_form() {
    let server = Server::start();
    let image = large_image();
    let raw = success(server.post_bytes("/v1/embeddings", "image/bmp", image.clone()));
    let json = success(server.post(
        "/v1/embeddings",
        &json!({"input": {"image": base64(&image)}}),
    ));
    let form = Form::new().part("image", Part::bytes(image));
    let url = format!("{}/v1/embeddings", server.url);
    let form = success(server.client.post(url).multipart(form).send().unwrap());
    for answer in [&json, &form] {
        assert!(distance(&embeddings(answer)[0], &embeddings(&raw)[0]) <= 1e-6);
    }
}
