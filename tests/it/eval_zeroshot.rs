//! `clip-in eval zeroshot`: classes from folders or a file.

use std::path::Path;

use crate::support::eval_data::{SCENES, eval, jpeg, write};
use serde_json::json;

#[test]
fn zeroshot_takes_names_from_folders_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let names = ["flashlight", "gear_wheel", "bottle"];
    for (name, scene) in names.iter().zip([0, 1, 5]) {
        write(&data.join(name).join("a.jpg"), jpeg(scene));
    }
    // A scene of another class.
    write(&data.join("bottle/wrong.jpg"), jpeg(0));
    let described = folder.path().join("names.json");
    let text = json!({"flashlight": SCENES[0], "gear_wheel": SCENES[1], "bottle": SCENES[5]});
    write(&described, text.to_string());
    let templates = folder.path().join("templates.txt");
    write(&templates, "{}\n\na photo of {}\n");
    let (described, templates) = (
        described.display().to_string(),
        templates.display().to_string(),
    );
    let ended = eval(
        "zeroshot",
        &data,
        &["--classnames", &described, "--templates", &templates],
    );
    assert_eq!(ended.status, 0, "{}", ended.said);
    assert_eq!(
        (ended.value("top1"), ended.value("top1/bottle")),
        (75.0, 50.0)
    );
    assert!((ended.value("mean_per_class") - 250.0 / 3.0).abs() < 1e-9);
    assert!(
        ended.report["metrics"]["top5"].is_null(),
        "of three classes"
    );
    write(Path::new(&described), "[\"one\", \"two\"]");
    let refused = eval("zeroshot", &data, &["--classnames", &described]);
    assert!(
        refused.status == 1 && refused.said.contains("2 names for 3 folders"),
        "{}",
        refused.said
    );
    write(Path::new(&templates), "no place for it\n");
    let refused = eval("zeroshot", &data, &["--templates", &templates]);
    assert!(
        refused.status == 1 && refused.said.contains("templates.txt:1"),
        "{}",
        refused.said
    );
}
