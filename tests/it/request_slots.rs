//! Slots of requests: a client that is slow, silent or large must not take them from others. Each test failed before
//! requests were admitted by their cost.

use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::support::grpc_client::{
    CHECK, EMBED, ONE_TEXT, REFLECTION, RawClient, WATCH, code_of, runtime,
};
use crate::support::half_sent::{answer_of, half_sent};
use crate::support::server::{Server, answers, base64, fixture, success};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::json;
use tonic::Code;

#[test]
fn watches_and_reflection_take_no_request_slots() {
    let server = Server::start();
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let mut open = Vec::new();
        let mut refused = 0;
        for i in 0..400 {
            // A connection allows two hundred streams.
            if i % 100 == 0 {
                client = RawClient::connect(&server.url, false).await;
            }
            let messages = stream::once(std::future::ready(Bytes::from_static(b"\x0a\x00")));
            let path = if i % 4 == 0 { REFLECTION } else { WATCH };
            match client.streaming(path, messages).await {
                Ok(answers) => open.push(answers),
                Err(status) => {
                    assert_eq!(status.code(), Code::ResourceExhausted);
                    refused += 1;
                }
            }
        }
        assert!(open.len() >= 200 && refused > 0, "{} open", open.len());
        client.unary(EMBED, ONE_TEXT.into()).await.unwrap();
        // Uncounted routes accept only small messages.
        drop(open.split_off(100));
        let large = Bytes::from(vec![0; 1 << 20]);
        let refused = client.unary(CHECK, large).await.unwrap_err();
        assert_eq!(code_of(&refused), "body_too_large", "{refused}");
    });
    answers(&server);
}

#[test]
fn a_call_without_its_message_releases_its_slot() {
    let server = Server::start_with(&["--max-requests", "2", "--request-seconds", "1"]);
    runtime().block_on(async {
        let mut client = RawClient::connect(&server.url, false).await;
        let calls = (0..2).map(|_| async {
            let mut client = RawClient::connect(&server.url, false).await;
            let silent = client.streaming(EMBED, stream::pending()).await;
            match silent {
                Ok(mut answers) => answers.message().await.unwrap_err(),
                Err(status) => status,
            }
        });
        let started = Instant::now();
        for status in join_all(calls).await {
            assert_eq!(code_of(&status), "request_timeout", "{status}");
            assert_eq!(status.code(), Code::DeadlineExceeded);
        }
        // Without a limit they would be held forever.
        assert!(started.elapsed() < Duration::from_secs(30));
        client.unary(EMBED, ONE_TEXT.into()).await.unwrap();
    });
}

#[test]
fn an_idle_client_does_not_delay_a_stop() {
    let mut server = Server::start();
    let runtime = runtime();
    let mut client = runtime.block_on(RawClient::connect(&server.url, false));
    let reflecting = client.streaming(REFLECTION, stream::pending());
    let begun = runtime.block_on(async {
        // The answer's head comes with the first message, which is never sent.
        tokio::time::timeout(Duration::from_millis(500), reflecting).await
    });
    server.terminate();
    let started = Instant::now();
    let status = server.wait(Duration::from_secs(20)).expect("it stops");
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < Duration::from_secs(15));
    drop(begun);
}

#[test]
fn slow_senders_lose_their_slots() {
    let server = Server::start_with(&["--max-requests", "2"]);
    let slow: Vec<_> = (0..2).map(|_| half_sent(&server, 1000, 10)).collect();
    sleep(Duration::from_secs(1));
    // Both slots are taken for a minute.
    answers(&server);
    let answers: Vec<_> = slow.into_iter().map(answer_of).collect();
    let gone = answers.iter().filter(|answer| answer.contains(" 408 "));
    assert!(gone.clone().count() >= 1, "{answers:?}");
    assert!(
        gone.clone()
            .all(|answer| answer.contains("request_timeout"))
    );
}

#[test]
fn silent_grpc_calls_lose_their_slots() {
    let server = Server::start_with(&["--max-requests", "2"]);
    runtime().block_on(async {
        let silent: Vec<_> = (0..2)
            .map(|_| {
                let url = server.url.clone();
                tokio::spawn(async move {
                    let mut client = RawClient::connect(&url, false).await;
                    client.streaming(EMBED, stream::pending()).await.err()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut client = RawClient::connect(&server.url, false).await;
        client.unary(EMBED, ONE_TEXT.into()).await.unwrap();
        silent.iter().for_each(|call| call.abort());
    });
}

#[test]
fn a_request_of_many_images_does_not_hold_up_one_of_one() {
    let server = Server::start();
    // Sixteen megapixels of one colour.
    let white = image::GrayImage::from_pixel(4000, 4000, image::Luma([255]));
    let mut file = std::io::Cursor::new(Vec::new());
    white.write_to(&mut file, image::ImageFormat::Png).unwrap();
    let file = file.into_inner();
    let many = json!({"input": vec![json!({"image": base64(&file)}); 30]});
    scope(|scope| {
        let started = Instant::now();
        let (server, many) = (&server, &many);
        let large = scope.spawn(move || {
            let answer = server.post("/v1/embeddings", many);
            (answer.status(), started.elapsed())
        });
        sleep(Duration::from_millis(500));
        let mut waits = Vec::new();
        for i in 0..4 {
            let started = Instant::now();
            let input =
                json!({"input": [{"image": base64(&fixture("420.jpg"))}, format!("text {i}")]});
            success(server.post("/v1/embeddings", &input));
            waits.push(started.elapsed());
        }
        assert!(!large.is_finished(), "the large request was too small");
        let (_, whole) = large.join().unwrap();
        // Served in turn: after one of the images and one batch at most. In order of arrival, the first request would
        // have waited for all.
        for wait in waits {
            assert!(wait < whole / 2, "{wait:?} of {whole:?}");
        }
    });
}
