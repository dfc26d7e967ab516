//! Models that are replaced or unloaded while they are in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clip_in::engine::{
    CpuPool, EmbedError, EmbedOptions, EngineError, EngineSettings, Item, Loader, Model, Registry,
};
use clip_in::telemetry::Metrics;

use crate::support::server::models::{
    DEMO, answer, delete, different, load, named, names, question, wait_for, with_admin,
};
use crate::support::server::{demo, distance, failure, success, threads};
use serde_json::json;

#[test]
fn a_model_is_replaced_under_load_without_an_error() {
    const CLIENTS: usize = 16;
    let root = tempfile::tempdir().unwrap();
    let first = named(&root.path().join("first"), "swapped");
    different(&root.path().join("second"), "swapped");
    let server = with_admin(&root, &[&first], &["--workers", "2", "--queue", "100000"]);
    let ask = || server.post("/v1/similarity", &question(Some("swapped")));
    let before = answer(&success(ask()));
    let described = success(load(&server, "second"));
    assert_eq!(
        (&described["id"], &described["replaced"]),
        (&json!("swapped"), &json!(true))
    );
    assert_eq!(described["similarity"]["logit_scale"], 10.0);
    assert_eq!(described["default"], true);
    let after = answer(&success(ask()));
    assert!(
        distance(&before, &after) > 1e-2,
        "the two models cannot be distinguished"
    );

    let stop = AtomicBool::new(false);
    let counts: Vec<[usize; 2]> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (server, stop) = (&server, &stop);
                scope.spawn(move || {
                    let mut counts = [0; 2];
                    while !stop.load(Ordering::Relaxed) {
                        // Texts that are not cached, so that the text encoder is used too.
                        let mut body = question(None);
                        let new = format!("client {client}, request {}", counts[0] + counts[1]);
                        body["texts"] = json!(["a red bolt", new]);
                        let found = answer(&success(server.post("/v1/similarity", &body)));
                        let of = |model: &[f32; 2]| distance(&found, model) < 1e-3;
                        assert!(
                            of(&before) || of(&after),
                            "{found:?} is neither model's answer"
                        );
                        counts[usize::from(of(&after))] += 1;
                    }
                    counts
                })
            })
            .collect();
        for path in ["first", "second"].into_iter().cycle().take(8) {
            assert_eq!(success(load(&server, path))["replaced"], true);
        }
        stop.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    let total = counts
        .iter()
        .fold([0; 2], |sum, n| [sum[0] + n[0], sum[1] + n[1]]);
    assert!(
        total[0] > 0 && total[1] > 0,
        "{total:?} answers of the two models"
    );
    wait_for("the end of the old workers", || {
        server.threads("worker-") == 2
    });
    wait_for("the end of those who wait for them", || {
        server.threads("retire") == 0
    });
    assert_eq!(
        server.metric("clip_in_queue_items{lane=\"interactive\"}"),
        0.0
    );
    assert_eq!(answer(&success(ask())), after);
}

#[test]
fn an_unloaded_model_answers_what_it_accepted() {
    let root = tempfile::tempdir().unwrap();
    named(&root.path().join("guest"), "guest");
    let server = with_admin(
        &root,
        &[&demo()],
        &["--workers", "1", "--max-batch-texts", "1"],
    );
    success(load(&server, "guest"));
    let texts: Vec<String> = (0..400)
        .map(|i| format!("a plate with {i} holes and a long scratch"))
        .collect();
    let body = json!({"model": "guest", "input": texts});
    std::thread::scope(|scope| {
        let client = scope.spawn(|| server.post("/v1/embeddings", &body));
        wait_for("the work", || {
            server.metric("clip_in_queue_items{lane=\"interactive\"}") > 100.0
        });
        success(delete(&server, "/v1/admin/models/guest"));
        assert!(
            !client.is_finished(),
            "the work ended before the model was unloaded"
        );
        assert_eq!(
            failure(server.post("/v1/embeddings", &body)).1,
            "model_not_found"
        );
        let answer = success(client.join().unwrap());
        assert_eq!(answer["data"].as_array().unwrap().len(), texts.len());
    });
    wait_for("the end of its worker", || server.threads("worker-") == 1);
}

