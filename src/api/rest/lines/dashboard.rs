//! `/v1/lines/{line}/dashboard`: how a line and its reviewers do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::shipped::Shipped;
use super::spliced::as_stored;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, RoleErrors, StoreErrors};
use crate::api::{ApiError, AppState};
use crate::calls;
use crate::error_code::Code;
use crate::lines::{LineError, Promised};
use crate::promise::binomial::needed_without_error;
use crate::reviews::{Alarm, Bucket, PlantedAnswer, now};

/// Days of a dashboard, at most.
const MOST_DAYS: u32 = 366;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Which time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DashboardQuery {
    /// So many days until now.
    #[param(minimum = 1, maximum = 366, default = 7)]
    days: Option<u32>,
}

/// How a line and its reviewers do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dashboard {
    object: &'static str,
    line: String,
    version: i64,
    /// Milliseconds since 1970.
    since: i64,
    /// Decisions over time: of each hour, and of each day for more than two days. Hours and days without any are left out.
    buckets: Vec<BucketObject>,
    /// Number of inspections without a verdict that the line was unsure about; 1000 stands for more.
    waiting: i64,
    /// Share of the inspections of this time that was left to a person; null without any.
    #[schema(required)]
    share_to_review: Option<f64>,
    promise: Promised,
    /// The report of the last calibration of this version; null without one.
    #[schema(required, value_type = Option<Object>)]
    calibration: Option<Box<RawValue>>,
    /// The monitor whose alarm suspends the promise; null without one.
    #[schema(required)]
    drift: Option<String>,
    /// What the random audit says about parts that were decided OK.
    audit: Shipped,
    /// Who reviewed.
    reviewers: Vec<Reviewer>,
    /// How often two reviewers said the same of the same planted item.
    agreement: Vec<Agreement>,
    parts: PartsNeeded,
    /// The last alarms and their ends, the newest first.
    alarms: Vec<AlarmObject>,
}

/// Decisions in a stretch of time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DashboardBucket)]
struct BucketObject {
    /// Milliseconds since 1970.
    start: i64,
    inspections: i64,
    ok: i64,
    ng: i64,
    review: i64,
    /// Those of all that have a verdict now.
    verdicts: i64,
}

/// A reviewer.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Reviewer {
    /// The name of the API key; "" without keys.
    who: String,
    /// Verdicts in this time.
    verdicts: i64,
    /// Planted items that the reviewer has answered, at any time.
    planted: u64,
    /// Those that were answered right.
    right: u64,
}

/// Two reviewers.
#[derive(Debug, Serialize, ToSchema)]
struct Agreement {
    #[schema(min_items = 2, max_items = 2)]
    who: [String; 2],
    /// Planted items that both have answered.
    both: u64,
    /// Those of which they said the same.
    equal: u64,
}

/// Labelled parts of a line, and how many a promise needs at least.
#[derive(Debug, Serialize, ToSchema)]
struct PartsNeeded {
    ok: u64,
    ng: u64,
    /// OK parts that the promise about overkill needs at least, all of them in the lots that calibrate.
    ok_needed: u64,
    /// NG parts that the promise about escapes needs at least.
    ng_needed: u64,
}

/// An alarm, or its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DashboardAlarm)]
struct AlarmObject {
    /// Milliseconds since 1970.
    created: i64,
    /// `drift`, `drift_dismissed` or `trigger_gap`.
    what: String,
    #[schema(value_type = Object)]
    detail: Box<RawValue>,
}

