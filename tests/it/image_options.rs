//! Image options of requests, label sets and the server's settings, and the warning if none of them is set.

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};

use crate::support::grpc_client::{RawClient, code_of};
use crate::support::server::{Server, base64, distance, embeddings, failure, fixture, success};

fn case(name: &str) -> Vec<u8> {
    fixture(&format!("../cases/{name}"))
}

fn picture(name: &str) -> Vec<u8> {
    fixture(name)
}

/// Sends one image by the Open Inference Protocol, as bytes after the JSON.
fn infer(server: &Server, image: &[u8], parameters: &Value) -> reqwest::blocking::Response {
    let json = json!({
        "parameters": parameters,
        "inputs": [{
            "name": "image",
            "shape": [1],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": image.len() + 4},
        }],
    });
    let mut body = json.to_string().into_bytes();
    let length = body.len();
    body.extend(u32::try_from(image.len()).unwrap().to_le_bytes());
    body.extend(image);
    let url = format!("{}/v2/models/clip-in-demo/infer", server.url);
    let request = server.client.post(url).body(body);
    let request = request.header("inference-header-content-length", length);
    request.send().unwrap()
}

#[test]
fn the_inference_protocol_has_image_options_as_parameters() {
    let server = Server::start();
    let infer = |image: &[u8], parameters: &Value| infer(&server, image, parameters);
    let ask = |image: &[u8], parameters: &Value| success(infer(image, parameters));
    let values = |answer: &Value| -> Vec<f32> {
        serde_json::from_value(answer["outputs"][0]["data"].clone()).unwrap()
    };
    let nothing = json!({});
    let expected = embedding(&server, &case("mono12-in-16.expected.png"), &nothing);
    let tiff = case("mono12-in-16.tif");
    let dark = ask(&tiff, &nothing);
    assert!(distance(&values(&dark), &expected) > 0.05);
    let warning = dark["parameters"]["warnings"].as_str().unwrap();
    assert!(warning.starts_with("image[0]: ") && warning.contains("value_bits"));
    for bits in [json!(12), json!(12.0), json!("12")] {
        let answer = ask(&tiff, &json!({"value_bits": bits, "alpha": null}));
        assert_same(&values(&answer), &expected, "value_bits");
        assert!(answer.get("parameters").is_none(), "{answer}");
    }
    let on_white = embedding(&server, &case("rgba_hidden_black.on-white.png"), &nothing);
    let white = ask(&case("rgba_hidden_black.png"), &json!({"alpha": "white"}));
    assert_same(&values(&white), &on_white, "alpha");
    let upright = embedding(&server, &case("orientation-6.turned.png"), &nothing);
    let turn = json!({"exif_orientation": true});
    let turned = ask(&picture("orientation-6.png"), &turn);
    assert_same(&values(&turned), &upright, "exif_orientation");
    for (name, wrong) in [
        ("value_bits", json!(7)),
        ("value_bits", json!([12])),
        ("exif_orientation", json!("yes")),
        ("alpha", json!("red")),
        ("alpha", json!("x".repeat(1000))),
    ] {
        let mut parameters = json!({});
        parameters[name] = wrong;
        let response = infer(&tiff, &parameters);
        let status = response.status();
        let error: Value = response.json().unwrap();
        assert_eq!(status, 400, "{error}");
        let message = error["error"].as_str().unwrap();
        assert!(message.contains(&format!("parameters.{name}")), "{message}");
        assert!(message.len() < 300, "{message}");
    }
}

/// The answer to an image and what is said beside it, in JSON.
fn asked(server: &Server, image: &[u8], options: &Value) -> Value {
    let mut body = json!({"input": {"image": base64(image)}});
    for (name, value) in options.as_object().unwrap() {
        body[name] = value.clone();
    }
    success(server.post("/v1/embeddings", &body))
}

fn embedding(server: &Server, image: &[u8], options: &Value) -> Vec<f32> {
    embeddings(&asked(server, image, options)).remove(0)
}

fn assert_same(a: &[f32], b: &[f32], what: &str) {
    assert!(distance(a, b) < 1e-5, "{what}: {}", distance(a, b));
}

fn warning(answer: &Value) -> Option<(&str, &str)> {
    let warning = answer.get("warnings")?.as_array()?.first()?;
    Some((warning["code"].as_str()?, warning["param"].as_str()?))
}

