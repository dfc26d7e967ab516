use bytes::Bytes;

use super::*;

/// SQLite in a new folder; and PostgreSQL, if its URL is given, with nothing in it.
pub(super) async fn stores() -> Vec<(tempfile::TempDir, Reviews)> {
    stores_with(&Arc::default()).await
}

/// The same, with sinks.
pub(super) async fn stores_with(interests: &Arc<[Interest]>) -> Vec<(tempfile::TempDir, Reviews)> {
    let mut stores = Vec::new();
    let urls = [None, std::env::var("CLIP_IN_TEST_POSTGRES").ok()];
    for (number, url) in urls.into_iter().enumerate() {
        if number > 0 && url.is_none() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let shared = match url {
            Some(url) => Some(Database::at(&url).await.unwrap()),
            None => None,
        };
        let reviews = Reviews::open(folder.path(), shared, None, interests.clone())
            .await
            .unwrap();
        stores.push((folder, reviews));
    }
    stores
}

/// A name that no other test has: PostgreSQL is shared.
pub(super) fn name() -> String {
    format!("line-{}", new_id())
}

pub(super) fn new(line: &str, image: &str) -> NewInspection {
    let bytes = Bytes::from(image.to_owned());
    NewInspection {
        id: new_id(),
        created: now(),
        line: line.to_owned(),
        version: 1,
        model: "demo".to_owned(),
        scored_by: "a".to_owned(),
        calibration: None,
        decision: "review".into(),
        score: Some(1.5),
        p_ok: None,
        p_ng: None,
        part: None,
        lot: Some("lot 7".to_owned()),
        station: None,
        trigger: Some(3),
        idempotency_key: None,
        audit: false,
        observed: true,
        answer: format!("{{\"image\":{image:?}}}"),
        images: vec![NewImage {
            hash: ImageHash::of(&bytes),
            bytes,
            kind: "image/png".into(),
        }],
    }
}

#[tokio::test]
async fn versions_of_lines_stay() {
    for (_folder, reviews) in stores().await {
        let line = name();
        assert_eq!(
            reviews.put_line(&line, "{}", "me").await.unwrap().version,
            1
        );
        assert_eq!(
            reviews
                .put_line(&line, "{\"a\":1}", "me")
                .await
                .unwrap()
                .version,
            2
        );
        let of_line = |all: Vec<StoredLine>| all.into_iter().find(|found| found.name == line);
        assert_eq!(of_line(reviews.lines().await.unwrap()).unwrap().version, 2);
        let first = reviews.line_version(&line, 1).await.unwrap().unwrap();
        assert_eq!(first.body, "{}");
        assert!(reviews.delete_line(&line, "me").await.unwrap());
        assert!(!reviews.delete_line(&line, "me").await.unwrap());
        assert!(of_line(reviews.lines().await.unwrap()).is_none());
        // A decision of a deleted line still names a version that can be read.
        assert!(reviews.line_version(&line, 2).await.unwrap().is_some());
        assert_eq!(
            reviews.put_line(&line, "{}", "me").await.unwrap().version,
            3
        );
        assert_eq!(reviews.events(&line, What::LinePut).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_key_is_one_row_and_one_answer() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let with_key = |image: &str| NewInspection {
            idempotency_key: Some("part 1".to_owned()),
            ..new(&line, image)
        };
        let first = with_key("a");
        assert!(matches!(
            reviews.insert(&first, &[]).await.unwrap(),
            Inserted::New
        ));
        let Inserted::Known(known) = reviews.insert(&with_key("a"), &[]).await.unwrap() else {
            panic!("the same key made a second row");
        };
        assert_eq!((&known.id, &known.answer), (&first.id, &first.answer));
        let error = reviews.insert(&with_key("b"), &[]).await.unwrap_err();
        assert!(matches!(error, ReviewError::KeyReused(id) if id == first.id));
        // Another line has its own keys, and inspections without a key are all different.
        for _ in 0..2 {
            let other = new(&line, "a");
            assert!(matches!(
                reviews.insert(&other, &[]).await.unwrap(),
                Inserted::New
            ));
        }
        let page = reviews
            .page(
                &line,
                &Filter {
                    limit: 10,
                    ..Filter::default()
                },
            )
            .await
            .unwrap();
        assert_eq!(page.data.len(), 3);
        assert_eq!(page.next, None);
    }
}

#[tokio::test]
async fn verdicts_are_undone_and_never_overwritten() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let inspection = new(&line, "a");
        reviews.insert(&inspection, &[]).await.unwrap();
        let id = inspection.id.as_str();
        let judge = |said| {
            reviews.judge(
                id,
                said,
                [None, Some("a scratch".to_owned()), None],
                ("me", None),
            )
        };
        assert!(matches!(
            reviews.undo(id, "me").await,
            Err(ReviewError::NoVerdict)
        ));
        judge(Said::Ng).await.unwrap();
        let error = judge(Said::Ok).await.unwrap_err();
        assert!(error.to_string().contains("has the verdict ng"), "{error}");
        reviews.undo(id, "you").await.unwrap();
        assert_eq!(reviews.inspection(id).await.unwrap().verdict, None);
        judge(Said::Ok).await.unwrap();
        let all = reviews.verdicts(id).await.unwrap();
        let said: Vec<_> = all
            .iter()
            .map(|one| (one.verdict.as_str(), one.who.as_str()))
            .collect();
        assert_eq!(said, [("ng", "me"), ("undone", "you"), ("ok", "me")]);
        assert_eq!(all[0].caption.as_deref(), Some("a scratch"));
        let wrong = reviews
            .judge("nothing", Said::Ok, [None, None, None], ("me", None))
            .await;
        assert!(matches!(wrong, Err(ReviewError::NoInspection)));
        let pages = |verdict| {
            let filter = Filter {
                verdict: Some(verdict),
                limit: 5,
                ..Filter::default()
            };
            let (reviews, line) = (&reviews, &line);
            async move { reviews.page(line, &filter).await.unwrap().data.len() }
        };
        assert_eq!((pages("ok").await, pages("none").await), (1, 0));
    }
}

