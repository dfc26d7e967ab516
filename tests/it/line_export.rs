//! `clip-in line export`: from verdicts over HTTP to edit pairs on disk.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Output;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::server::{Server, base64, demo, failure, program, success};

const SCRATCHED: &str = "a scratched board";
const CLEAN: &str = "a clean board";

fn picture(seed: u64, scratched: bool) -> Vec<u8> {
    png(Shot::on_a_line(seed, scratched))
}

struct Plant {
    server: Server,
}

/// A row of the exported files.
struct Row {
    split: String,
    texts: HashMap<&'static str, Option<String>>,
    images: [Vec<u8>; 2],
    version: i64,
}

impl Plant {
    fn new(audit: f64) -> Self {
        let plant = Self {
            server: Server::start(),
        };
        let line = json!({
            "references": [base64(&picture(1, false))],
            "resolution": FEW_PIXELS,
            "statements": [
                {"text": SCRATCHED, "reference_text": CLEAN, "kind": "scratch"},
                {"text": "a board with a hole", "kind": "hole"},
            ],
            "audit": audit,
        });
        let url = format!("{}/v1/lines/board", plant.server.url);
        success(plant.server.client.put(url).json(&line).send().unwrap());
        plant
    }

    fn inspect(&self, query: &str, image: Vec<u8>) -> String {
        let url = format!("{}/v1/lines/board/inspections{query}", self.server.url);
        let request = self.server.client.post(url).body(image);
        let answer = success(request.header("content-type", "image/png").send().unwrap());
        answer["id"].as_str().unwrap().to_owned()
    }

    fn verdict(&self, inspection: &str, said: &Value) {
        let url = format!("{}/v1/inspections/{inspection}/verdict", self.server.url);
        success(self.server.client.post(url).json(said).send().unwrap());
    }

    fn delete(&self, path: &str) {
        let url = format!("{}{path}", self.server.url);
        success(self.server.client.delete(url).send().unwrap());
    }

    fn export(&self, out: &Path, more: &[&str]) -> Output {
        let mut command = program();
        command.args(["line", "export", "board", "--out"]).arg(out);
        command.arg("--model").arg(demo()).args(more);
        command.env("CLIP_IN_SERVER", &self.server.url);
        command.env_remove("CLIP_IN_API_KEY").output().unwrap()
    }

    fn exported(&self, out: &Path) -> Value {
        let done = self.export(out, &[]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}");
        let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
        let written = std::fs::read(out.join("pairs.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), summary);
        summary
    }
}

fn rows(out: &Path) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for split in ["train", "validation", "test"] {
        let file = std::fs::File::open(out.join(format!("{split}.parquet"))).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let names = [
                "source_caption",
                "target_caption",
                "edit_prompt",
                "id",
                "source_of",
                "kind",
                "category",
                "part",
                "lot",
                "reviewer",
                "line",
                "model",
            ];
            for row in 0..batch.num_rows() {
                let texts = names.map(|name| {
                    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
                    let column: Vec<_> = column.iter().collect();
                    (name, column[row].map(str::to_owned))
                });
                let images = ["source_image", "edited_image"].map(|name| {
                    let column = batch.column_by_name(name).unwrap().as_struct();
                    column.column(0).as_binary::<i32>().value(row).to_vec()
                });
                let versions = batch.column_by_name("line_version").unwrap();
                let texts = HashMap::from(texts);
                let id = texts["id"].clone().unwrap();
                let row = Row {
                    split: split.to_owned(),
                    texts,
                    images,
                    version: versions.as_primitive::<Int64Type>().value(row),
                };
                assert!(rows.insert(id, row).is_none());
            }
        }
    }
    rows
}

