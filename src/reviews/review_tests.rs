//! Claims, planted items and figures, in SQLite and, if its URL is given, in PostgreSQL.

use std::collections::HashSet;

use super::tests::{name, new, stores};
use super::*;

fn claim<'a>(line: &'a str, session: &'a str) -> Claim<'a> {
    Claim {
        line,
        session,
        limit: 3,
        ..Claim::default()
    }
}

fn ids(claimed: &Claimed) -> Vec<String> {
    claimed.data.iter().map(|one| one.id.clone()).collect()
}

async fn fill(reviews: &Reviews, line: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let one = new(line, &format!("image {number}"));
        reviews.insert(&one, &[]).await.unwrap();
        ids.push(one.id);
    }
    ids
}

#[tokio::test]
async fn two_sessions_never_hold_the_same_inspection() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let all = fill(&reviews, &line, 7).await;
        let first = reviews.claim(&claim(&line, "a")).await.unwrap();
        let second = reviews.claim(&claim(&line, "b")).await.unwrap();
        assert_eq!((ids(&first), first.waiting), (all[..3].to_vec(), 7));
        assert_eq!(ids(&second), all[3..6]);
        // Asked again, a session holds the same.
        let again = reviews.claim(&claim(&line, "a")).await.unwrap();
        assert_eq!(ids(&again), all[..3]);
        // A verdict makes room for one more, and another one's verdict takes it away.
        let texts = || [None, None, None];
        let judge = |id: String, who| {
            let reviews = &reviews;
            async move { reviews.judge(&id, Said::Ok, texts(), (who, None)).await }
        };
        judge(all[0].clone(), "me").await.unwrap();
        judge(all[4].clone(), "me").await.unwrap();
        let first = reviews.claim(&claim(&line, "a")).await.unwrap();
        assert_eq!(
            ids(&first),
            [all[1].clone(), all[2].clone(), all[6].clone()]
        );
        let second = reviews.claim(&claim(&line, "b")).await.unwrap();
        assert_eq!(ids(&second), [all[3].clone(), all[5].clone()]);
        // What was undone comes first; what another session holds does not come.
        reviews.undo(&all[0], "me").await.unwrap();
        let wanted = Claim {
            again: Some(&all[0]),
            limit: 4,
            ..claim(&line, "a")
        };
        let back = reviews.claim(&wanted).await.unwrap();
        assert_eq!(ids(&back)[0], all[0]);
        assert_eq!(back.data.len(), 4);
        let taken = Claim {
            again: Some(&all[3]),
            limit: 9,
            ..claim(&line, "a")
        };
        let not_back = reviews.claim(&taken).await.unwrap();
        assert!(!ids(&not_back).contains(&all[3]));
        // Given back, others get it.
        assert_eq!(reviews.release(&line, "a").await.unwrap(), 4);
        let all_now = Claim {
            limit: 20,
            ..claim(&line, "b")
        };
        // All but the one with a verdict.
        assert_eq!(reviews.claim(&all_now).await.unwrap().data.len(), 6);
    }
}

#[tokio::test]
async fn sessions_at_the_same_time_hold_different_inspections() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let all = fill(&reviews, &line, 24).await;
        let sessions: Vec<String> = (0..8).map(|number| format!("s{number}")).collect();
        let claims = sessions.iter().map(|session| {
            let (reviews, line) = (&reviews, &line);
            async move { reviews.claim(&claim(line, session)).await.unwrap() }
        });
        let claimed = futures_util::future::join_all(claims).await;
        let held: Vec<String> = claimed.iter().flat_map(ids).collect();
        let different: HashSet<&String> = held.iter().collect();
        assert_eq!((held.len(), different.len()), (all.len(), all.len()));
    }
}

#[tokio::test]
async fn a_claim_ends_with_its_lease() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let all = fill(&reviews, &line, 1).await;
        reviews.claim(&claim(&line, "gone")).await.unwrap();
        let other = || async { ids(&reviews.claim(&claim(&line, "here")).await.unwrap()) };
        assert!(other().await.is_empty());
        let past = sqlx::query("UPDATE claims SET until = until - $2 WHERE line = $1");
        let past = past.bind(&line).bind(LEASE + 1);
        past.execute(&reviews.database.write).await.unwrap();
        assert_eq!(other().await, all);
    }
}