const LOW: &str = "values_in_low_bits";

#[test]
fn twelve_bits_in_sixteen_are_read_by_the_file_or_by_the_request() {
    let server = Server::start();
    let nothing = json!({});
    let expected = embedding(&server, &case("mono12-in-16.expected.png"), &nothing);
    // The PNG contains the number of bits.
    let answer = asked(&server, &case("mono12-in-16.png"), &nothing);
    assert_same(&embeddings(&answer)[0], &expected, "sBIT");
    assert_eq!(warning(&answer), None);
    // A TIFF cannot contain it.
    let tiff = case("mono12-in-16.tif");
    let dark = asked(&server, &tiff, &nothing);
    assert!(distance(&embeddings(&dark)[0], &expected) > 0.05);
    assert_eq!(warning(&dark), Some((LOW, "input[0]")));
    for bits in [json!(12), json!(12.0)] {
        let answer = asked(&server, &tiff, &json!({"value_bits": bits}));
        assert_same(&embeddings(&answer)[0], &expected, "value_bits in JSON");
        assert_eq!(warning(&answer), None);
    }
    // With an explicit option there is no warning.
    let answer = asked(&server, &tiff, &json!({"value_bits": 16}));
    assert_same(&embeddings(&answer)[0], &embeddings(&dark)[0], "16 of 16");
    assert_eq!(warning(&answer), None);
    // Cohere's route.
    let body = json!({"images": [base64(&tiff)], "value_bits": 12});
    let answer = success(server.post("/v2/embed", &body));
    let float = answer["embeddings"]["float"][0].clone();
    let float: Vec<f32> = serde_json::from_value(float).unwrap();
    assert_same(&float, &expected, "/v2/embed");
    assert!(answer["meta"].get("warnings").is_none());
    // A raw image with query parameters, and a form.
    let response = server.post_bytes("/v1/embeddings?value_bits=12", "image/tiff", tiff.clone());
    assert_same(&embeddings(&success(response))[0], &expected, "query");
    let part = reqwest::blocking::multipart::Part::bytes(tiff).file_name("a.tif");
    let form = reqwest::blocking::multipart::Form::new()
        .part("image", part)
        .text("value_bits", "12");
    let url = format!("{}/v1/embeddings", server.url);
    let response = server.client.post(url).multipart(form).send().unwrap();
    assert_same(&embeddings(&success(response))[0], &expected, "form");
}

#[test]
fn every_route_warns_and_names_the_image() {
    let server = Server::start();
    let (dark, fine) = (
        base64(&case("mono12-in-16.tif")),
        base64(&picture("rgb.png")),
    );
    let body = json!({"images": [fine, dark], "texts": ["a red bolt", "a blue mug"]});
    let answer = success(server.post("/v1/similarity", &body));
    assert_eq!(warning(&answer), Some((LOW, "images[1]")));
    let message = answer["warnings"][0]["message"].as_str().unwrap();
    assert!(message.contains("value_bits"), "{message}");
    let body = json!({"images": [fine, dark], "labels": ["a red bolt", "a blue mug"]});
    let answer = success(server.post("/v1/classify", &body));
    assert_eq!(warning(&answer), Some((LOW, "images[1]")));
    let body = json!({"query": "a red bolt", "documents": [{"image": fine}, {"image": dark}]});
    let answer = success(server.post("/v1/rerank", &body));
    assert_eq!(warning(&answer), Some((LOW, "documents[1]")));
    // Cohere's warnings are sentences.
    let answer = success(server.post("/v2/embed", &json!({"images": [fine, dark]})));
    let sentence = answer["meta"]["warnings"][0].as_str().unwrap();
    assert!(
        sentence.starts_with("images[1]: ") && sentence.contains("value_bits"),
        "{sentence}"
    );
    let body = json!({"images": [fine], "texts": ["a red bolt"]});
    let answer = success(server.post("/v1/similarity", &body));
    assert!(answer.get("warnings").is_none());
}

