//! Images named by URL: fetched from listed hosts, and from no others.

use crate::support::image_origin::Origin;
use crate::support::image_origin::server::{PICTURE, fetches, image, launch, of, origin, server};
use crate::support::server;
use crate::support::server::certificates::Authority;
use crate::support::server::{
    Server, base64, demo, distance, embeddings, failure, fixture, program, success,
};
use serde_json::{Value, json};

#[test]
fn an_image_by_url_is_the_image_wherever_images_are_taken() {
    let origin = origin();
    let server = server(&[of(&origin)], &[]);
    let forms = [base64(&fixture(PICTURE)), origin.url("image.jpg")];
    let [sent, fetched] = forms.clone().map(|form| {
        let embed = |body: Value| embeddings(&success(server.post("/v1/embeddings", &body)));
        let mut found = embed(json!({"input": ["a text", image(&form)]}));
        found.extend(embed(json!({"input": [&form], "modality": "image"})));
        let both = json!({"images": [&form], "texts": ["a red bolt", "a mug"]});
        let similar = success(server.post("/v1/similarity", &both));
        found.push(server::numbers(&similar["scores"][0]));
        let labels = json!({"images": [&form], "labels": ["a red bolt", "a mug"]});
        let classified = success(server.post("/v1/classify", &labels));
        let scores = classified["results"][0]["labels"].as_array().unwrap();
        found.push(scores.iter().map(|l| l["similarity"].as_f64().unwrap() as f32).collect());
        let rank = json!({"query": image(&form), "documents": ["a mug", image(&form)], "return_documents": true});
        let ranked = success(server.post("/v1/rerank", &rank));
        assert_eq!(ranked["results"][0]["index"], 1);
        assert_eq!(ranked["results"][0]["document"], image(&form), "as it came");
        found.push(vec![ranked["results"][0]["relevance_score"].as_f64().unwrap() as f32]);
        found
    });
    assert_eq!(sent.len(), fetched.len());
    for (sent, fetched) in sent.iter().zip(&fetched) {
        assert!(distance(sent, fetched) <= 1e-5);
    }
    // Up to three redirects; surrounding blanks and the case of the scheme do not matter.
    let more = json!({"input": [
        image(&origin.url("hops/3")),
        image(&format!("  {}\n", origin.url("to//image").replace("http:", "HTTP:"))),
    ]});
    for found in embeddings(&success(server.post("/v1/embeddings", &more))) {
        assert!(distance(&found, &sent[1]) <= 1e-5);
    }
    assert!(fetches(&server, "ok") >= 7.0);

    // The same URL many times is fetched once.
    let before = origin.requests();
    let many = json!({"input": vec![image(&origin.url("image")); 50]});
    let many = embeddings(&success(server.post("/v1/embeddings", &many)));
    assert!(many.len() == 50 && distance(&many[49], &sent[1]) <= 1e-5);
    assert_eq!(origin.requests(), before + 1);
}

#[test]
fn a_label_set_keeps_the_images_and_not_their_urls() {
    let origin = origin();
    let state = tempfile::tempdir().unwrap();
    let kept = state.path().to_str().unwrap();
    let server = server(&[of(&origin)], &["--state", kept]);
    let put = |name: &str, image: &str| {
        let labels = json!({"labels": [
            {"label": "this", "images": [image]},
            {"label": "that", "images": [base64(&fixture("rgb.png"))]},
        ]});
        let url = format!("{}/v1/labelsets/{name}", server.url);
        server.client.put(url).json(&labels).send().unwrap()
    };
    success(put("fetched", &origin.url("image")));
    success(put("sent", &base64(&fixture(PICTURE))));
    let classified = ["fetched", "sent"].map(|name| {
        let question = json!({"images": [base64(&fixture(PICTURE))], "labelset": name});
        success(server.post("/v1/classify", &question))["results"].clone()
    });
    assert_eq!(classified[0], classified[1]);
    let file = std::fs::read_to_string(state.path().join("labelsets/fetched.json")).unwrap();
    assert!(!file.contains("http") && file.contains(&base64(&fixture(PICTURE))));
    assert_eq!(
        failure(put("other", &origin.url("not-found"))),
        (
            422,
            "url_fetch_failed".into(),
            Some("labels[0].images[0]".into())
        )
    );
    // Nothing is fetched for an invalid set.
    let before = origin.requests();
    assert_eq!(
        failure(put(".hidden", &origin.url("image"))).1,
        "invalid_labelset_name"
    );
    assert_eq!(origin.requests(), before);
}

