//! A label set keeps its vectors for several models.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::server::models::{DEMO, load, named, quantised, question, serve, with_admin};
use crate::support::server::{Server, demo, fixture, success};

/// The log line of embedding a set that has no vectors for a model.
const EMBEDDING: &str = "embedding a label set for another model";

fn put(server: &Server) {
    let definition = json!({"labels": ["a red bolt", "a blue mug"], "threshold": 0.5});
    let url = format!("{}/v1/labelsets/parts", server.url);
    success(server.client.put(url).json(&definition).send().unwrap());
}

fn classify(server: &Server) -> Value {
    let image = fixture("420-large.jpg");
    success(server.post_bytes("/v1/classify?labelset=parts", "image/jpeg", image))
}

/// The image's cosine to each label, in the order of the set.
fn cosines(classified: &Value) -> [f64; 2] {
    let mut found = [0.0; 2];
    for label in classified["results"][0]["labels"].as_array().unwrap() {
        found[label["index"].as_u64().unwrap() as usize] = label["similarity"].as_f64().unwrap();
    }
    found
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).abs().max((a[1] - b[1]).abs())
}

fn times_embedded(server: &Server) -> usize {
    server.log().matches(EMBEDDING).count()
}

fn stored(state: &Path) -> Value {
    let text = std::fs::read(state.join("labelsets/parts.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The names of the models with vectors in a file, the last one first.
fn models_in(stored: &Value) -> Vec<&str> {
    let before = stored["embedded_before"].as_array();
    let last_first = before.into_iter().flatten().rev();
    let all = std::iter::once(&stored["embedded"]).chain(last_first);
    all.map(|one| one["model"].as_str().unwrap()).collect()
}

#[test]
fn two_versions_of_a_model_embed_a_set_once_each() {
    let root = tempfile::tempdir().unwrap();
    let first = named(&root.path().join("first"), "swapped");
    quantised(&root.path().join("second"), "swapped");
    let server = with_admin(&root, &[&first], &["--workers", "1"]);
    put(&server);
    let of_first = classify(&server);
    assert_eq!(times_embedded(&server), 0);
    success(load(&server, "second"));
    let of_second = classify(&server);
    let [first_cosines, second_cosines] = [&of_first, &of_second].map(cosines);
    let apart = distance(first_cosines, second_cosines);
    assert!(apart > 1e-4, "the models cannot be distinguished: {apart}");
    server.log_with(EMBEDDING);
    // Clients ask while the versions replace each other: some requests still hold the old one.
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..40 {
                        let found = cosines(&classify(&server));
                        let to = |model| distance(found, model);
                        let off = to(first_cosines).min(to(second_cosines));
                        assert!(off < apart / 10.0, "{off} from both models' answers");
                    }
                })
            })
            .collect();
        for path in ["first", "second"].into_iter().cycle().take(4) {
            success(load(&server, path));
        }
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
    });
    success(load(&server, "first"));
    assert!(distance(cosines(&classify(&server)), first_cosines) < apart / 10.0);
    assert_eq!(times_embedded(&server), 1);
}

#[test]
fn two_models_beside_each_other_use_a_set_in_turn() {
    let (root, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other = quantised(&root.path().join("other"), "other");
    let start = |models: [&Path; 2]| {
        let arguments = ["--workers", "1", "--state", state.path().to_str().unwrap()];
        let server = Server::launch(&mut serve(&models, &arguments));
        // Both models are loaded.
        for model in [DEMO, "other"] {
            success(server.post("/v1/similarity", &question(Some(model))));
        }
        server
    };
    let (demo_first, other_first) = ([demo(), other.clone()], [other, demo()]);
    // A set without a model is for the default one, which is the first.
    let paths = |models: &[std::path::PathBuf; 2]| start([&models[0], &models[1]]);
    let server = paths(&demo_first);
    put(&server);
    let of_demo = classify(&server);
    assert_eq!(of_demo["model"], DEMO);
    drop(server);

    let server = paths(&other_first);
    assert_eq!(times_embedded(&server), 1);
    let of_other = classify(&server);
    assert_eq!(of_other["model"], "other");
    drop(server);
    assert_eq!(models_in(&stored(state.path())), ["other", DEMO]);

    for (models, expected) in [(&demo_first, &of_demo), (&other_first, &of_other)] {
        let server = paths(models);
        assert_eq!(&classify(&server), expected);
        // The answer names the model that uses the set, not the one that embedded it last.
        let set = success(server.get("/v1/labelsets/parts"));
        assert_eq!(set["model"], expected["model"]);
        assert_eq!(times_embedded(&server), 0);
    }
}

#[test]
fn a_file_with_the_vectors_of_one_model_is_read() {
    let state = tempfile::tempdir().unwrap();
    let start = || {
        let arguments = ["--workers", "1", "--state", state.path().to_str().unwrap()];
        Server::launch(&mut serve(&[&demo()], &arguments))
    };
    let server = start();
    put(&server);
    let before = classify(&server);
    drop(server);
    // The file as an earlier program wrote it.
    let stored = stored(state.path());
    let mut of_one_model = json!({});
    for field in ["definition", "created", "embedded"] {
        of_one_model[field] = stored[field].clone();
    }
    let file = state.path().join("labelsets/parts.json");
    std::fs::write(file, of_one_model.to_string()).unwrap();
    let server = start();
    assert_eq!(classify(&server), before);
    assert_eq!(times_embedded(&server), 0);
}