#[tokio::test]
async fn what_is_claimed_can_be_chosen() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let [unsure, audited, both] =
            [("review", false), ("ok", true), ("review", true)].map(|(decision, audit)| {
                NewInspection {
                    decision: decision.into(),
                    audit,
                    lot: Some(decision.to_owned()),
                    ..new(&line, "a")
                }
            });
        let sure = NewInspection {
            decision: "ok".into(),
            ..new(&line, "a")
        };
        for one in [&unsure, &audited, &both, &sure] {
            reviews.insert(one, &[]).await.unwrap();
        }
        let get = |audit, lot| {
            let (reviews, line) = (&reviews, &line);
            async move {
                let asked = Claim {
                    audit,
                    lot,
                    limit: 9,
                    ..claim(line, "a")
                };
                let got = ids(&reviews.claim(&asked).await.unwrap());
                reviews.release(line, "a").await.unwrap();
                got
            }
        };
        let id = |one: &NewInspection| one.id.clone();
        assert_eq!(
            get(None, None).await,
            [id(&unsure), id(&audited), id(&both)]
        );
        assert_eq!(get(Some(true), None).await, [id(&audited), id(&both)]);
        assert_eq!(get(Some(false), None).await, [id(&unsure), id(&both)]);
        assert_eq!(get(None, Some("ok")).await, [id(&audited)]);
    }
}

#[tokio::test]
async fn a_verdict_that_is_sent_again_is_stored_once() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let id = fill(&reviews, &line, 1).await.remove(0);
        let judge = |said, key| {
            let (reviews, id) = (&reviews, &id);
            async move {
                let texts = [Some("scratch".to_owned()), None, None];
                reviews.judge(id, said, texts, ("me", Some(key))).await
            }
        };
        let first = judge(Said::Ng, "k1").await.unwrap();
        assert_eq!(judge(Said::Ng, "k1").await.unwrap(), first);
        assert!(matches!(
            judge(Said::Ok, "k2").await,
            Err(ReviewError::VerdictExists(_))
        ));
        // Sent again after it was undone, it is not given a second time.
        reviews.undo(&id, "me").await.unwrap();
        assert_eq!(judge(Said::Ng, "k1").await.unwrap(), first);
        assert_eq!(reviews.inspection(&id).await.unwrap().verdict, None);
        assert_eq!(reviews.verdicts(&id).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn planted_items_measure_reviewers_and_count_nowhere_else() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let all = fill(&reviews, &line, 2).await;
        let texts = || [None, None, None];
        let answer = |id: &str, _: &str| Ok(format!("{{\"id\":{id:?}}}"));
        let early = reviews.plant(&line, &all[0], "boss", answer).await;
        assert!(matches!(early, Err(ReviewError::NoVerdict)));
        let other = reviews.plant("another", &all[0], "boss", answer).await;
        assert!(matches!(other, Err(ReviewError::NoInspection)));
        reviews
            .judge(&all[0], Said::Ng, texts(), ("boss", None))
            .await
            .unwrap();
        let planted = reviews.plant(&line, &all[0], "boss", answer).await.unwrap();
        let twice = reviews.plant(&line, &all[0], "boss", answer).await.unwrap();
        assert_eq!(twice.id, planted.id);
        // It comes before the next inspection, to each reviewer once.
        let asked = |who, session| Claim {
            who,
            planted: 1.0,
            ..claim(&line, session)
        };
        let got = ids(&reviews.claim(&asked("ann", "a")).await.unwrap());
        assert_eq!(got, [planted.id.clone(), all[1].clone()]);
        let (image, kind) = reviews.image(&planted.id, 0).await.unwrap();
        assert_eq!((&image[..], kind.as_str()), (&b"image 0"[..], "image/png"));
        let judge = |said, who| {
            let (reviews, id) = (&reviews, &planted.id);
            async move { reviews.judge(id, said, texts(), (who, None)).await }
        };
        judge(Said::Ok, "ann").await.unwrap();
        assert!(matches!(
            judge(Said::Ng, "ann").await,
            Err(ReviewError::VerdictExists(_))
        ));
        reviews.undo(&planted.id, "ann").await.unwrap();
        judge(Said::Ng, "ann").await.unwrap();
        judge(Said::Unsure, "bo").await.unwrap();
        reviews.release(&line, "a").await.unwrap();
        assert_eq!(
            ids(&reviews.claim(&asked("ann", "b")).await.unwrap()),
            all[1..]
        );
        // It takes a place: what a claim holds is what it shows.
        reviews.release(&line, "b").await.unwrap();
        let one = Claim {
            limit: 1,
            ..asked("cy", "c")
        };
        assert_eq!(
            ids(&reviews.claim(&one).await.unwrap()),
            [planted.id.as_str()]
        );
        assert_eq!(
            ids(&reviews.claim(&asked("ann", "d")).await.unwrap()),
            all[1..]
        );
        reviews.release(&line, "c").await.unwrap();
        let counted = reviews.planted(&line).await.unwrap();
        assert_eq!(
            (counted[0].answers, counted[0].right, counted[0].in_queue),
            (2, 1, true)
        );
        // Pages, verdicts and the history of its original know nothing of it.
        let page = Filter {
            limit: 9,
            ..Filter::default()
        };
        assert_eq!(reviews.page(&line, &page).await.unwrap().data.len(), 2);
        assert!(reviews.verdicts(&planted.id).await.unwrap().is_empty());
        assert_eq!(reviews.verdicts(&all[0]).await.unwrap().len(), 1);
        assert!(reviews.unplant(&line, &planted.id, "boss").await.unwrap());
        assert!(!reviews.unplant(&line, &planted.id, "boss").await.unwrap());
        assert_eq!(reviews.planted_answers(&line).await.unwrap().len(), 2);
        // Planted again, it is the same item, with its images.
        reviews.delete_images_of(&planted.id, "boss").await.unwrap();
        let gone = reviews.image(&planted.id, 0).await;
        assert!(matches!(gone, Err(ReviewError::ImageDeleted)));
        let back = reviews.plant(&line, &all[0], "boss", answer).await.unwrap();
        assert_eq!((&back.id, back.in_queue), (&planted.id, true));
        assert_eq!(
            &reviews.image(&planted.id, 0).await.unwrap().0[..],
            b"image 0"
        );
    }
}