#[test]
fn memory_of_replaced_models_is_freed() {
    let root = tempfile::tempdir().unwrap();
    named(&root.path().join("guest"), "guest");
    let server = with_admin(&root, &[&demo()], &["--workers", "2"]);
    let change = || {
        success(load(&server, "guest"));
        wait_for("the end of the old workers", || {
            server.threads("worker-") == 4
        });
    };
    (0..4).for_each(|_| change());
    let early = server.resident_bytes();
    (0..8).for_each(|_| change());
    let grown = server.resident_bytes().saturating_sub(early);
    // A model takes about 50 MiB here: eight remaining ones would take 400.
    assert!(
        grown < 200 << 20,
        "eight replaced models left {} MiB",
        grown >> 20
    );

    success(delete(&server, "/v1/admin/models/guest"));
    wait_for("the end of the workers", || server.threads("worker-") == 2);
    assert_eq!(names(&server), [DEMO]);
}

#[test]
fn one_load_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    named(&root.path().join("guest"), "guest");
    let server = with_admin(&root, &[&demo()], &["--workers", "1"]);
    let codes: Vec<String> = std::thread::scope(|scope| {
        let loads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| load(&server, "guest")))
            .collect();
        let answers = loads.into_iter().map(|load| load.join().unwrap());
        answers
            .map(|answer| match answer.status().as_u16() {
                200 => "loaded".to_owned(),
                409 => failure(answer).1,
                status => panic!("{status}"),
            })
            .collect()
    });
    assert!(codes.contains(&"loaded".to_owned()), "{codes:?}");
    assert!(codes.contains(&"load_in_progress".to_owned()), "{codes:?}");
    assert_eq!(names(&server), [DEMO, "guest"]);
}

#[tokio::test]
async fn requests_that_hold_an_old_model_are_answered_by_it() {
    let root = tempfile::tempdir().unwrap();
    let first = named(&root.path().join("first"), "swapped");
    let second = different(&root.path().join("second"), "swapped");
    let metrics = Arc::new(Metrics::new().unwrap());
    let loader = Loader {
        precision: "fp32".to_owned(),
        settings: EngineSettings {
            workers: Some(2),
            ..EngineSettings::default()
        },
        pool: CpuPool::new(1, metrics.clone()).unwrap(),
        metrics,
    };
    // A different text each time: a cached one needs no worker.
    let ask = async |model: &Model, text: &str| {
        let items = vec![Item::Text(text.to_owned())];
        let answer = model.embed(items, EmbedOptions::default()).await;
        answer.map(|encodings| encodings.len())
    };
    let workers = || threads("self", "worker-");
    let registry = Registry::open(&[first], vec![], loader).unwrap();
    let old = registry.get("swapped").unwrap();
    let before = 2;
    // A thread gets its name a moment after its start.
    wait_for("the workers", || workers() == before);
    assert!(registry.load(&second, |_| ()).unwrap().replaced);
    let new = registry.default_model();
    assert!(!Arc::ptr_eq(&old, &new));

    // The items reach the queue only after the model was removed from the list.
    assert_eq!(ask(&old, "late").await, Ok(1));
    wait_for("both models' workers", || workers() == 2 * before);
    drop(old);
    wait_for("the end of the old workers", || workers() == before);
    assert_eq!(ask(&new, "new").await, Ok(1));

    // A stop also ends models that a request still holds.
    registry.load(&second, |_| ()).unwrap();
    registry.stop();
    assert_eq!(workers(), 0);
    let stopping = Err(EmbedError::Engine(EngineError::Stopping));
    assert_eq!(ask(&new, "too late").await, stopping);
    assert!(registry.load(&second, |_| ()).is_err());
    wait_for("the end of the refused model", || workers() == 0);
}
