//! Messages are stored with what they tell of, or not at all.

use std::collections::HashSet;

use super::tests::{name, new, stores_with};
use super::*;
use crate::deliveries::Interest;

const SINK: &str = "mes";

/// A sink that wants parts that are not OK, verdicts and alarms.
fn interests(sink: &str) -> Arc<[Interest]> {
    let decisions = ["ng", "review"].map(str::to_owned);
    Arc::new([Interest {
        sink: sink.to_owned(),
        lines: None,
        events: None,
        decisions: Some(HashSet::from(decisions)),
    }])
}

async fn pending(reviews: &Reviews, sink: &str) -> i64 {
    reviews.outbox().backlog(sink).await.unwrap().pending
}

#[tokio::test]
async fn what_a_sink_wants_is_stored_once_with_its_cause() {
    // PostgreSQL is shared by tests.
    let sink = name();
    for (_folder, reviews) in stores_with(&interests(&sink)).await {
        let line = name();
        let ok = NewInspection {
            decision: "ok".into(),
            ..new(&line, "a")
        };
        reviews.insert(&ok, &[]).await.unwrap();
        assert_eq!(pending(&reviews, &sink).await, 0);
        let review = NewInspection {
            idempotency_key: Some("part 1".to_owned()),
            ..new(&line, "a")
        };
        let alarm = |what| Event {
            who: "server".to_owned(),
            what,
            line: line.clone(),
            inspection: Some(review.id.clone()),
            detail: serde_json::json!({"monitor": "martingale"}),
        };
        let events = [alarm(What::Drift), alarm(What::TriggerGap)];
        reviews.insert(&review, &events).await.unwrap();
        // The inspection and the alarm; a gap is no message.
        assert_eq!(pending(&reviews, &sink).await, 2);
        let again = NewInspection {
            idempotency_key: Some("part 1".to_owned()),
            ..new(&line, "a")
        };
        let known = reviews.insert(&again, &[]).await.unwrap();
        assert!(matches!(known, Inserted::Known(_)));
        assert_eq!(pending(&reviews, &sink).await, 2);
        let judged = || reviews.judge(&review.id, Said::Ng, [None, None, None], ("me", None));
        judged().await.unwrap();
        assert_eq!(pending(&reviews, &sink).await, 3);
        judged().await.unwrap_err();
        assert_eq!(pending(&reviews, &sink).await, 3);
        reviews.undo(&review.id, "me").await.unwrap();
        reviews.undo(&review.id, "me").await.unwrap_err();
        assert_eq!(pending(&reviews, &sink).await, 4);
    }
}

#[tokio::test]
async fn an_inspection_that_waited_on_disk_has_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let reviews = Reviews::open(folder.path(), None, None, interests(SINK))
        .await
        .unwrap();
    let full = sqlx::query("PRAGMA max_page_count = 1");
    full.fetch_all(&reviews.database.write).await.unwrap();
    let waits = NewInspection {
        answer: "large".repeat(100_000),
        ..new("bolts", "a")
    };
    let inserted = reviews.insert_or_wait(&waits, &[]).await.unwrap();
    assert!(matches!(inserted, Inserted::Waits));
    assert_eq!(pending(&reviews, SINK).await, 0);
    let freed = sqlx::query("PRAGMA max_page_count = 1000000");
    freed.fetch_all(&reviews.database.write).await.unwrap();
    reviews.store_waiting().await;
    assert_eq!((reviews.waiting(), pending(&reviews, SINK).await), (0, 1));
    // As after a kill between the row and the removal of the file.
    let stored = reviews.insert_rows(&waits, &[]).await.unwrap();
    assert!(matches!(stored, Inserted::Known(_)));
    assert_eq!(pending(&reviews, SINK).await, 1);
}
