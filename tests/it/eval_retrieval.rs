//! `clip-in eval` on retrieval benchmarks, in their published formats.

use std::fs;

use crate::support::eval_data;
use crate::support::eval_data::{
    SCENES, caption, eval, jpeg, pictures, strings, write, write_parquet,
};
use serde_json::{Value, json};

/// Scenes 0 to 4 find their captions except for two that are swapped: 3 of 5 in both directions.
fn check_retrieval(prefix: &str, ended: &eval_data::Ended) {
    assert_eq!(ended.status, 0, "{}", ended.said);
    for direction in ["image_to_text", "text_to_image"] {
        let at = |k: u32| ended.value(&format!("{prefix}{direction}_r{k}"));
        assert_eq!(
            (at(1), at(5), at(10)),
            (60.0, 100.0, 100.0),
            "{prefix}{direction}"
        );
    }
    assert_eq!(ended.report["records"], 5);
}

#[test]
fn retrieval_in_every_layout() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for scene in 0..5 {
        let (id, text) = (scene + 1, caption(scene));
        write(&path(&format!("urban/image/{id}.jpg")), jpeg(scene));
        write(
            &path(&format!("urban/caption/{id}.txt")),
            format!("{text}\nmore\n"),
        );
        write(&path(&format!("dci/photos/sa_{id}.jpg")), jpeg(scene));
        let annotation = json!({"image": format!("sa_{id}.jpg"), "short_caption": text, "extra_caption": format!("{text} All is still.\n"), "mask_data": {}});
        write(
            &path(&format!("dci/annotations/sa_{id}.json")),
            annotation.to_string(),
        );
        write(
            &path(&format!("docci/images/test_0000{id}.jpg")),
            jpeg(scene),
        );
        write(&path(&format!("share/sam/images/sa_{id}.jpg")), jpeg(scene));
    }
    check_retrieval(
        "",
        &eval("retrieval", &path("urban"), &["--layout", "urban1k"]),
    );
    let dci = eval("retrieval", &path("dci"), &["--layout", "dci"]);
    check_retrieval("short_", &dci);
    check_retrieval("long_", &dci);

    let line = |split: &str, scene: usize| {
        let id = format!("{split}_0000{}", scene + 1);
        json!({"type": "text", "split": split, "annotator_id": "x", "example_id": id, "image_file": format!("{id}.jpg"), "description": caption(scene)})
    };
    let mut lines: Vec<String> = (0..5)
        .map(|scene| line("test", scene).to_string())
        .collect();
    lines.push(line("train", 0).to_string());
    write(
        &path("docci/docci_descriptions.jsonlines"),
        lines.join("\n"),
    );
    let docci = eval("retrieval", &path("docci"), &["--layout", "docci"]);
    check_retrieval("", &docci);
    fs::create_dir(path("docci-hub")).unwrap();
    let files: Vec<_> = (0..5).map(jpeg).collect();
    let ids: Vec<_> = (1..6).map(|id| format!("test_0000{id}")).collect();
    let columns = vec![
        ("image", pictures(&files)),
        (
            "example_id",
            strings(&ids.iter().map(String::as_str).collect::<Vec<_>>()),
        ),
        ("description", strings(&[0, 1, 2, 3, 4].map(caption))),
    ];
    write_parquet(&path("docci-hub/0000.parquet"), columns);
    let hub = eval("retrieval", &path("docci-hub"), &["--layout", "docci"]);
    check_retrieval("", &hub);
    assert_eq!(
        hub.report["data_fingerprint"],
        docci.report["data_fingerprint"]
    );

    let turns = |scene: usize| json!([{"from": "human", "value": "<image>\nDescribe."}, {"from": "gpt", "value": format!("{}\nAll is still. Really.", caption(scene))}]);
    let entry = |scene: usize| json!({"id": "x", "image": format!("sam/images/sa_{}.jpg", scene + 1), "conversations": turns(scene)});
    let list: Vec<Value> = [0, 1, 2, 3, 4, 0, 1].into_iter().map(entry).collect();
    write(&path("share/captions.json"), json!(list).to_string());
    let images = path("share").display().to_string();
    let share = [
        "--layout",
        "sharegpt4v",
        "--images",
        &images,
        "--first",
        "5",
    ];
    let share = eval("retrieval", &path("share/captions.json"), &share);
    check_retrieval("short_", &share);
    check_retrieval("long_", &share);

    // Flickr's files have no filepath. A second caption of an image that describes another scene does not mislead the
    // others.
    let image = |scene: usize, split: &str| {
        let more = if scene == 0 {
            vec![json!({"raw": SCENES[8]})]
        } else {
            vec![]
        };
        let sentences = [vec![json!({"raw": caption(scene), "tokens": []})], more].concat();
        json!({"filename": format!("sa_{}.jpg", scene + 1), "split": split, "sentences": sentences, "imgid": scene})
    };
    let mut all: Vec<Value> = (0..5).map(|scene| image(scene, "test")).collect();
    all.push(image(0, "val"));
    write(
        &path("dataset_flickr30k.json"),
        json!({"images": all, "dataset": "flickr30k"}).to_string(),
    );
    let images = path("share/sam/images").display().to_string();
    let flickr = eval(
        "retrieval",
        &path("dataset_flickr30k.json"),
        &["--layout", "karpathy", "--images", &images],
    );
    assert_eq!(
        (
            flickr.status,
            &flickr.report["scored"],
            &flickr.report["texts"]
        ),
        (0, &json!(5), &json!(6)),
        "{}",
        flickr.said
    );
    let first = &flickr.outcomes("text_to_image_r10")[0].1;
    assert_eq!(
        first,
        &json!([2, 2]),
        "both captions of the first image find it among ten"
    );
    assert_eq!(flickr.value("image_to_text_r1"), 60.0);
    let without = eval(
        "retrieval",
        &path("dataset_flickr30k.json"),
        &["--layout", "karpathy"],
    );
    assert!(
        without.status == 1 && without.said.contains("--images"),
        "{}",
        without.said
    );
}