#[test]
fn the_cache_knows_options_and_warnings() {
    let server = Server::start_with(&["--image-cache-mib", "8"]);
    let tiff = case("mono12-in-16.tif");
    for turn in ["first", "cached"] {
        let dark = asked(&server, &tiff, &json!({}));
        assert_eq!(warning(&dark), Some((LOW, "input[0]")), "{turn}");
        let bright = asked(&server, &tiff, &json!({"value_bits": 12}));
        assert_eq!(warning(&bright), None, "{turn}");
        assert!(distance(&embeddings(&dark)[0], &embeddings(&bright)[0]) > 0.05);
    }
    assert!(server.metric("clip_in_image_cache_hits_total") >= 2.0);
}

#[test]
fn transparency_and_exif_follow_the_request() {
    let plain = Server::start();
    let set = Server::start_with(&["--alpha", "white", "--exif-orientation", "true"]);
    let nothing = json!({});
    let clear = case("rgba_hidden_black.png");
    let on_white = embedding(&plain, &case("rgba_hidden_black.on-white.png"), &nothing);
    let dropped = embedding(&plain, &clear, &nothing);
    assert!(distance(&dropped, &on_white) > 0.01);
    for (server, options) in [(&plain, json!({"alpha": "white"})), (&set, nothing.clone())] {
        assert_same(&embedding(server, &clear, &options), &on_white, "white");
    }
    for (server, options) in [(&plain, nothing.clone()), (&set, json!({"alpha": "drop"}))] {
        assert_same(&embedding(server, &clear, &options), &dropped, "drop");
    }
    let upright = embedding(&plain, &case("orientation-6.turned.png"), &nothing);
    for name in [
        "orientation-6.png",
        "orientation-6.webp",
        "orientation-6.jpg",
    ] {
        let file = picture(name);
        let off = |server: &Server, options: &Value| {
            distance(&embedding(server, &file, options), &upright)
        };
        let sideways = off(&plain, &nothing);
        // Compression loses a little; turning changes more.
        let near = if name.ends_with("png") {
            1e-5
        } else {
            sideways / 2.0
        };
        for (server, options) in [
            (&plain, json!({"exif_orientation": true})),
            (&set, nothing.clone()),
        ] {
            let upright = off(server, &options);
            assert!(upright < near, "{name}: {upright}, and {sideways} sideways");
        }
        let unsaid = json!({"exif_orientation": false});
        assert!((off(&set, &unsaid) - sideways).abs() < 1e-5, "{name}");
    }
}

#[test]
fn a_label_set_has_image_options() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start_with(&["--state", state.path().to_str().unwrap()]);
    let (tiff, bright) = (case("mono12-in-16.tif"), case("mono12-in-16.expected.png"));
    let put = |name: &str, body: &Value| {
        let url = format!("{}/v1/labelsets/{name}", server.url);
        server.client.put(url).json(body).send().unwrap()
    };
    // Its example image, and the image that is compared with it.
    let labels = json!([{"label": "part", "images": [base64(&tiff)]}]);
    let set = success(put("line", &json!({"labels": labels, "value_bits": 12})));
    assert_eq!(set["value_bits"], 12);
    let similarity = |query: &str, image: &[u8]| {
        let path = format!("/v1/classify?labelset=line{query}");
        let answer = success(server.post_bytes(&path, "image/tiff", image.to_vec()));
        let similarity = answer["results"][0]["labels"][0]["similarity"].as_f64();
        (similarity.unwrap(), answer.get("warnings").is_some())
    };
    for image in [&tiff, &bright] {
        let (similarity, warned) = similarity("", image);
        assert!(similarity > 0.9999 && !warned, "{similarity}");
    }
    // A request's own option has priority.
    assert!(similarity("&value_bits=16", &tiff).0 < 0.95);
    let (status, code, param) = failure(put("line", &json!({"labels": ["a"], "value_bits": 3})));
    assert_eq!((status, code.as_str()), (400, "invalid_request"));
    assert_eq!(param.as_deref(), Some("value_bits"));
}

