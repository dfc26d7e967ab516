//! gRPC's `Inspect` and `InspectStream`: what they answer is what is stored.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use prost::Message;
use serde_json::{Value, json};

use crate::support::grpc_client::{RawClient, Region, code_of, runtime};
use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::server::{Server, base64, success};

const INSPECT: &str = "/clip_in.v1.ClipIn/Inspect";
const STREAM: &str = "/clip_in.v1.ClipIn/InspectStream";

/// The messages of the calls, as a client generates them.
#[derive(Clone, PartialEq, Message)]
struct InspectRequest {
    #[prost(string, tag = "1")]
    line: String,
    #[prost(bytes = "vec", repeated, tag = "2")]
    images: Vec<Vec<u8>>,
    #[prost(string, optional, tag = "3")]
    part: Option<String>,
    #[prost(string, optional, tag = "5")]
    station: Option<String>,
    #[prost(uint64, optional, tag = "6")]
    trigger: Option<u64>,
    #[prost(string, optional, tag = "7")]
    idempotency_key: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Inspection {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint64, tag = "3")]
    version: u64,
    #[prost(int32, tag = "6")]
    decision: i32,
    #[prost(string, repeated, tag = "7")]
    reasons: Vec<String>,
    #[prost(double, optional, tag = "8")]
    score: Option<f64>,
    #[prost(double, optional, tag = "9")]
    p_ok: Option<f64>,
    #[prost(message, repeated, tag = "12")]
    statements: Vec<InspectedStatement>,
    #[prost(message, repeated, tag = "13")]
    regions: Vec<InspectedRegion>,
    #[prost(uint64, tag = "14")]
    missed_triggers: u64,
    #[prost(bool, tag = "16")]
    duplicate: bool,
}

#[derive(Clone, PartialEq, Message)]
struct InspectedStatement {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct InspectedRegion {
    #[prost(uint32, tag = "1")]
    image: u32,
    #[prost(message, optional, tag = "2")]
    region: Option<Region>,
}

#[derive(Clone, PartialEq, Message)]
struct InspectStreamResponse {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(message, optional, tag = "2")]
    inspection: Option<Inspection>,
    #[prost(message, optional, tag = "3")]
    error: Option<StreamError>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamError {
    #[prost(string, tag = "1")]
    code: String,
}

fn picture(seed: u64, scratched: bool) -> Vec<u8> {
    png(Shot {
        seed,
        scratched,
        ..Shot::default()
    })
}

/// A line that is not calibrated.
fn with_line(arguments: &[&str]) -> Server {
    let server = Server::start_with(arguments);
    let statements = json!([{"text": "a scratched plate", "kind": "scratch"}]);
    let body = json!({"references": [base64(&picture(1, false))], "resolution": FEW_PIXELS, "statements": statements});
    let url = format!("{}/v1/lines/board", server.url);
    let answer = server.client.put(url).json(&body).send().unwrap();
    assert_eq!(answer.status(), 201);
    server
}

fn part(seed: u64) -> InspectRequest {
    InspectRequest {
        line: "board".to_owned(),
        images: vec![picture(seed, true)],
        ..InspectRequest::default()
    }
}

fn stored(server: &Server) -> Vec<Value> {
    let page = success(server.get("/v1/lines/board/inspections"));
    page["data"].as_array().unwrap().clone()
}

#[test]
fn an_inspection_is_stored_once_and_is_what_rest_says() {
    let state = tempfile::tempdir().unwrap();
    let server = with_line(&["--state", state.path().to_str().unwrap()]);
    let first = runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let asked = InspectRequest {
            part: Some("0001".to_owned()),
            trigger: Some(7),
            idempotency_key: Some("a key".to_owned()),
            ..part(2)
        };
        let mut answers = Vec::new();
        for _ in 0..2 {
            let answer = client.unary(INSPECT, asked.encode_to_vec().into()).await;
            answers.push(Inspection::decode(answer.unwrap()).unwrap());
        }
        let [first, again] = [&answers[0], &answers[1]];
        assert!(!first.duplicate && again.duplicate);
        assert_eq!(first.id, again.id);
        assert_eq!((first.decision, first.version), (3, 1));
        assert_eq!(first.reasons, ["not calibrated"]);
        assert_eq!(first.statements[0].kind, "scratch");

        let nowhere = InspectRequest {
            line: "nothing".to_owned(),
            ..part(2)
        };
        let empty = InspectRequest {
            images: Vec::new(),
            ..part(2)
        };
        let other = InspectRequest {
            idempotency_key: Some("a key".to_owned()),
            ..part(3)
        };
        let beyond = InspectRequest {
            trigger: Some(u64::MAX),
            ..part(2)
        };
        for (wrong, code) in [
            (nowhere, "line_not_found"),
            (empty, "no_images"),
            (other, "idempotency_key_reused"),
            (beyond, "invalid_request"),
        ] {
            let error = client
                .unary(INSPECT, wrong.encode_to_vec().into())
                .await
                .unwrap_err();
            assert_eq!(code_of(&error), code);
        }
        answers.swap_remove(0)
    });
    let kept = success(server.get(&format!("/v1/inspections/{}", first.id)));
    assert_eq!(kept["part"], "0001");
    assert_eq!(kept["score"].as_f64(), first.score);
    assert!(first.score.unwrap() > 0.0 && first.p_ok.is_none());
    assert_eq!(kept["statements"][0]["text"], first.statements[0].text);
    let regions = kept["regions"].as_array().unwrap();
    assert!(!regions.is_empty());
    assert_eq!(regions.len(), first.regions.len());
    for (region, found) in regions.iter().zip(&first.regions) {
        let place = found.region.as_ref().unwrap();
        assert_eq!(region["image"], found.image);
        assert_eq!(
            (&region["x"], &region["width"]),
            (&json!(place.x), &json!(place.width))
        );
    }
    assert_eq!(stored(&server).len(), 1);
}

#[test]
fn a_camera_s_stream_is_answered_in_order_and_survives_a_broken_picture() {
    let state = tempfile::tempdir().unwrap();
    let server = with_line(&["--state", state.path().to_str().unwrap()]);
    let triggered = |seed: u64, trigger| InspectRequest {
        station: Some("left".to_owned()),
        trigger: Some(trigger),
        ..part(seed)
    };
    let broken = InspectRequest {
        images: vec![b"no image".to_vec()],
        ..part(9)
    };
    let messages = [triggered(2, 1), triggered(3, 2), broken, triggered(4, 5)];
    let answers: Vec<_> = runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let sent: Vec<Bytes> = messages
            .iter()
            .map(|message| message.encode_to_vec().into())
            .collect();
        let answers = client.streaming(STREAM, stream::iter(sent)).await.unwrap();
        answers
            .map(|answer| InspectStreamResponse::decode(answer.unwrap()).unwrap())
            .collect()
            .await
    });
    let places: Vec<_> = answers.iter().map(|answer| answer.index).collect();
    assert_eq!(places, [0, 1, 2, 3]);
    let missed: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.inspection.as_ref())
        .map(|inspection| inspection.missed_triggers)
        .collect();
    // 3 and 4 are missing before 5.
    assert_eq!(missed, [0, 0, 2]);
    assert_eq!(
        answers[2].error.as_ref().unwrap().code,
        "image_unknown_format"
    );
    let mut ids: Vec<_> = stored(&server)
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    let answered: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.inspection.as_ref())
        .map(|inspection| inspection.id.clone())
        .collect();
    assert_eq!(ids, answered);
}