#[test]
fn verdicts_become_pairs_and_what_calibrates_or_was_undone_does_not() {
    let plant = Plant::new(0.0);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pairs");
    let none = plant.export(&out, &[]);
    let said = String::from_utf8_lossy(&none.stderr);
    assert!(!none.status.success());
    assert!(
        said.contains("nobody has found a part of this line OK or NG"),
        "{said}"
    );

    let ng: Vec<String> = (0..8)
        .map(|number| {
            let query = format!("?part=ng-{number}&lot={}", number % 3);
            let id = plant.inspect(&query, picture(100 + number, true));
            plant.verdict(&id, &json!({"verdict": "ng", "kind": "scratch"}));
            id
        })
        .collect();
    let ok: Vec<String> = (0..8)
        .map(|number| {
            let query = format!("?part=ok-{number}&lot={}", number % 3);
            let id = plant.inspect(&query, picture(200 + number, false));
            plant.verdict(&id, &json!({"verdict": "ok"}));
            id
        })
        .collect();
    // A sentence of the reviewer, without a statement that says what is true of a good part.
    let hole = plant.inspect("?part=hole", picture(300, true));
    plant.verdict(&hole, &json!({"verdict": "ng", "kind": "hole"}));
    // Nobody knows.
    let unsure = plant.inspect("?part=unsure", picture(301, true));
    plant.verdict(&unsure, &json!({"verdict": "unsure"}));
    // The same picture twice, and once more with another verdict than before.
    let twice = plant.inspect("?part=ng-0", picture(100, true));
    plant.verdict(&twice, &json!({"verdict": "ng", "kind": "scratch"}));
    let changed = plant.inspect("?part=ok-0", picture(200, false));
    plant.verdict(&changed, &json!({"verdict": "ng", "kind": "scratch"}));
    // A part that calibrates the line, although a person has decided it, too.
    let calibrates = picture(302, true);
    let url = format!("{}/v1/lines/board/calibrations", plant.server.url);
    let part = json!({"lot": "l", "class": "ng", "images": [base64(&calibrates)]});
    let body = json!({"declared": "all of lot l", "parts": [part], "calibrate": false});
    success(plant.server.client.post(url).json(&body).send().unwrap());
    let calibrates = plant.inspect("?part=calibrates", calibrates);
    plant.verdict(&calibrates, &json!({"verdict": "ng", "kind": "scratch"}));
    // Its images are gone.
    let deleted = plant.inspect("?part=deleted", picture(303, true));
    plant.verdict(&deleted, &json!({"verdict": "ng", "kind": "scratch"}));
    plant.delete(&format!("/v1/inspections/{deleted}/image"));

    let summary = plant.exported(&out);
    let left_out = &summary["left_out"];
    assert_eq!(left_out["calibration"], 1);
    assert_eq!(left_out["images deleted"], 1);
    assert_eq!(left_out["duplicate images"], 1);
    assert_eq!(left_out["contradictory verdicts"], 2);
    assert_eq!(left_out["no text about a good part"], 1);
    let found = rows(&out);
    let of_reference = found
        .values()
        .filter(|row| row.texts["source_of"].as_deref() == Some("reference"));
    assert_eq!(of_reference.count(), 8);
    let lonely = left_out["no NG part in the split"]
        .as_u64()
        .unwrap_or_default();
    assert_eq!(found.len() as u64, 8 + 7 - lonely);
    assert_eq!(summary["pairs"], found.len());
    for (number, id) in ng.iter().enumerate() {
        let row = &found[id];
        assert_eq!(row.images[0], picture(1, false));
        assert_eq!(row.images[1], picture(100 + number as u64, true));
        let text = |name| row.texts[name].as_deref();
        assert_eq!(text("source_caption"), Some(CLEAN));
        assert_eq!(
            (text("target_caption"), text("edit_prompt")),
            (Some(SCRATCHED), Some(SCRATCHED))
        );
        assert_eq!(
            (text("kind"), text("category")),
            (Some("scratch"), Some("scratch"))
        );
        assert_eq!(text("part"), Some(&*format!("ng-{number}")));
        assert_eq!(text("lot"), Some(&*format!("{}", number % 3)));
        assert_eq!(
            (text("line"), text("reviewer"), row.version),
            (Some("board"), None, 1)
        );
    }
    // A good part stands beside an NG part of the same split.
    let beside: Vec<_> = found.iter().filter(|(id, _)| id.contains('+')).collect();
    for (id, row) in &beside {
        let (bad, good) = id.split_once('+').unwrap();
        let number = ok.iter().position(|id| id == good).unwrap() as u64;
        assert_eq!(row.images[0], picture(200 + number, false));
        assert_eq!(row.split, found[bad].split);
    }

    // The same data again is the same file to the last byte.
    let bytes = || {
        ["train", "validation", "test"]
            .map(|split| std::fs::read(out.join(format!("{split}.parquet"))).unwrap())
    };
    let before = bytes();
    plant.exported(&out);
    assert_eq!(bytes(), before);

    // With more parts and another reference, a part stays in its split; what was undone is gone.
    plant.delete(&format!("/v1/inspections/{}/verdict", ng[3]));
    let more = plant.inspect("?part=more", picture(304, true));
    plant.verdict(&more, &json!({"verdict": "ng", "caption": SCRATCHED}));
    let url = format!("{}/v1/lines/board", plant.server.url);
    let other = json!({
        "references": [base64(&picture(2, false))],
        "resolution": FEW_PIXELS,
        "statements": [{"text": SCRATCHED, "reference_text": CLEAN, "kind": "scratch"}],
    });
    success(plant.server.client.put(url).json(&other).send().unwrap());
    plant.exported(&out);
    let after = rows(&out);
    assert!(!after.keys().any(|id| id.starts_with(&ng[3])));
    for (id, row) in &after {
        if let Some(before) = found.get(id) {
            assert_eq!(row.split, before.split, "{id}");
        }
    }
    let row = &after[&more];
    assert_eq!(row.images[0], picture(2, false));
    assert_eq!(
        (row.texts["kind"].as_deref(), row.version),
        (Some("scratch"), 1)
    );

    // The audit is part of the command.
    let strict = plant.export(&out, &["--fail-on", "duplicates=0"]);
    let said = String::from_utf8_lossy(&strict.stderr);
    assert!(
        !strict.status.success() && said.contains("the audit failed: duplicates"),
        "{said}"
    );
    assert!(
        std::fs::read_to_string(out.join("audit.md"))
            .unwrap()
            .contains("duplicates")
    );
}

#[test]
fn audited_parts_never_train_and_the_list_is_for_those_who_calibrate() {
    let plant = Plant::new(1.0);
    let id = plant.inspect("?part=1", picture(10, true));
    plant.verdict(&id, &json!({"verdict": "ng", "kind": "scratch"}));
    let folder = tempfile::tempdir().unwrap();
    let done = plant.export(folder.path(), &[]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        !done.status.success() && said.contains("no pair: 1 left out (audit)"),
        "{said}"
    );
    let url = |query: &str| format!("{}/v1/lines/board/corrections{query}", plant.server.url);
    let list = success(plant.server.client.get(url("")).send().unwrap());
    let found = &list["data"][0];
    assert_eq!(
        (&found["inspection"], &found["left_out"]),
        (&json!(id), &json!("audit"))
    );
    assert_eq!(
        (&found["verdict"]["kind"], &list["next"]),
        (&json!("scratch"), &Value::Null)
    );
    for wrong in ["?limit=0", "?limit=201", "?limit=x", "?after=%00"] {
        let (status, code, _) = failure(plant.server.client.get(url(wrong)).send().unwrap());
        assert_eq!((status, code.as_str()), (400, "invalid_query"), "{wrong}");
    }
}