#[test]
fn a_wrong_option_is_refused_by_its_name() {
    let server = Server::start();
    let image = base64(&picture("rgb.png"));
    for (name, value) in [
        ("value_bits", json!(7)),
        ("value_bits", json!(17)),
        ("value_bits", json!("12")),
        ("exif_orientation", json!("yes")),
        ("alpha", json!("red")),
    ] {
        for (path, mut body) in [
            ("/v1/embeddings", json!({"input": {"image": image}})),
            ("/v1/similarity", json!({"images": [image], "texts": ["a"]})),
            (
                "/v1/rerank",
                json!({"query": "a", "documents": [{"image": image}]}),
            ),
            ("/v2/embed", json!({"images": [image]})),
        ] {
            body[name] = value.clone();
            let (status, code, param) = failure(server.post(path, &body));
            assert_eq!(
                (status, code.as_str()),
                (400, "invalid_request"),
                "{path} {body}"
            );
            assert_eq!(param.as_deref(), Some(name), "{path}");
        }
    }
    for wrong in [
        "value_bits=x",
        "value_bits=99",
        "exif_orientation=1",
        "alpha=grey",
    ] {
        for path in [
            "/v1/embeddings?",
            "/v1/similarity?text=a&",
            "/v1/classify?label=a&",
        ] {
            let path = format!("{path}{wrong}");
            let response = server.post_bytes(&path, "image/png", picture("rgb.png"));
            let (status, code, param) = failure(response);
            assert_eq!((status, code.as_str()), (400, "invalid_request"), "{path}");
            assert_eq!(param.as_deref(), wrong.split('=').next(), "{path}");
        }
    }
    // Null is the same as a missing option.
    let nulls = json!({"value_bits": null, "exif_orientation": null, "alpha": null});
    asked(&server, &picture("rgb.png"), &nulls);
}

#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(uint32, optional, tag = "1")]
    value_bits: Option<u32>,
    #[prost(bool, optional, tag = "2")]
    exif_orientation: Option<bool>,
    #[prost(int32, tag = "3")]
    alpha: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(bytes = "vec", tag = "2")]
    image: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct EmbedRequest {
    #[prost(message, repeated, tag = "2")]
    items: Vec<Item>,
    #[prost(message, optional, tag = "5")]
    image_options: Option<Options>,
}

#[derive(Clone, PartialEq, Message)]
struct Vector {
    #[prost(float, repeated, tag = "1")]
    values: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct Warning {
    #[prost(string, tag = "1")]
    code: String,
    #[prost(string, tag = "3")]
    param: String,
}

#[derive(Clone, PartialEq, Message)]
struct EmbedResponse {
    #[prost(message, repeated, tag = "2")]
    embeddings: Vec<Vector>,
    #[prost(message, repeated, tag = "4")]
    warnings: Vec<Warning>,
}

#[test]
fn grpc_has_the_same_options_and_warnings() {
    let server = Server::start();
    let expected = embedding(&server, &case("mono12-in-16.expected.png"), &json!({}));
    let on_white = embedding(&server, &case("rgba_hidden_black.on-white.png"), &json!({}));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let mut ask = async |image: Vec<u8>, options: Options| {
            let request = EmbedRequest {
                items: vec![Item { image }],
                image_options: Some(options),
            };
            let message = Bytes::from(request.encode_to_vec());
            let answer = client.unary("/clip_in.v1.ClipIn/Embed", message).await?;
            Ok::<_, tonic::Status>(EmbedResponse::decode(answer).unwrap())
        };
        let tiff = case("mono12-in-16.tif");
        let dark = ask(tiff.clone(), Options::default()).await.unwrap();
        assert_eq!(dark.warnings[0].code, LOW);
        assert_eq!(dark.warnings[0].param, "items[0]");
        let twelve = Options {
            value_bits: Some(12),
            ..Options::default()
        };
        let bright = ask(tiff.clone(), twelve).await.unwrap();
        assert!(bright.warnings.is_empty());
        assert_same(&bright.embeddings[0].values, &expected, "value_bits");
        let white = Options {
            alpha: 2,
            ..Options::default()
        };
        let clear = case("rgba_hidden_black.png");
        let white = ask(clear, white).await.unwrap();
        assert_same(&white.embeddings[0].values, &on_white, "alpha");
        let wrong = Options {
            value_bits: Some(40),
            ..Options::default()
        };
        let status = ask(tiff, wrong).await.unwrap_err();
        assert_eq!(code_of(&status), "invalid_request");
        let param = status.metadata().get("x-clip-in-param").unwrap();
        assert_eq!(param, "image_options.value_bits");
    });
}