/// Returns how a line and its reviewers do.
#[utoipa::path(
    get,
    path = "/v1/lines/{line}/dashboard",
    operation_id = "get_line_dashboard",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line"), DashboardQuery),
    responses((status = 200, description = "The figures", body = Dashboard), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn show(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    query: Result<Query<DashboardQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Dashboard>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::new(Code::InvalidQuery, error.body_text()))?;
    let days = query.days.unwrap_or(7);
    if !(1..=MOST_DAYS).contains(&days) {
        let message = format!("days is from 1 to {MOST_DAYS}");
        return Err(ApiError::new(Code::InvalidQuery, message).at("days"));
    }
    let line = state.lines.get(&line).await?;
    let reviews = state.lines.store().await?;
    let since = now() - i64::from(days) * DAY;
    let stretch = if days > 2 { DAY } else { HOUR };
    let failed = LineError::from;
    let name = &line.name;
    let decided = reviews.decided_since(name, since, stretch).await;
    let decided = decided.map_err(failed)?;
    let verdicts = reviews.verdicts_since(name, since).await.map_err(failed)?;
    let planted = reviews.planted_answers(name).await.map_err(failed)?;
    let alarms = reviews.alarms(name).await.map_err(failed)?;
    let shipped = reviews.shipped_audit(name).await.map_err(failed)?;
    let calibration = reviews.calibration(name, line.version).await;
    let calibration = calibration.map_err(failed)?;
    let scored_by = calls::line_scored_by(&state, &line.definition).unwrap_or_default();
    let counts = reviews.count_parts(name, &scored_by).await;
    let (ok, ng, _) = counts.map_err(failed)?;
    let promise = line.definition.promised()?;
    let confidence = promise.confidence_of_each();
    let (reviewers, agreement) = compared(verdicts, &planted);
    let report = calibration.as_ref().map_or(0, |one| one.report.len());
    let objects = decided.len() + alarms.len() + reviewers.len() + agreement.len();
    answer_size::reserve(&state, (8 + 2 * objects) * OBJECT + of_text(report))?;
    Ok(Json(Dashboard {
        object: "dashboard",
        line: name.clone(),
        version: line.version,
        since,
        share_to_review: share_to_review(&decided),
        buckets: decided.into_iter().map(BucketObject::from).collect(),
        waiting: reviews.waits_for_people(name).await.map_err(failed)?,
        promise: line.definition.promise,
        calibration: calibration.map(|one| as_stored(one.report)).transpose()?,
        drift: line.drift(),
        audit: Shipped::of(&shipped),
        reviewers,
        agreement,
        parts: PartsNeeded {
            ok,
            ng,
            ok_needed: needed_without_error(promise.overkill(), confidence),
            ng_needed: needed_without_error(promise.escape(), confidence),
        },
        alarms: alarms
            .into_iter()
            .map(AlarmObject::new)
            .collect::<Result<_, _>>()?,
    }))
}

impl From<Bucket> for BucketObject {
    fn from(bucket: Bucket) -> Self {
        Self {
            start: bucket.start,
            inspections: bucket.ok + bucket.ng + bucket.review,
            ok: bucket.ok,
            ng: bucket.ng,
            review: bucket.review,
            verdicts: bucket.verdicts,
        }
    }
}

impl AlarmObject {
    fn new(alarm: Alarm) -> Result<Self, ApiError> {
        Ok(Self {
            created: alarm.created,
            what: alarm.what,
            detail: as_stored(alarm.detail)?,
        })
    }
}

fn share_to_review(buckets: &[Bucket]) -> Option<f64> {
    let all: i64 = buckets.iter().map(|one| one.ok + one.ng + one.review).sum();
    let review: i64 = buckets.iter().map(|one| one.review).sum();
    (all > 0).then(|| review as f64 / all as f64)
}

/// Reviewers by name, and each two of them who have answered the same planted item.
fn compared(
    verdicts: Vec<(String, i64)>,
    planted: &[PlantedAnswer],
) -> (Vec<Reviewer>, Vec<Agreement>) {
    let mut reviewers: BTreeMap<String, Reviewer> = BTreeMap::new();
    let mut answers: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (who, count) in verdicts {
        reviewers.entry(who).or_default().verdicts = count;
    }
    for answer in planted {
        let reviewer = reviewers.entry(answer.who.clone()).or_default();
        reviewer.planted += 1;
        reviewer.right += u64::from(answer.verdict == answer.expected);
        let of_item = answers.entry(&answer.item).or_default();
        of_item.insert(&answer.who, &answer.verdict);
    }
    let mut pairs: BTreeMap<[&str; 2], (u64, u64)> = BTreeMap::new();
    for of_item in answers.values() {
        for (first, said) in of_item {
            for (second, also) in of_item.iter().filter(|(second, _)| *second > first) {
                let (both, equal) = pairs.entry([*first, *second]).or_default();
                *both += 1;
                *equal += u64::from(said == also);
            }
        }
    }
    let reviewers = reviewers
        .into_iter()
        .map(|(who, reviewer)| Reviewer { who, ..reviewer });
    let agreement = pairs.into_iter().map(|(who, (both, equal))| Agreement {
        who: who.map(str::to_owned),
        both,
        equal,
    });
    (reviewers.collect(), agreement.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reviewers_are_compared_on_what_both_have_answered() {
        let answer = |item: &str, who: &str, verdict: &str| PlantedAnswer {
            item: item.to_owned(),
            who: who.to_owned(),
            verdict: verdict.to_owned(),
            expected: "ng".to_owned(),
        };
        let planted = [
            answer("1", "ann", "ng"),
            answer("1", "bo", "ng"),
            answer("2", "ann", "ng"),
            answer("2", "bo", "ok"),
            answer("3", "bo", "ng"),
        ];
        let (reviewers, agreement) = compared(vec![("ann".to_owned(), 7)], &planted);
        let found: Vec<_> = reviewers
            .iter()
            .map(|one| (one.who.as_str(), one.verdicts, one.planted, one.right))
            .collect();
        assert_eq!(found, [("ann", 7, 2, 2), ("bo", 0, 3, 2)]);
        let [pair] = agreement.as_slice() else {
            panic!("{agreement:?}");
        };
        assert_eq!((pair.both, pair.equal), (2, 1));
    }
}
