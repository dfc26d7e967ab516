//! What reviewers do, over HTTP: claims, verdicts, planted items, the dashboard.

use reqwest::blocking::Response;
use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::server::{Server, base64, failure, success};

fn picture(seed: u64, scratched: bool) -> Vec<u8> {
    png(Shot::on_a_line(seed, scratched))
}

struct Plant {
    server: Server,
    _keys: tempfile::NamedTempFile,
}

impl Plant {
    /// A line that is not calibrated, so that all its inspections go to people.
    fn new() -> Self {
        let keys = tempfile::NamedTempFile::new().unwrap();
        let entry = |name: &str, roles: &str| {
            format!(
                "[[key]]\nname = \"{name}\"\nkey = \"{name}-key-0123456789\"\nroles = {roles}\n"
            )
        };
        let text = [
            entry("camera", "[\"inspect\"]"),
            entry("ann", "[\"review\"]"),
            entry("bo", "[\"review\"]"),
            entry("boss", "[\"calibrate\", \"admin\", \"review\"]"),
        ];
        std::fs::write(keys.path(), text.concat()).unwrap();
        let server = Server::start_with(&["--api-keys-file", keys.path().to_str().unwrap()]);
        let plant = Self {
            server,
            _keys: keys,
        };
        let line = json!({
            "references": [base64(&picture(1, false))],
            "resolution": FEW_PIXELS,
            "statements": [{"text": "a scratched board", "kind": "scratch"}],
            "audit": 0.0,
        });
        success(plant.ask("boss", "PUT", "/v1/lines/board", &line));
        plant
    }

    fn ask(&self, who: &str, method: &str, path: &str, body: &Value) -> Response {
        let url = format!("{}{path}", self.server.url);
        let request = self.server.client.request(method.parse().unwrap(), url);
        let request = request.header("x-api-key", format!("{who}-key-0123456789"));
        if body.is_null() {
            request.send().unwrap()
        } else {
            request.json(body).send().unwrap()
        }
    }

    fn inspect(&self, query: &str, image: Vec<u8>) -> Value {
        let url = format!("{}/v1/lines/board/inspections{query}", self.server.url);
        let request = self.server.client.post(url).body(image);
        let request = request.header("x-api-key", "camera-key-0123456789");
        success(request.header("content-type", "image/png").send().unwrap())
    }

    fn claim(&self, who: &str, body: &Value) -> Value {
        success(self.ask(who, "POST", "/v1/lines/board/reviews", body))
    }

    fn verdict(&self, who: &str, id: &str, key: Option<&str>, said: &str) -> Response {
        let url = format!("{}/v1/inspections/{id}/verdict", self.server.url);
        let mut request = self.server.client.post(url).json(&json!({"verdict": said}));
        request = request.header("x-api-key", format!("{who}-key-0123456789"));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.send().unwrap()
    }
}

fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn reviewers_share_the_queue_and_nobody_decides_twice() {
    let plant = Plant::new();
    let parts: Vec<String> = (0..5)
        .map(|number| {
            let answer = plant.inspect(
                &format!("?part=p{number}&lot=7"),
                picture(10 + number, false),
            );
            answer["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let ann = plant.claim("ann", &json!({"session": "a-1", "limit": 2}));
    let bo = plant.claim("bo", &json!({"session": "b-1", "limit": 2}));
    assert_eq!(
        (ids(&ann), ids(&bo)),
        (parts[..2].to_vec(), parts[2..4].to_vec())
    );
    assert_eq!(
        (&ann["waiting"], &ann["lease_seconds"]),
        (&json!(5), &json!(300))
    );
    let first = &ann["data"][0];
    assert_eq!(
        (&first["decision"], &first["reasons"], &first["verdict"]),
        (&json!("review"), &json!(["not calibrated"]), &Value::Null)
    );

    // The same request again is the same verdict; another one is refused.
    let said = success(plant.verdict("ann", &parts[0], Some("k-1"), "ok"));
    assert_eq!(
        success(plant.verdict("ann", &parts[0], Some("k-1"), "ok")),
        said
    );
    let (status, code, _) = failure(plant.verdict("bo", &parts[0], Some("k-2"), "ng"));
    assert_eq!((status, code.as_str()), (409, "verdict_exists"));
    let wrong = failure(plant.verdict("bo", &parts[1], Some(&"k".repeat(201)), "ng"));
    assert_eq!(wrong.2.as_deref(), Some("idempotency-key"));

    let ann = plant.claim("ann", &json!({"session": "a-1", "limit": 2}));
    assert_eq!(ids(&ann), [parts[1].clone(), parts[4].clone()]);
    success(plant.ask(
        "ann",
        "DELETE",
        &format!("/v1/inspections/{}/verdict", parts[0]),
        &Value::Null,
    ));
    let again = json!({"session": "a-1", "limit": 3, "again": parts[0]});
    assert_eq!(ids(&plant.claim("ann", &again))[0], parts[0]);
    // A page that closes gives back what it held.
    let released = plant.ask(
        "ann",
        "DELETE",
        "/v1/lines/board/reviews?session=a-1",
        &Value::Null,
    );
    assert_eq!(success(released)["released"], 3);
    let bo = plant.claim("bo", &json!({"session": "b-1", "limit": 9, "lot": "7"}));
    assert_eq!(bo["data"].as_array().unwrap().len(), 5);

    // Who may claim, and with what.
    let body = json!({"session": "c"});
    let (status, code, _) = failure(plant.ask("camera", "POST", "/v1/lines/board/reviews", &body));
    assert_eq!((status, code.as_str()), (403, "role_missing"));
    for (wrong, field) in [
        (json!({"session": ""}), "session"),
        (json!({"session": "a b"}), "session"),
        (json!({"session": "a", "limit": 21}), "limit"),
        (json!({"session": "a", "lot": "\u{0}"}), "lot"),
        (json!({"limit": 1}), ""),
    ] {
        let (status, code, param) =
            failure(plant.ask("ann", "POST", "/v1/lines/board/reviews", &wrong));
        assert_eq!((status, code.as_str()), (400, "invalid_request"), "{wrong}");
        assert_eq!(param.unwrap_or_default(), field, "{wrong}");
    }

    // The history of a part, the newest first.
    let later = plant.inspect("?part=p2", picture(40, false));
    let path = "/v1/lines/board/inspections?part=p2&newest=true";
    let history = success(plant.ask("ann", "GET", path, &Value::Null));
    assert_eq!(
        ids(&history),
        [later["id"].as_str().unwrap().to_owned(), parts[2].clone()]
    );
}

#[test]
fn a_reviewer_sees_the_good_part_as_long_as_it_is_the_reference() {
    let plant = Plant::new();
    let answer = plant.inspect("", picture(10, true));
    let path = format!(
        "/v1/inspections/{}/reference",
        answer["id"].as_str().unwrap()
    );
    let response = plant.ask("ann", "GET", &path, &Value::Null);
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(response.bytes().unwrap(), picture(1, false));
    let changed = json!({"references": [base64(&picture(2, false))], "resolution": FEW_PIXELS});
    success(plant.ask("boss", "PUT", "/v1/lines/board", &changed));
    let (status, code, _) = failure(plant.ask("ann", "GET", &path, &Value::Null));
    assert_eq!((status, code.as_str()), (409, "reference_changed"));
}

#[test]
fn planted_items_measure_reviewers() {
    let plant = Plant::new();
    let known = plant.inspect("?part=board-1234567890123&lot=7", picture(10, true));
    let known = known["id"].as_str().unwrap();
    let body = json!({"inspection": known});
    let plant_it = || plant.ask("boss", "POST", "/v1/lines/board/planted", &body);
    let (status, code, param) = failure(plant_it());
    assert_eq!(
        (status, code.as_str(), param.as_deref()),
        (409, "no_verdict", Some("inspection"))
    );
    success(plant.verdict("boss", known, None, "ng"));
    let planted = success(plant_it());
    assert_eq!(
        (&planted["verdict"], &planted["in_queue"]),
        (&json!("ng"), &json!(true))
    );
    let id = planted["id"].as_str().unwrap();
    // Reviewers may neither plant nor see which items are planted.
    assert_eq!(
        failure(plant.ask("ann", "GET", "/v1/lines/board/planted", &Value::Null)).0,
        403
    );

    // It comes with one of twenty inspections, and each reviewer gets it once.
    let met = |who: &str, said: &str| {
        for number in 0..400 {
            let session = format!("{who}-{number}");
            plant.inspect("", picture(20, false));
            let got = plant.claim(who, &json!({"session": session, "limit": 20}));
            if let Some(item) = got["data"]
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["id"] == id)
            {
                // It looks like the others.
                let part = item["part"].as_str().unwrap();
                assert!(
                    part.starts_with("board-") && part != "board-1234567890123",
                    "{part}"
                );
                assert_eq!(item["decision"], "review");
                for path in ["image", "map", "reference"] {
                    let shown = plant.ask(
                        who,
                        "GET",
                        &format!("/v1/inspections/{id}/{path}"),
                        &Value::Null,
                    );
                    assert_eq!(shown.status(), 200, "{path}");
                }
                success(plant.verdict(who, id, Some("once"), said));
                for number in 0..=number {
                    let path = format!("/v1/lines/board/reviews?session={who}-{number}");
                    success(plant.ask(who, "DELETE", &path, &Value::Null));
                }
                return;
            }
        }
        panic!("{who} never got the planted item");
    };
    met("ann", "ng");
    met("bo", "ok");
    let list = success(plant.ask("boss", "GET", "/v1/lines/board/planted", &Value::Null));
    let found = &list["data"][0];
    assert_eq!((&found["answers"], &found["right"]), (&json!(2), &json!(1)));

    let dashboard = success(plant.ask(
        "ann",
        "GET",
        "/v1/lines/board/dashboard?days=1",
        &Value::Null,
    ));
    let reviewer = |who: &str, [verdicts, planted, right]: [u64; 3]| json!({"who": who, "verdicts": verdicts, "planted": planted, "right": right});
    let expected = json!([
        reviewer("ann", [0, 1, 1]),
        reviewer("bo", [0, 1, 0]),
        reviewer("boss", [1, 0, 0])
    ]);
    assert_eq!(dashboard["reviewers"], expected, "{dashboard}");
    assert_eq!(
        dashboard["agreement"],
        json!([{"who": ["ann", "bo"], "both": 1, "equal": 0}])
    );
    assert_eq!(dashboard["share_to_review"], 1.0);
    let count = |field: &str| -> i64 {
        let buckets = dashboard["buckets"].as_array().unwrap();
        buckets.iter().map(|one| one[field].as_i64().unwrap()).sum()
    };
    // Planted items are no inspections.
    assert_eq!(
        (count("inspections"), count("verdicts")),
        (count("review"), 1)
    );
    assert_eq!(dashboard["parts"]["ng_needed"], 183);
    assert_eq!(
        dashboard["waiting"].as_i64().unwrap(),
        count("inspections") - 1
    );

    let path = format!("/v1/lines/board/planted/{id}");
    success(plant.ask("boss", "DELETE", &path, &Value::Null));
    assert_eq!(
        failure(plant.ask("boss", "DELETE", &path, &Value::Null)).0,
        404
    );
    let image = format!("/v1/inspections/{id}/image");
    assert_eq!(
        failure(plant.ask("boss", "GET", &image, &Value::Null)).0,
        410
    );
    // That of the inspection is still there.
    let image = format!("/v1/inspections/{known}/image");
    assert_eq!(plant.ask("boss", "GET", &image, &Value::Null).status(), 200);
}
