//! Messages of lines to webhooks and folders: each arrives, in the order of its line, also after refusals, restarts and
//! kills.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::postgres::Postgres;
use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, failure, success};
use crate::support::webhook_receiver::Receiver;

const SECRET: &str = "a secret of the tests";

/// A folder with the state of a server and a file of sinks.
struct Plant {
    folder: TempDir,
}

impl Plant {
    fn new(sinks: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let text = sinks.replace("DIR", folder.path().to_str().unwrap());
        std::fs::write(folder.path().join("sinks.toml"), text).unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        std::fs::create_dir(folder.path().join("models")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn start(&self) -> Server {
        self.start_with(&[])
    }

    fn start_with(&self, more: &[&str]) -> Server {
        self.start_at("state", more)
    }

    fn start_at(&self, state: &str, more: &[&str]) -> Server {
        let (state, sinks, models) = (
            self.path(state),
            self.path("sinks.toml"),
            self.path("models"),
        );
        let mut arguments = vec!["--state", &state, "--sinks", &sinks, "--workers", "1"];
        arguments.extend(["--admin", "--models-root", &models]);
        arguments.extend(more);
        Server::start_with(&arguments)
    }
}

fn webhook(name: &str, url: &str) -> String {
    format!(
        "[[sink]]\nname = '{name}'\nkind = 'webhook'\nurl = '{url}'\nsecret_file = 'DIR/secret'\n"
    )
}

fn picture(seed: u64) -> Vec<u8> {
    png(Shot::on_a_line(seed, false))
}

fn put_line(server: &Server, name: &str) {
    let url = format!("{}/v1/lines/{name}", server.url);
    let body = json!({"references": [base64(&picture(0))], "resolution": FEW_PIXELS});
    success(server.client.put(url).json(&body).send().unwrap());
}

fn inspect(server: &Server, line: &str, image: &[u8]) -> String {
    let path = format!("/v1/lines/{line}/inspections");
    let answer = success(server.post_bytes(&path, "image/png", image.to_vec()));
    answer["id"].as_str().unwrap().to_owned()
}

fn sink(server: &Server, name: &str) -> Value {
    let all = success(server.get("/v1/admin/deliveries"));
    let mut all = all["data"].as_array().unwrap().iter();
    all.find(|one| one["sink"] == name).unwrap().clone()
}

#[test]
fn messages_are_signed_and_come_in_order_although_the_receiver_fails_half_of_the_time() {
    let receiver = Receiver::answering(|_, before| if before % 2 == 0 { 503 } else { 200 });
    let plant = Plant::new(&webhook("mes", &receiver.url));
    let server = plant.start();
    put_line(&server, "bolts");
    let image = picture(1);
    let first = inspect(&server, "bolts", &image);
    let url = format!("{}/v1/inspections/{first}/verdict", server.url);
    let said = json!({"verdict": "ng", "kind": "scratch"});
    let verdict = success(server.client.post(&url).json(&said).send().unwrap());
    success(server.client.delete(&url).send().unwrap());
    let second = inspect(&server, "bolts", &image);
    wait_for("four messages", || receiver.taken().len() >= 4);
    let arrived = receiver.arrived();
    let taken: Vec<_> = arrived.iter().filter(|one| one.status == 200).collect();
    let events: Vec<_> = taken.iter().map(|one| one.event.as_str()).collect();
    assert_eq!(
        events,
        ["inspection", "verdict", "verdict_undone", "inspection"]
    );
    assert_eq!([&taken[0].id, &taken[3].id], [&first, &second]);
    assert_eq!(taken[1].id, verdict["id"].as_str().unwrap());
    // Each attempt has the same id and the same body.
    let mut bodies: HashMap<&str, HashSet<&str>> = HashMap::new();
    for one in &arrived {
        bodies.entry(&one.id).or_default().insert(&one.text);
    }
    assert!(arrived.len() >= 8 && bodies.values().all(|texts| texts.len() == 1));
    let stored = success(server.get(&format!("/v1/inspections/{first}")));
    for one in &arrived[..4] {
        assert_eq!(one.body["inspection"]["score"], stored["score"]);
        assert_eq!(
            (&one.body["id"], &one.body["line"]),
            (&json!(one.id), &json!("bolts"))
        );
    }
    let said = &taken[1].body["verdict"];
    assert_eq!(
        (&said["verdict"], &said["kind"]),
        (&json!("ng"), &json!("scratch"))
    );
    assert_eq!(taken[2].body["verdict"]["verdict"], "undone");
    assert_eq!(taken[0].body.get("verdict"), None);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    for one in &arrived {
        let (time, digits) = one.signature.split_once(",v1=").unwrap();
        let signed = format!("{}.{}", time.strip_prefix("t=").unwrap(), one.text);
        let digits = digits.as_bytes().chunks(2);
        let tag: Vec<_> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        hmac::verify(&key, signed.as_bytes(), &tag).unwrap();
    }
    wait_for("an empty outbox", || sink(&server, "mes")["pending"] == 0);
    let now = sink(&server, "mes");
    assert_eq!(
        (&now["connected"], &now["delivers"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(now["last_error"]["reason"], "status 503: \"an echo\"");
    let delivered = "clip_in_delivery_attempts_total{result=\"delivered\",sink=\"mes\"}";
    assert_eq!(server.metric(delivered), 4.0);
    let failed = "clip_in_delivery_attempts_total{result=\"failed\",sink=\"mes\"}";
    assert!(server.metric(failed) >= 4.0);
}

#[test]
fn a_refused_message_becomes_a_dead_letter_and_holds_up_no_other_line() {
    let accepts = std::sync::Arc::new(AtomicBool::new(false));
    let accepting = accepts.clone();
    let receiver = Receiver::answering(move |message, _| {
        let wanted = message["line"] != "bolts" || accepting.load(Ordering::SeqCst);
        if wanted { 204 } else { 422 }
    });
    let plant = Plant::new(&webhook("mes", &receiver.url));
    let server = plant.start();
    put_line(&server, "bolts");
    put_line(&server, "nuts");
    let image = picture(1);
    let refused = [
        inspect(&server, "bolts", &image),
        inspect(&server, "bolts", &image),
    ];
    let of_nuts = inspect(&server, "nuts", &image);
    wait_for("the other line's message", || {
        receiver.taken().contains(&of_nuts)
    });
    // The other line did not wait for the end of the attempts.
    assert_eq!(sink(&server, "mes")["dead"], 0);
    wait_for("both to be given up", || sink(&server, "mes")["dead"] == 2);
    let attempts = receiver.arrived();
    let of_first = attempts.iter().filter(|one| one.id == refused[0]);
    assert_eq!(of_first.count(), 5);
    let path = "/v1/admin/deliveries/mes/dead";
    let page = success(server.get(&format!("{path}?limit=1")));
    let letter = &page["data"][0];
    assert_eq!(letter["id"], refused[0].as_str());
    assert_eq!(
        (&letter["line"], &letter["event"], &letter["refusals"]),
        (&json!("bolts"), &json!("inspection"), &json!(5))
    );
    assert_eq!(letter["error"], "status 422: \"an echo\"");
    let next = page["next"].as_str().unwrap();
    let page = success(server.get(&format!("{path}?limit=1&after={next}")));
    assert_eq!(page["data"][0]["id"], refused[1].as_str());
    assert_eq!(page["next"], Value::Null);
    accepts.store(true, Ordering::SeqCst);
    let back = success(server.post("/v1/admin/deliveries/mes/retry", &json!({})));
    assert_eq!(back["retried"], 2);
    wait_for("both", || {
        refused.iter().all(|id| receiver.taken().contains(id))
    });
    wait_for("no dead letters", || {
        let now = sink(&server, "mes");
        now["dead"] == 0 && now["pending"] == 0
    });
    let (status, code, _) = failure(server.get("/v1/admin/deliveries/plc/dead"));
    assert_eq!((status, code.as_str()), (404, "sink_not_found"));
    let (_, code, field) = failure(server.get(&format!("{path}?limit=0")));
    assert_eq!(
        (code.as_str(), field.as_deref()),
        ("invalid_query", Some("limit"))
    );
}

#[test]
fn a_folder_has_a_file_for_each_wanted_message_and_waits_while_it_is_missing() {
    let sinks = "[[sink]]\nname = 'files'\nkind = 'folder'\npath = 'DIR/out'\ndecisions = ['review']\nlines = ['bolts']\n\
                 [[sink]]\nname = 'ok only'\nkind = 'folder'\npath = 'DIR/ok'\ndecisions = ['ok']\n";
    let plant = Plant::new(&sinks.replace("ok only", "ok-only"));
    let server = plant.start();
    put_line(&server, "bolts");
    put_line(&server, "nuts");
    let image = picture(1);
    let id = inspect(&server, "bolts", &image);
    inspect(&server, "nuts", &image);
    wait_for("an error", || sink(&server, "files")["connected"] == false);
    let reason = sink(&server, "files")["last_error"]["reason"].clone();
    assert!(reason.as_str().unwrap().contains("/out"), "{reason}");
    drop(server);
    std::fs::create_dir(plant.folder.path().join("out")).unwrap();
    let server = plant.start();
    let file = plant.folder.path().join("out").join(format!("{id}.json"));
    wait_for("the file", || file.exists());
    let message: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(message["inspection"]["decision"], "review");
    wait_for("an empty outbox", || sink(&server, "files")["pending"] == 0);
    // What nobody wants is not stored either.
    assert_eq!(sink(&server, "ok-only")["pending"], 0);
    let files = std::fs::read_dir(plant.folder.path().join("out")).unwrap();
    assert_eq!(files.count(), 1);
}

#[test]
fn without_the_admin_routes_nobody_sees_deliveries() {
    let server = Server::start();
    let (status, code, _) = failure(server.get("/v1/admin/deliveries"));
    assert_eq!((status, code.as_str()), (404, "not_found"));
}

/// Inspects on a line until a time, also while the server is killed; returns the ids that were acknowledged.
fn inspect_until(url: &Mutex<String>, line: &str, image: &[u8], until: &AtomicBool) -> Vec<String> {
    let client = crate::support::server::client().build().unwrap();
    let mut acknowledged = Vec::new();
    while !until.load(Ordering::SeqCst) {
        let url = format!("{}/v1/lines/{line}/inspections", url.lock().unwrap());
        let request = client.post(url).header("content-type", "image/png");
        let answer = request.body(image.to_vec()).send();
        let answer = answer.and_then(|answer| answer.error_for_status());
        match answer.and_then(|answer| answer.json::<Value>()) {
            Ok(answer) => acknowledged.push(answer["id"].as_str().unwrap().to_owned()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    acknowledged
}

fn kill_and_count(database: Option<&str>) {
    // Away for two of four seconds.
    let started = Instant::now();
    let receiver = Receiver::answering(move |_, _| {
        if started.elapsed().as_secs() % 4 < 2 {
            200
        } else {
            500
        }
    });
    let plant = Plant::new(&webhook("mes", &receiver.url));
    let database = database.map(|url| vec!["--database", url]);
    let database = database.unwrap_or_default();
    let server = plant.start_with(&database);
    put_line(&server, "bolts");
    put_line(&server, "nuts");
    let url = Mutex::new(server.url.clone());
    let is_over = AtomicBool::new(false);
    let image = picture(1);
    let (acknowledged, server) = std::thread::scope(|scope| {
        let lines = ["bolts", "nuts"].map(|line| {
            let (url, image, is_over) = (&url, &image, &is_over);
            scope.spawn(move || (line, inspect_until(url, line, image, is_over)))
        });
        let mut server = server;
        for _ in 0..2 {
            std::thread::sleep(Duration::from_secs(3));
            server.kill();
            drop(server);
            server = plant.start_with(&database);
            *url.lock().unwrap() = server.url.clone();
        }
        std::thread::sleep(Duration::from_secs(2));
        is_over.store(true, Ordering::SeqCst);
        (lines.map(|line| line.join().unwrap()), server)
    });
    wait_for("an empty outbox", || sink(&server, "mes")["pending"] == 0);
    let taken = receiver.taken();
    for (line, ids) in &acknowledged {
        assert!(ids.len() >= 5, "{line}: {} inspections", ids.len());
        // Where each of them was taken first: in order.
        let first = |id: &String| taken.iter().position(|taken| taken == id);
        let places: Vec<_> = ids.iter().map(first).collect();
        assert!(places.iter().all(Option::is_some), "{line}: one is missing");
        assert!(places.is_sorted(), "{line}: {places:?}");
    }
}

#[test]
fn a_killed_server_delivers_what_it_acknowledged() {
    kill_and_count(None);
}

#[test]
fn a_killed_server_delivers_what_it_acknowledged_from_postgresql() {
    if let Some(postgres) = Postgres::start() {
        kill_and_count(Some(&postgres.url()));
    }
}

#[test]
fn of_two_servers_with_one_database_one_delivers_until_it_is_gone() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let receiver = Receiver::answering(|_, _| 200);
    let plant = Plant::new(&webhook("mes", &receiver.url));
    let url = postgres.url();
    let database = ["--database", url.as_str()];
    let start = |state: &str| {
        std::fs::create_dir_all(plant.folder.path().join(state)).unwrap();
        let images = plant.path("images");
        plant.start_at(
            state,
            &[database[0], database[1], "--inspection-images", &images],
        )
    };
    let a = start("state");
    put_line(&a, "bolts");
    let image = picture(1);
    inspect(&a, "bolts", &image);
    wait_for("the first server", || sink(&a, "mes")["delivers"] == true);
    let b = start("state-b");
    // Its courier has looked by then.
    std::thread::sleep(Duration::from_secs(3));
    let of_b: Vec<_> = (0..5).map(|_| inspect(&b, "bolts", &image)).collect();
    wait_for("what the other server took", || {
        of_b.iter().all(|id| receiver.taken().contains(id))
    });
    assert_eq!(sink(&b, "mes")["delivers"], false);
    assert_eq!(receiver.taken().len(), 6, "one came twice");
    a.kill();
    let late = inspect(&b, "bolts", &image);
    wait_for("the second server", || receiver.taken().contains(&late));
    assert_eq!(sink(&b, "mes")["delivers"], true);
}

#[test]
fn invalid_sinks_stop_the_start_and_the_check_of_settings_names_them() {
    let plant = Plant::new("[[sink]]\nname = 'mes'\nkind = 'webhook'\nurl = 'mes.example'\n");
    let settings = plant.folder.path().join("clip-in.toml");
    let sinks = plant.path("sinks.toml");
    std::fs::write(&settings, format!("[lines]\nsinks = '{sinks}'\n")).unwrap();
    let checked = check(&settings);
    assert!(!checked.status.success());
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    let expected = "line 2: [lines] sinks: ";
    assert!(
        said.contains(expected) && said.contains("url: this is not a URL"),
        "{said}"
    );
    std::fs::write(plant.folder.path().join("sinks.toml"), "").unwrap();
    assert!(check(&settings).status.success());
}

fn check(settings: &Path) -> std::process::Output {
    let mut command = crate::support::server::program();
    command.args(["config", "check"]).arg(settings);
    command.output().unwrap()
}