#[tokio::test]
async fn pages_have_each_inspection_once() {
    for (_folder, reviews) in stores().await {
        let line = name();
        for number in 0..7 {
            let decision = if number % 2 == 0 { "review" } else { "ok" };
            let one = NewInspection {
                decision: decision.into(),
                audit: number == 1,
                ..new(&line, "a")
            };
            reviews.insert(&one, &[]).await.unwrap();
        }
        let mut filter = Filter {
            decision: Some("review"),
            verdict: Some("none"),
            limit: 3,
            ..Filter::default()
        };
        let first = reviews.page(&line, &filter).await.unwrap();
        assert_eq!(first.data.len(), 3);
        filter.after = first.next.clone();
        let last = reviews.page(&line, &filter).await.unwrap();
        assert_eq!((last.data.len(), &last.next), (1, &None));
        assert!(last.data[0].id > first.data[2].id);
        let audited = Filter {
            audit: Some(true),
            limit: 9,
            ..Filter::default()
        };
        assert_eq!(reviews.page(&line, &audited).await.unwrap().data.len(), 1);
        assert_eq!(reviews.last_trigger(&line, "").await.unwrap(), Some(3));
        let shipped = reviews.shipped_audit(&line).await.unwrap();
        assert_eq!(shipped, [("none".to_owned(), 1)]);
    }
}

#[tokio::test]
async fn retention_deletes_images_and_never_rows() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let old = NewInspection {
            created: 1000,
            ..new(&line, &format!("{line} shared"))
        };
        let gone = NewInspection {
            created: 1000,
            ..new(&line, &format!("{line} old"))
        };
        let young = new(&line, &format!("{line} shared"));
        for one in [&old, &gone, &young] {
            reviews.insert(one, &[]).await.unwrap();
        }
        let deleted = reviews.delete_images_before(&line, 2000).await.unwrap();
        assert_eq!(deleted, Deleted { images: 2 });
        for one in [&old, &gone] {
            assert!(matches!(
                reviews.image(&one.id, 0).await,
                Err(ReviewError::ImageDeleted)
            ));
            assert_eq!(
                reviews.inspection(&one.id).await.unwrap().answer,
                one.answer
            );
        }
        // The file is still there for the young one.
        let (bytes, kind) = reviews.image(&young.id, 0).await.unwrap();
        assert_eq!(
            (bytes, kind.as_str()),
            (young.images[0].bytes.clone(), "image/png")
        );
        assert!(matches!(
            reviews.image(&young.id, 1).await,
            Err(ReviewError::NoInspection)
        ));
        assert_eq!(
            reviews.delete_images_before(&line, 2000).await.unwrap(),
            Deleted::default()
        );
        assert_eq!(
            reviews.delete_images_of(&young.id, "me").await.unwrap(),
            Deleted { images: 1 }
        );
        assert!(matches!(
            reviews.image(&young.id, 0).await,
            Err(ReviewError::ImageDeleted)
        ));
        assert_eq!(reviews.events(&line, What::ImageDeleted).await.unwrap(), 2);
        // The same image comes again, and is there again.
        let again = new(&line, &format!("{line} shared"));
        reviews.insert(&again, &[]).await.unwrap();
        assert!(reviews.image(&again.id, 0).await.is_ok());
    }
}