#[tokio::test]
async fn figures_are_those_of_the_rows() {
    for (_folder, reviews) in stores().await {
        let line = name();
        for (created, decision) in [
            (1_000, "ok"),
            (1_500, "review"),
            (2_000, "ng"),
            (4_100, "ok"),
        ] {
            let one = NewInspection {
                created,
                decision: decision.into(),
                ..new(&line, decision)
            };
            reviews.insert(&one, &[]).await.unwrap();
            if decision == "review" {
                reviews
                    .judge(&one.id, Said::Ok, [None, None, None], ("ann", None))
                    .await
                    .unwrap();
            }
        }
        let bucket = |start, [ok, ng, review, verdicts]: [i64; 4]| Bucket {
            start,
            ok,
            ng,
            review,
            verdicts,
        };
        let found = reviews.decided_since(&line, 1_200, 1_000).await.unwrap();
        let expected = [
            bucket(1_000, [0, 0, 1, 1]),
            bucket(2_000, [0, 1, 0, 0]),
            bucket(4_000, [1, 0, 0, 0]),
        ];
        assert_eq!(found, expected);
        let verdicts = reviews.verdicts_since(&line, 0).await.unwrap();
        assert_eq!(verdicts, [("ann".to_owned(), 1)]);
        let alarm = Event {
            who: "server".to_owned(),
            what: What::TriggerGap,
            line: line.clone(),
            inspection: None,
            detail: serde_json::json!({"missed": 2}),
        };
        reviews.note(&alarm).await.unwrap();
        assert_eq!(
            reviews.alarms(&line).await.unwrap()[0].detail,
            "{\"missed\":2}"
        );
    }
}

