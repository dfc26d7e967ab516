//! gRPC's `Compare` answers what `/v1/compare` answers.

use std::collections::HashMap;

use image::{Rgb, RgbImage};
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::grpc_client::{RawClient, Region, code_of, runtime};
use crate::support::parts::{FEW_PIXELS, SIDE, Shot, encode, png};
use crate::support::server::{Server, base64, success};

/// The messages of the call, as a client generates them.
#[derive(Clone, PartialEq, prost::Message)]
struct CompareRequest {
    #[prost(string, tag = "2")]
    reference: String,
    #[prost(bytes = "vec", repeated, tag = "3")]
    references: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    images: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "5")]
    statements: Vec<Statement>,
    #[prost(int32, tag = "6")]
    map: i32,
    #[prost(uint32, tag = "9")]
    resolution: u32,
    #[prost(bytes = "vec", tag = "10")]
    mask: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Statement {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(string, optional, tag = "2")]
    reference_text: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CompareResponse {
    #[prost(message, optional, tag = "2")]
    reference: Option<UsedReference>,
    #[prost(message, repeated, tag = "3")]
    results: Vec<Comparison>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UsedReference {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint64, tag = "2")]
    version: u64,
    #[prost(uint32, tag = "3")]
    images: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Comparison {
    #[prost(message, optional, tag = "1")]
    changed: Option<Changed>,
    #[prost(message, optional, tag = "2")]
    registration: Option<Registration>,
    #[prost(message, repeated, tag = "3")]
    regions: Vec<Region>,
    #[prost(message, repeated, tag = "4")]
    statements: Vec<JudgedStatement>,
    #[prost(bytes = "vec", tag = "5")]
    map: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Changed {
    #[prost(double, tag = "1")]
    score: f64,
    #[prost(double, tag = "2")]
    rank: f64,
    #[prost(map = "string, double", tag = "3")]
    parts: HashMap<String, f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Registration {
    #[prost(int32, tag = "1")]
    status: i32,
    #[prost(double, tag = "2")]
    score: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct JudgedStatement {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(double, tag = "3")]
    score: f64,
}

fn near(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
        "{found} {expected}"
    );
}

#[test]
fn grpc_answers_what_rest_answers() {
    let server = Server::start();
    let shot = |seed, scratched| {
        png(Shot {
            seed,
            scratched,
            ..Shot::default()
        })
    };
    let (good, image) = (shot(1, false), shot(2, true));
    let texts = ["a scratched plate", "an undamaged plate"];
    let body = json!({
        "references": [base64(&good)],
        "images": [base64(&image)],
        "statements": [{"text": texts[0], "reference_text": texts[1]}, {"text": texts[1]}],
        "map": true,
    });
    let expected = success(server.post("/v1/compare", &body));
    let expected = &expected["results"][0];
    success(
        server
            .client
            .put(format!("{}/v1/references/plate", server.url))
            .json(&json!({"images": [base64(&good)]}))
            .send()
            .unwrap(),
    );
    let request = |reference: &str, map, images: &[Vec<u8>]| CompareRequest {
        reference: reference.to_owned(),
        references: if reference.is_empty() {
            vec![good.clone()]
        } else {
            Vec::new()
        },
        images: images.to_vec(),
        statements: vec![
            Statement {
                text: texts[0].to_owned(),
                reference_text: Some(texts[1].to_owned()),
            },
            Statement {
                text: texts[1].to_owned(),
                reference_text: None,
            },
        ],
        map,
        ..CompareRequest::default()
    };
    let left = RgbImage::from_fn(SIDE, SIDE, |x, _| {
        Rgb([if x < SIDE / 2 { 255 } else { 0 }; 3])
    });
    let mask = encode(&left);
    let mut masked = body.clone();
    masked["mask"] = json!(base64(&mask));
    masked["resolution"] = json!(FEW_PIXELS);
    let masked = success(server.post("/v1/compare", &masked));
    let masked_score = &masked["results"][0]["changed"]["score"];
    assert_ne!(masked_score, &expected["changed"]["score"]);
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let path = "/clip_in.v1.ClipIn/Compare";
        for name in ["", "plate"] {
            let message = request(name, 1, std::slice::from_ref(&image)).encode_to_vec();
            let answer = client.unary(path, message.into()).await.unwrap();
            let answer = CompareResponse::decode(answer).unwrap();
            let used = answer.reference.unwrap();
            assert_eq!((used.name.as_str(), used.images), (name, 1));
            assert_eq!(used.version, u64::from(!name.is_empty()));
            let found = &answer.results[0];
            let changed = found.changed.as_ref().unwrap();
            near(changed.score, &expected["changed"]["score"]);
            near(changed.rank, &expected["changed"]["rank"]);
            let parts = expected["changed"]["parts"].as_object().unwrap();
            assert_eq!(changed.parts.len(), parts.len());
            for (part, value) in parts {
                near(changed.parts[part], value);
            }
            let registration = found.registration.as_ref().unwrap();
            let status = ["unspecified", "aligned", "identity", "pose"];
            let status = status[usize::try_from(registration.status).unwrap()];
            assert_eq!(status, expected["registration"]["status"]);
            near(registration.score, &expected["registration"]["score"]);
            let regions = expected["regions"].as_array().unwrap();
            assert!(!regions.is_empty());
            assert_eq!(found.regions.len(), regions.len());
            for (found, expected) in found.regions.iter().zip(regions) {
                let found = [found.x, found.y, found.width, found.height];
                for (found, side) in found.into_iter().zip(["x", "y", "width", "height"]) {
                    assert_eq!(u64::from(found), expected[side].as_u64().unwrap());
                }
            }
            let statements = expected["statements"].as_array().unwrap();
            assert_eq!(found.statements.len(), 2);
            for (found, expected) in found.statements.iter().zip(statements) {
                assert_eq!(found.index, expected["index"]);
                assert_eq!(found.text, expected["text"]);
                near(found.score, &expected["score"]);
            }
            assert_eq!(base64(&found.map), expected["map"]);
        }
        let looked = CompareRequest {
            resolution: FEW_PIXELS,
            mask: mask.clone(),
            ..request("", 0, std::slice::from_ref(&image))
        };
        let answer = client.unary(path, looked.encode_to_vec().into()).await;
        let answer = CompareResponse::decode(answer.unwrap()).unwrap();
        let changed = answer.results[0].changed.as_ref().unwrap();
        near(changed.score, masked_score);
        let of_a_stored_one = CompareRequest {
            resolution: FEW_PIXELS,
            ..request("plate", 0, std::slice::from_ref(&image))
        };
        for (wrong, code) in [
            (of_a_stored_one, "invalid_request"),
            (
                request("", 9, std::slice::from_ref(&image)),
                "invalid_request",
            ),
            (request("", 0, &[]), "no_images"),
            (
                request("nothing", 0, std::slice::from_ref(&image)),
                "reference_not_found",
            ),
        ] {
            let error = client
                .unary(path, wrong.encode_to_vec().into())
                .await
                .unwrap_err();
            assert_eq!(code_of(&error), code);
        }
    });
}
