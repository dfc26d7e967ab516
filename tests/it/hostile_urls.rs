//! URLs as an attack on the network, and hosts as an attack on the server.

use std::time::{Duration, Instant};

use crate::support::image_origin::server::{fetches, image, launch, of, origin, server};
use crate::support::server::certificates::Authority;
use crate::support::server::{base64, failure, fixture, success};
use serde_json::json;

#[test]
fn forbidden_addresses_are_never_connected_to() {
    let canary = origin();
    let port = canary.port;
    // All are listed, so only their addresses exclude them; none is in a permitted network.
    let hosts = [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
    ];
    let mut hosts = hosts.map(|host| format!("{host}:{port}")).to_vec();
    hosts.extend(
        [
            "169.254.169.254",
            "10.0.0.1",
            "192.168.0.1",
            "[fd00:ec2::254]",
            "*.example.com",
        ]
        .map(String::from),
    );
    let server = launch(&hosts, &Authority::new(), |_| {});
    let here = [
        "http://127.0.0.1:PORT/image",
        "HTTP://127.0.0.1:PORT/image",
        "https://127.0.0.1:PORT/image",
        // Other spellings of 127.0.0.1
        "http://2130706433:PORT/image",
        "http://017700000001:PORT/image",
        "http://0x7f000001:PORT/image",
        "http://0x7f.1:PORT/image",
        "http://0177.0.0.1:PORT/image",
        "http://127.1:PORT/image",
        "http://127.0.1:PORT/image",
        "http://127.0.0.1.:PORT/image",
        "http://%31%32%37.0.0.1:PORT/image",
        "http://１２７.０.０.１:PORT/image",
        "http://127。0。0。1:PORT/image",
        "http://①②⑦.0.0.1:PORT/image",
        "http:127.0.0.1:PORT/image",
        "http:/127.0.0.1:PORT/image",
        "http:///127.0.0.1:PORT/image",
        "http:\\\\127.0.0.1:PORT\\image",
        "http://127.0.0.1:PORT/image\r\nx-injected: 1",
        "http://127.0.0.2:PORT/image",
        "http://0.0.0.0:PORT/image",
        "http://0:PORT/image",
        // IPv6, and IPv4 in it
        "http://[::1]:PORT/image",
        "http://[0:0:0:0:0:0:0:1]:PORT/image",
        "http://[::]:PORT/image",
        "http://[::ffff:127.0.0.1]:PORT/image",
        "http://[::ffff:7f00:1]:PORT/image",
        "http://[::127.0.0.1]:PORT/image",
        "http://[64:ff9b::7f00:1]:PORT/image",
        "http://[2002:7f00:1::]:PORT/image",
        "http://[fe80::1%25lo]:PORT/image",
        "http://[::1:PORT/image",
        // A name of this machine
        "http://localhost:PORT/image",
        "http://LOCALHOST:PORT/image",
        "http://localhost.:PORT/image",
        "http://localhost.localdomain:PORT/image",
        // Ambiguous hosts
        "http://user@127.0.0.1:PORT/image",
        "http://user:password@127.0.0.1:PORT/image",
        "http://:@127.0.0.1:PORT/image",
        "http://www.example.com@127.0.0.1:PORT/image",
        "http://www.example.com:80@127.0.0.1:PORT/image",
        "http://127.0.0.1:PORT@www.example.com/image",
        "http://127.0.0.1:PORT\\@www.example.com/image",
        "http://127.0.0.1:PORT#@www.example.com/image",
        "http://127.0.0.1%00.example.com:PORT/image",
        "http://127.0.0.1:PORT:80/image",
        "http://127.0.0.1 .example.com:PORT/image",
        // Private networks, and metadata services of clouds
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://10.0.0.1/image",
        "http://192.168.0.1/image",
        // Hosts that are not listed
        "http://unlisted.example/image",
        "http://example.com/image",
        "http://www.example.com:8080/image",
        "http://www.example.com./image",
        "http://127.0.0.1/image",
        "http://127.0.0.1:99999/image",
        // Other schemes
        "ftp://127.0.0.1:PORT/image",
        "gopher://127.0.0.1:PORT/_GET",
        "dict://127.0.0.1:PORT/x",
        "ws://127.0.0.1:PORT/image",
        "file:///etc/passwd",
        "file://127.0.0.1/etc/passwd",
        "unix:/run/docker.sock",
        "jar:http://127.0.0.1:PORT/image!/x",
        "javascript:fetch('http://127.0.0.1:PORT/')",
        "data:text/html,http://127.0.0.1:PORT/",
        "//127.0.0.1:PORT/image",
        "http://",
        "http:",
    ];
    let good = image(&base64(&fixture("rgb.png")));
    for hostile in here {
        let url = hostile.replace("PORT", &port.to_string());
        let body = json!({"input": [good, image(&url)]});
        let (status, code, param) = failure(server.post("/v1/embeddings", &body));
        let known = ["url_not_allowed", "url_invalid", "invalid_base64"];
        assert!(known.contains(&code.as_str()), "{url}: {status} {code}");
        assert_eq!(
            (status, param.as_deref()),
            (400, Some("input[1]")),
            "{url}: {code}"
        );
    }
    let long = format!("http://www.example.com/{}", "a".repeat(10_000));
    let answer = server.post("/v1/embeddings", &json!({"input": [image(&long)]}));
    assert_eq!(failure(answer).1, "url_invalid");
    assert_eq!(canary.connections(), 0, "of {} URLs", here.len());
    success(server.post("/v1/embeddings", &json!({"input": good})));
}