#[tokio::test]
async fn the_history_of_a_part_begins_with_the_newest() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let mut ids = Vec::new();
        for number in 0..5 {
            let part = if number == 2 { "other" } else { "mine" };
            let one = NewInspection {
                part: Some(part.to_owned()),
                ..new(&line, "a")
            };
            reviews.insert(&one, &[]).await.unwrap();
            ids.push(one.id);
        }
        let mut filter = Filter {
            part: Some("mine".to_owned()),
            newest: true,
            limit: 3,
            ..Filter::default()
        };
        let of =
            |page: &Page| -> Vec<String> { page.data.iter().map(|one| one.id.clone()).collect() };
        let first = reviews.page(&line, &filter).await.unwrap();
        assert_eq!(of(&first), [&*ids[4], &*ids[3], &*ids[1]]);
        filter.after = first.next;
        let second = reviews.page(&line, &filter).await.unwrap();
        assert_eq!((of(&second), second.next), (vec![ids[0].clone()], None));
    }
}

fn shadow(line: &str, model: &str) -> StoredShadow {
    StoredShadow {
        id: new_id(),
        created: now(),
        line: line.to_owned(),
        version: 1,
        model: model.to_owned(),
        share: 0.5,
        who: "boss".to_owned(),
        scored_by: "a".to_owned(),
        report: "{}".to_owned(),
        in_force: "{}".to_owned(),
    }
}

#[tokio::test]
async fn what_two_models_decide_differently_comes_first_as_long_as_the_shadow_runs() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let all = fill(&reviews, &line, 5).await;
        let (old, second) = (shadow(&line, "small"), shadow(&line, "other"));
        reviews.start_shadow(&old).await.unwrap();
        reviews.start_shadow(&second).await.unwrap();
        let running = reviews.shadows().await.unwrap();
        let of_line: Vec<_> = running.iter().filter(|one| one.line == line).collect();
        assert_eq!(of_line, [&second]);
        let add = async |shadow: &str, inspection: &str, decision: &str, differs| {
            let decision = (decision, Some(2.5));
            let added = reviews.add_shadow_decision(shadow, inspection, decision, differs);
            added.await.unwrap();
        };
        add(&old.id, &all[3], "ng", true).await;
        add(&second.id, &all[1], "review", false).await;
        add(&second.id, &all[4], "ok", true).await;
        // Decided twice, for example by two servers: the first one counts.
        add(&second.id, &all[4], "ng", true).await;
        let held = reviews.claim(&claim(&line, "a")).await.unwrap();
        assert_eq!(ids(&held), [all[4].clone(), all[0].clone(), all[1].clone()]);
        assert_eq!(held.disputed, HashSet::from([all[4].clone()]));

        let texts = || [None, None, None];
        let judged = reviews.judge(&all[4], Said::Ng, texts(), ("me", None));
        judged.await.unwrap();
        let mut counts = reviews.shadow_counts(&second.id).await.unwrap();
        counts.sort_by(|a, b| a.verdict.cmp(&b.verdict));
        let count = |shadow: &str, verdict: &str| ShadowCount {
            line: "review".to_owned(),
            shadow: shadow.to_owned(),
            verdict: verdict.to_owned(),
            inspections: 1,
        };
        assert_eq!(counts, [count("ok", "ng"), count("review", "none")]);

        assert!(reviews.end_shadow(&line, "boss").await.unwrap());
        assert!(!reviews.end_shadow(&line, "boss").await.unwrap());
        let (last, runs) = reviews.last_shadow(&line).await.unwrap().unwrap();
        assert_eq!((last, runs), (second, false));
        assert!(reviews.last_shadow(&name()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn images_of_labelled_parts_are_kept_for_another_model() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let part = |text: &str, with_images: bool| {
            let bytes = bytes::Bytes::from(text.to_owned());
            let hash = ImageHash::of(&bytes);
            let content = ImageHash::of_all(std::slice::from_ref(&hash));
            NewPart {
                lot: "lot 1".to_owned(),
                class: "ok",
                score: 1.5,
                statements: 0.25,
                camera: "[]".to_owned(),
                content,
                images: if with_images {
                    vec![(bytes, hash).into()]
                } else {
                    Vec::new()
                },
            }
        };
        let shared = format!("a picture of {line}");
        let parts = [part(&shared, true), part("no picture", false)];
        let who = ("me", "all of lot 1");
        assert_eq!(
            reviews
                .add_parts(&line, "first", &parts, who)
                .await
                .unwrap(),
            2
        );
        // An inspection shows the same picture, and retention deletes it there.
        let inspected = new(&line, &shared);
        reviews.insert(&inspected, &[]).await.unwrap();
        reviews.delete_images_of(&inspected.id, "me").await.unwrap();

        let unscored = reviews.unscored(&line, "second").await.unwrap();
        assert_eq!((unscored.with_images, unscored.without_images), (1, 1));
        let to_score = reviews.parts_to_score(&line, "second", 9).await.unwrap();
        assert_eq!(to_score.len(), 1);
        assert_eq!(to_score[0].images, [shared.as_str()]);
        let again = NewPart {
            score: 2.5,
            images: Vec::new(),
            ..part(&shared, false)
        };
        let add = async || {
            reviews
                .add_scores(&line, "second", &again, who)
                .await
                .unwrap()
        };
        assert_eq!((add().await, add().await), (1, 0));
        assert!(
            reviews
                .parts_to_score(&line, "second", 9)
                .await
                .unwrap()
                .is_empty()
        );
        let scored = reviews.parts(&line, "second").await.unwrap();
        assert_eq!(
            (
                scored[0].score,
                scored[0].statements,
                scored[0].who.as_str()
            ),
            (2.5, 0.25, "me")
        );
        // Sent once more with its picture, a part has it from then on; what has one keeps it.
        let sent = [part("no picture", true), part(&shared, true)];
        assert_eq!(
            reviews.add_parts(&line, "first", &sent, who).await.unwrap(),
            0
        );
        let unscored = reviews.unscored(&line, "third").await.unwrap();
        assert_eq!((unscored.with_images, unscored.without_images), (2, 0));
    }
}