#[test]
fn https_uses_the_systems_certificates() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let good = Origin::start_with_tls(fixture(PICTURE), known.server_config());
    let bad = Origin::start_with_tls(fixture(PICTURE), unknown.server_config());
    let plain = origin();
    let hosts: Vec<String> = [&good, &bad, &plain]
        .iter()
        .flat_map(|origin| [of(origin), format!("localhost:{}", origin.port)])
        .collect();
    let proxy = Origin::start(fixture(PICTURE));
    let server = launch(&hosts, &known, |command| {
        command.args(["--image-url-networks", "127.0.0.1"]);
        // Twice the time in which the host without TLS has to be given up, and enough for a busy machine.
        command.args(["--image-url-seconds", "12"]);
        // A proxy would choose the address itself.
        for name in [
            "http_proxy",
            "HTTP_PROXY",
            "https_proxy",
            "HTTPS_PROXY",
            "ALL_PROXY",
        ] {
            command.env(name, format!("http://127.0.0.1:{}", proxy.port));
        }
    });
    let ask = |origin: &Origin, host: &str, path: &str| {
        let url = format!("https://{host}:{}/{path}", origin.port);
        server.post("/v1/embeddings", &json!({"input": [image(&url)]}))
    };
    // By name too: it is resolved, and the connection uses the checked address.
    for host in ["127.0.0.1", "localhost"] {
        success(ask(&good, host, "image"));
    }
    assert_eq!(
        failure(ask(&bad, "localhost", "image")).1,
        "url_fetch_failed"
    );
    assert_eq!(
        failure(ask(&plain, "localhost", "image")).1,
        "url_fetch_failed"
    );
    let down = failure(ask(
        &good,
        "localhost",
        &format!("to/{}", plain.url("image")),
    ));
    assert_eq!(down.1, "url_not_allowed");
    assert_eq!((bad.requests(), plain.requests()), (0, 0));
    let body = json!({"input": [image(&plain.url("image"))]});
    success(server.post("/v1/embeddings", &body));
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_waiting_fetch_delays_nobody() {
    let origin = origin();
    let limits = [
        "--image-url-seconds",
        "50",
        "--prepare-threads",
        "1",
        "--workers",
        "1",
        "--image-url-fetches",
        "4",
        "--queue",
        "8",
    ];
    let server = server(&[of(&origin)], &limits);
    // Each has its own URL: more than may be fetched at a time, and more than the queue has slots.
    let held = |i: usize| image(&origin.url(&format!("held/{i}")));
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..12)
            .map(|i| {
                let (server, item) = (&server, held(i));
                // Fetched at once, on a busy machine they may be more than the queue has slots: then as the answer says.
                scope.spawn(move || {
                    loop {
                        let answer = server.post("/v1/embeddings", &json!({"input": [item]}));
                        if answer.status() != 429 {
                            return success(answer);
                        }
                        std::thread::sleep(std::time::Duration::from_millis(200));
                    }
                })
            })
            .collect();
        server::models::wait_for("the fetches", || origin.requests() == 4);
        let sent = json!({"input": ["a text", image(&base64(&fixture(PICTURE)))]});
        let sent = embeddings(&success(server.post("/v1/embeddings", &sent)));
        // The request's own deadline ends a fetch too.
        let url = format!("{}/v1/embeddings", server.url);
        let late = server.client.post(url).header("x-request-timeout", "0.2");
        let late = late.json(&json!({"input": [held(100)]})).send().unwrap();
        assert_eq!(failure(late).1, "deadline_exceeded");
        assert_eq!(fetches(&server, "abandoned"), 1.0);
        assert_eq!(origin.requests(), 4, "at a time");
        assert!(waiting.iter().all(|request| !request.is_finished()));
        origin.release();
        for request in waiting {
            let fetched = embeddings(&request.join().unwrap());
            assert!(distance(&fetched[0], &sent[1]) <= 1e-5);
        }
    });
}

#[test]
fn fetched_images_have_a_budget() {
    let origin = origin();
    let server = server(
        &[of(&origin)],
        &["--max-body-mib", "1", "--max-image-mib", "1"],
    );
    let ask = |images: usize| {
        let images = (0..images).map(|i| image(&origin.url(&format!("bytes/{}", 600_000 + i))));
        let body = json!({"input": images.collect::<Vec<_>>()});
        failure(server.post("/v1/embeddings", &body))
    };
    // Repeated, because a share that is not released would be missing after four times.
    for _ in 0..12 {
        assert_eq!(ask(1).1, "image_unknown_format");
        let (status, code, _) = ask(3);
        assert_eq!((status, code.as_str()), (413, "body_too_large"));
    }
    // All requests together have four times the largest body: 64 units of 64 KiB. The first unit of each request is
    // free, so seven concurrent ones hold 9 each.
    std::thread::scope(|scope| {
        let held =
            |i: usize| json!({"input": image(&origin.url(&format!("held-bytes/{}", 600_000 + i)))});
        let waiting: Vec<_> = (0..7)
            .map(|i| {
                let server = &server;
                // A request may be refused that arrives while `ask` below holds its units: it asks again.
                scope.spawn(move || {
                    loop {
                        let answer = failure(server.post("/v1/embeddings", &held(i)));
                        if answer.0 != 429 {
                            return answer;
                        }
                    }
                })
            })
            .collect();
        server::models::wait_for("a full budget", || {
            ask(1) == (429, "overloaded".into(), None)
        });
        origin.release();
        for request in waiting {
            assert_eq!(request.join().unwrap().1, "image_unknown_format");
        }
    });
    assert!(fetches(&server, "over_budget") >= 13.0);
    success(server.post(
        "/v1/embeddings",
        &json!({"input": [image(&origin.url("image"))]}),
    ));
}

#[test]
fn urls_need_listed_hosts_and_wrong_settings_are_reported() {
    let origin = origin();
    let server = Server::start_with(&[
        "--image-url-hosts",
        "",
        "--image-url-networks",
        "127.0.0.0/8",
    ]);
    for url in [
        origin.url("image"),
        "HTTPS://example.com/a.png".into(),
        "file:///etc/passwd".into(),
    ] {
        let answer = server.post("/v1/embeddings", &json!({"input": [image(&url)]}));
        let expected = (
            400,
            "url_not_allowed".to_owned(),
            Some("input[0]".to_owned()),
        );
        assert_eq!(failure(answer), expected, "{url}");
    }
    assert_eq!(origin.connections(), 0);
    for (setting, value) in [
        ("--image-url-hosts", "http://example.com"),
        ("--image-url-hosts", "*"),
        ("--image-url-networks", "10.0.0.0/99"),
    ] {
        let mut command = program();
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                setting,
                value,
                "--model",
            ])
            .arg(demo());
        let refused = command.output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && said.contains(setting) && said.contains(value),
            "{said}"
        );
    }
}