#[test]
fn lengths_embed_images_once_and_report_those_beyond_the_context() {
    let folder = tempfile::tempdir().unwrap();
    for (scene, caption) in SCENES.iter().enumerate().take(4) {
        write(
            &folder.path().join(format!("image/{scene}.jpg")),
            jpeg(scene),
        );
        write(&folder.path().join(format!("caption/{scene}.txt")), caption);
    }
    let plots = folder.path().join("plots");
    let more = [
        "--layout",
        "urban1k",
        "--lengths",
        "96,3,300",
        "--plots",
        plots.to_str().unwrap(),
    ];
    let ended = eval("retrieval", folder.path(), &more);
    assert_eq!(ended.status, 0, "{}", ended.said);
    let rows = ended.report["lengths"].as_array().unwrap();
    let tokens: Vec<_> = rows
        .iter()
        .map(|row| row["tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(tokens, [3, 96, 300]);
    // No text has 96 tokens, so nothing changes there.
    assert_eq!(
        rows[1]["metrics"]["text_to_image_r1"],
        ended.report["metrics"]["text_to_image_r1"]
    );
    assert_eq!(
        (&rows[0]["cut_texts"], &rows[1]["cut_texts"]),
        (&json!(4), &json!(0))
    );
    // One token ("a", "an") cannot distinguish four scenes.
    assert!(
        rows[0]["metrics"]["text_to_image_r1"]["value"]
            .as_f64()
            .unwrap()
            < 100.0
    );
    assert!(rows[0]["milliseconds_per_text"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (
            &rows[2]["beyond_context"],
            &rows[2]["milliseconds_per_text"]
        ),
        (&json!(true), &Value::Null)
    );
    assert!(
        ended.table.contains("beyond the model's context of 128"),
        "{}",
        ended.table
    );
    assert!(
        fs::read_to_string(plots.join("retrieval-lengths.svg"))
            .unwrap()
            .contains("tokens")
    );
    let refused = eval(
        "retrieval",
        folder.path(),
        &["--layout", "urban1k", "--lengths", "2"],
    );
    assert!(
        refused.status == 1 && refused.said.contains("2 tokens"),
        "{}",
        refused.said
    );
}