#[test]
fn a_misbehaving_host_fails_its_item_only() {
    let (origin, canary) = (origin(), origin());
    let forbidden = canary.port;
    // The canary's address 127.0.0.2 is listed but in no permitted network; 127.0.0.1 is in one but not listed.
    let hosts = [
        of(&origin),
        format!("127.0.0.2:{forbidden}"),
        format!("[::1]:{forbidden}"),
        format!("localhost:{}", origin.port),
        "no-such-name.invalid".to_owned(),
    ];
    let limits = ["--image-url-seconds", "2", "--max-image-mib", "1"];
    let server = server(&hosts, &limits);
    let to = |location: &str| format!("to/{}", location.replace("PORT", &forbidden.to_string()));
    let cases: Vec<(String, &[&str])> = vec![
        // Redirects to forbidden URLs
        (to("http://127.0.0.1:PORT/image"), &["url_not_allowed"]),
        (to("//127.0.0.1:PORT/image"), &["url_not_allowed"]),
        (to("http://127.0.0.2:PORT/image"), &["url_not_allowed"]),
        (to("http://2130706434:PORT/image"), &["url_not_allowed"]),
        (
            to("http://[::ffff:127.0.0.2]:PORT/image"),
            &["url_not_allowed"],
        ),
        (to("http://[::1]:PORT/image"), &["url_not_allowed"]),
        (to("http://localhost:PORT/image"), &["url_not_allowed"]),
        (
            to("http://user:password@127.0.0.1:PORT/image"),
            &["url_not_allowed"],
        ),
        (
            to("http://169.254.169.254/latest/meta-data/"),
            &["url_not_allowed"],
        ),
        (to("http://unlisted.example/image"), &["url_not_allowed"]),
        (to("file:///etc/passwd"), &["url_not_allowed"]),
        (to("gopher://127.0.0.1:PORT/_GET"), &["url_not_allowed"]),
        (to("data:image/png;base64,AAAA"), &["url_not_allowed"]),
        (to("http://["), &["url_fetch_failed"]),
        (to(""), &["url_fetch_failed"]),
        // Endless redirects
        ("loop".into(), &["url_fetch_failed"]),
        ("hops/4".into(), &["url_fetch_failed"]),
        ("nowhere".into(), &["url_fetch_failed"]),
        // Not an image
        ("not-found".into(), &["url_fetch_failed"]),
        ("broken-host".into(), &["url_fetch_failed"]),
        ("password".into(), &["url_fetch_failed"]),
        ("part".into(), &["url_fetch_failed"]),
        ("compressed".into(), &["url_fetch_failed"]),
        ("garbage".into(), &["url_fetch_failed"]),
        ("half".into(), &["url_fetch_failed"]),
        ("closes".into(), &["url_fetch_failed"]),
        ("empty".into(), &["image_empty"]),
        ("page".into(), &["image_unknown_format"]),
        // Too large
        ("huge-announced".into(), &["image_too_many_bytes"]),
        ("huge".into(), &["image_too_many_bytes"]),
        ("endless".into(), &["image_too_many_bytes"]),
        ("bytes/1048577".into(), &["image_too_many_bytes"]),
        ("endless-head".into(), &["url_fetch_failed"]),
        // Too slow
        ("drip".into(), &["url_timeout"]),
        // On a busy machine so much of it comes at once that it is seen to be no head.
        ("drip-head".into(), &["url_timeout", "url_fetch_failed"]),
        ("silent".into(), &["url_timeout"]),
        ("held".into(), &["url_timeout"]),
    ];
    let mut urls: Vec<(String, &[&str])> = cases
        .into_iter()
        .map(|(path, codes)| (origin.url(&path), codes))
        .collect();
    let of_tls = format!("https://127.0.0.1:{}/image", origin.port);
    urls.push((of_tls, &["url_fetch_failed", "url_timeout"]));
    let unknown = "http://no-such-name.invalid/image".to_owned();
    urls.push((unknown, &["url_fetch_failed", "url_timeout"]));
    let good = image(&base64(&fixture("rgb.png")));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for (url, codes) in &urls {
            let (server, good) = (&server, &good);
            scope.spawn(move || {
                let body = json!({"input": ["a text", good, image(url)]});
                let (status, code, param) = failure(server.post("/v1/embeddings", &body));
                assert!(codes.contains(&code.as_str()), "{url}: {status} {code}");
                assert!((400..500).contains(&status), "{url}: {status} {code}");
                assert_eq!(param.as_deref(), Some("input[2]"), "{url}: {code}");
            });
        }
        // Others are answered meanwhile.
        for _ in 0..5 {
            success(server.post("/v1/embeddings", &json!({"input": [good]})));
        }
    });
    // Each ended by itself: the slowest has 2 seconds, and a third of them cannot run at once.
    assert!(
        started.elapsed() < Duration::from_secs(50),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(canary.connections(), 0);
    success(server.post(
        "/v1/embeddings",
        &json!({"input": [image(&origin.url("image"))]}),
    ));
    for result in [
        "url_not_allowed",
        "url_fetch_failed",
        "url_timeout",
        "image_too_many_bytes",
    ] {
        assert!(fetches(&server, result) >= 1.0, "{result}");
    }
}
