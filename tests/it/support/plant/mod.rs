//! A server with two models and a line `board`, which eight labelled parts calibrate.

use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::server::{Server, base64, demo, program, success};

/// The model that the line decides with.
pub const DEMO: &str = "clip-in-demo";
/// The other model.
pub const SMALL: &str = "clip-in-small";

/// A part of the line.
pub fn picture(seed: u64, scratched: bool) -> Vec<u8> {
    png(Shot::on_a_line(seed, scratched))
}

pub struct Plant {
    pub server: Server,
}

impl Plant {
    /// A server with these arguments besides the models.
    pub fn new(arguments: &[&str]) -> Self {
        let small = demo().parent().unwrap().join(SMALL);
        let all = [&["--model", small.to_str().unwrap()], arguments].concat();
        let plant = Self {
            server: Server::start_with(&all),
        };
        success(plant.of_line(
            "PUT",
            "",
            &json!({
                "references": [base64(&picture(1, false)), base64(&picture(2, false))],
                "resolution": FEW_PIXELS,
                "promise": {"escape": 0.5, "overkill": 0.5, "delta": 0.5},
                "split": {"calibrate": 1.0},
                "audit": 0.0,
            }),
        ));
        let part = |number: u64| {
            let scratched = number.is_multiple_of(2);
            json!({
                "lot": format!("lot {number}"),
                "class": if scratched { "ng" } else { "ok" },
                "images": [base64(&picture(100 + number, scratched))],
            })
        };
        let parts: Vec<_> = (0..8).map(part).collect();
        let body = json!({"declared": "all of lots 0 to 7", "parts": parts});
        let report = success(plant.of_line("POST", "/calibrations", &body));
        assert_eq!(report["escape"]["state"], "holds", "{report}");
        plant
    }

    pub fn ask(&self, method: &str, path: &str, body: &Value) -> reqwest::blocking::Response {
        let url = format!("{}{path}", self.server.url);
        let request = self.server.client.request(method.parse().unwrap(), url);
        request.json(body).send().unwrap()
    }

    /// A request about the line.
    pub fn of_line(&self, method: &str, path: &str, body: &Value) -> reqwest::blocking::Response {
        self.ask(method, &format!("/v1/lines/board{path}"), body)
    }

    pub fn inspect(&self, seed: u64, scratched: bool) -> Value {
        let url = format!("{}/v1/lines/board/inspections", self.server.url);
        let request = self.server.client.post(url).body(picture(seed, scratched));
        success(request.header("content-type", "image/png").send().unwrap())
    }

    /// A command of the program against the server: whether it succeeded, and what it printed.
    pub fn command(&self, words: &[&str]) -> (bool, String, String) {
        let mut command = program();
        command.args(words).env("CLIP_IN_SERVER", &self.server.url);
        let done = command.env_remove("CLIP_IN_API_KEY").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.success(), text(done.stdout), text(done.stderr))
    }
}