#[tokio::test]
async fn corrections_are_the_verdicts_that_stand_with_why_they_must_not_train() {
    for (_folder, reviews) in stores().await {
        let line = name();
        let mut audited = new(&line, "audited");
        audited.audit = true;
        reviews.insert(&audited, &[]).await.unwrap();
        let all = fill(&reviews, &line, 6).await;
        let texts = || [Some("scratch".to_owned()), None, None];
        let judge = async |id: &str, said| {
            let judged = reviews.judge(id, said, texts(), ("ann", None));
            judged.await.unwrap();
        };
        judge(&audited.id, Said::Ng).await;
        for (id, said) in all
            .iter()
            .zip([Said::Ok, Said::Ng, Said::Unsure, Said::Ng, Said::Ok])
        {
            judge(id, said).await;
        }
        // Undone, and said anew.
        reviews.undo(&all[1], "bo").await.unwrap();
        judge(&all[1], Said::Ok).await;
        reviews.undo(&all[4], "bo").await.unwrap();
        reviews.delete_images_of(&all[3], "bo").await.unwrap();
        let content = reviews.inspection(&all[0]).await.unwrap().content;
        let part = NewPart {
            lot: "lot 1".to_owned(),
            class: "ok",
            score: 1.5,
            statements: 0.0,
            camera: "[]".to_owned(),
            content,
            images: Vec::new(),
        };
        reviews
            .add_parts(&line, "a", &[part], ("me", "lot 1"))
            .await
            .unwrap();
        let found = reviews.corrections(&line, "", 9).await.unwrap();
        let short: Vec<_> = found
            .iter()
            .map(|one| (one.id.clone(), one.verdict.verdict.as_str(), one.left_out))
            .collect();
        assert_eq!(
            short,
            [
                (audited.id.clone(), "ng", Some(LeftOut::Audit)),
                (all[0].clone(), "ok", Some(LeftOut::Calibration)),
                (all[1].clone(), "ok", None),
                (all[3].clone(), "ng", Some(LeftOut::ImagesDeleted)),
            ]
        );
        assert_eq!(found[2].verdict.kind.as_deref(), Some("scratch"));
        assert_eq!(found[2].verdict.who, "ann");
        let after = reviews.corrections(&line, &all[0], 1).await.unwrap();
        assert_eq!(after.len(), 1);
        assert_eq!(after[0].id, all[1]);
    }
}