#[tokio::test]
async fn what_is_stored_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let reviews = Reviews::open(folder.path(), None, None, Arc::default())
        .await
        .unwrap();
    reviews.put_line("bolts", "{}", "").await.unwrap();
    let inspection = NewInspection {
        calibration: Some("c".to_owned()),
        ..new("bolts", "a")
    };
    reviews.insert(&inspection, &[]).await.unwrap();
    let part = NewPart {
        lot: "lot 1".to_owned(),
        class: "ng",
        score: 4.25,
        statements: 0.5,
        camera: "[]".to_owned(),
        content: "x".to_owned(),
        images: Vec::new(),
    };
    let parts = [part.clone(), part];
    let added = reviews
        .add_parts("bolts", "a", &parts, ("me", "lots 1 to 4"))
        .await
        .unwrap();
    assert_eq!(added, 1, "the same images twice");
    let calibration = StoredCalibration {
        id: new_id(),
        created: now(),
        line: "bolts".to_owned(),
        version: 1,
        scored_by: "a".to_owned(),
        who: "me".to_owned(),
        report: "{}".to_owned(),
        in_force: "[]".to_owned(),
    };
    reviews.add_calibration(&calibration).await.unwrap();
    reviews.close().await;

    let reviews = Reviews::open(folder.path(), None, None, Arc::default())
        .await
        .unwrap();
    assert_eq!(reviews.lines().await.unwrap().len(), 1);
    assert_eq!(
        reviews.inspection(&inspection.id).await.unwrap().score,
        Some(1.5)
    );
    assert_eq!(
        reviews.calibration("bolts", 1).await.unwrap(),
        Some(calibration)
    );
    assert_eq!(reviews.calibration("bolts", 2).await.unwrap(), None);
    assert_eq!(reviews.count_parts("bolts", "a").await.unwrap(), (0, 1, 0));
    assert_eq!(reviews.count_parts("bolts", "b").await.unwrap(), (0, 0, 1));
    let parts = reviews.parts("bolts", "a").await.unwrap();
    assert_eq!(
        (parts[0].score, parts[0].declared.as_str()),
        (4.25, "lots 1 to 4")
    );
    let scores = reviews.last_scores("c", "", 10).await.unwrap();
    assert_eq!(scores, [(inspection.id.clone(), Some(1.5))]);
    let sent_to_review = reviews
        .reviewed_with("bolts", &[ImageHash::of(b"a")])
        .await
        .unwrap();
    assert_eq!(sent_to_review, Some(inspection.id));
}

#[tokio::test]
async fn concurrent_inspections_with_one_key_are_one_row() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let reviews = std::sync::Arc::new(reviews);
        let tasks = (0..16).map(|_| {
            let one = NewInspection {
                idempotency_key: Some("k".to_owned()),
                ..new(&line, "a")
            };
            let reviews = reviews.clone();
            tokio::spawn(async move {
                reviews
                    .insert(&one, &[])
                    .await
                    .map(|done| matches!(done, Inserted::New))
            })
        });
        let mut new_rows = 0;
        for task in tasks.collect::<Vec<_>>() {
            new_rows += usize::from(task.await.unwrap().unwrap());
        }
        assert_eq!(new_rows, 1);
    }
}

#[tokio::test]
async fn what_is_stored_after_a_full_disk_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let reviews = Reviews::open(folder.path(), None, None, Arc::default())
        .await
        .unwrap();
    let with_key = || NewInspection {
        idempotency_key: Some("part 1".to_owned()),
        ..new("bolts", "a")
    };
    reviews.insert(&with_key(), &[]).await.unwrap();
    for _ in 0..3 {
        // No more pages than there are.
        let full = sqlx::query("PRAGMA max_page_count = 1");
        full.fetch_all(&reviews.database.write).await.unwrap();
        let large = NewInspection {
            answer: "large".repeat(100_000),
            ..new("bolts", "a")
        };
        let refused = reviews.insert(&large, &[]).await.unwrap_err();
        assert!(refused.is_outage(), "{refused}");
        let freed = sqlx::query("PRAGMA max_page_count = 1000000");
        freed.fetch_all(&reviews.database.write).await.unwrap();
        reviews.store_waiting().await;
        // Ends with a rollback.
        let again = reviews.insert(&with_key(), &[]).await.unwrap();
        assert!(matches!(again, Inserted::Known(_)));
        let next = new("bolts", "a");
        reviews.insert(&next, &[]).await.unwrap();
        // Another connection sees it.
        reviews.inspection(&next.id).await.unwrap();
    }
}

/// Two servers with one database and one folder of images: one stores what the other one deletes, again and again.
#[tokio::test]
async fn an_image_that_a_row_promises_is_there_although_another_server_deletes_the_same() {
    let Ok(url) = std::env::var("CLIP_IN_TEST_POSTGRES") else {
        return;
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let images = Place::Local(one.path().join("shared"));
    let mut servers = Vec::new();
    for folder in [&one, &two] {
        let database = Some(Database::at(&url).await.unwrap());
        servers.push(
            Reviews::open(folder.path(), database, Some(&images), Arc::default())
                .await
                .unwrap(),
        );
    }
    let line = name();
    let mut before = new(&line, &line);
    servers[0].insert(&before, &[]).await.unwrap();
    for round in 0..200 {
        let next = new(&line, &line);
        let (stored, deleted) = tokio::join!(
            servers[0].insert(&next, &[]),
            servers[1].delete_images_of(&before.id, "me")
        );
        stored.unwrap();
        deleted.unwrap();
        let (image, _) = servers[1].image(&next.id, 0).await.unwrap();
        assert_eq!(image, line.as_bytes(), "round {round}");
        before = next;
    }
}
