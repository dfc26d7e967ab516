//! `clip-in eval` on benchmarks in their published formats: known scores, and broken data.

use crate::support::eval_data;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use crate::support::eval_data::{SCENES, eval, jpeg, png, write};
use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

/// MMVP's folder: pairs of scenes with the statements of their rows, with one type per line.
fn mmvp(folder: &Path, pairs: &[(&str, [usize; 2], [&str; 2])]) {
    // As spreadsheets write it: byte order mark, CRLF, doubled quotes.
    let mut csv = "\u{feff}Question ID,Type,Statement\r\n".to_owned();
    for (number, (kind, scenes, statements)) in pairs.iter().enumerate() {
        for half in 0..2 {
            let id = 2 * number + half + 1;
            let statement = statements[half].replace('"', "\"\"");
            csv += &format!("{id},{kind},\"{statement}\"\r\n");
            let path = format!("MLLM_VLM Images/{kind}/{id}.jpg");
            write(&folder.join(path), jpeg(scenes[half]));
        }
    }
    write(&folder.join("Questions.csv"), csv);
}

#[test]
fn mmvp_counts_pairs_by_category_and_ties_as_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let scene = |i: usize| SCENES[i];
    mmvp(
        folder.path(),
        &[
            ("Color", [0, 1], [scene(0), scene(1)]),
            ("Color", [2, 5], [scene(2), scene(5)]),
            // Swapped.
            ("Color", [6, 7], [scene(7), scene(6)]),
            ("Structural Character", [3, 8], [scene(3), scene(8)]),
            // The same image twice: each text ties, and each image finds its text in one case only.
            ("Structural Character", [4, 4], [scene(4), scene(1)]),
            // The same text twice.
            ("Structural Character", [4, 1], [scene(4), scene(4)]),
        ],
    );
    let plots = folder.path().join("plots");
    let ended = eval("mmvp", folder.path(), &["--plots", plots.to_str().unwrap()]);
    assert_eq!(ended.status, 0, "{}", ended.said);
    let expected = [1, 1, 0, 1, 0, 0].map(|right| json!(right));
    let found: Vec<Value> = ended
        .outcomes("text_to_image")
        .into_iter()
        .map(|it| it.1)
        .collect();
    assert_eq!(found, expected);
    // 2 of 3 and 1 of 3.
    assert!((ended.value("text_to_image/Color") - 200.0 / 3.0).abs() < 1e-9);
    assert!((ended.value("text_to_image") - 50.0).abs() < 1e-9);
    assert_eq!(ended.report["metrics"]["text_to_image"]["headline"], true);
    assert_eq!(ended.report["items"][0]["id"], "1-2");
    assert_eq!(
        ended.report["model"]["manifest_sha256"]
            .as_str()
            .unwrap()
            .len(),
        64
    );
    assert!(
        ended.table.contains("text_to_image/Structural Character"),
        "{}",
        ended.table
    );
    let svg = fs::read_to_string(plots.join("mmvp.svg")).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("text_to_image/Color"),
        "{svg}"
    );
}

#[test]
fn broken_records_are_named_left_out_and_fail_a_gate() {
    let folder = tempfile::tempdir().unwrap();
    let long = "word ".repeat(5000);
    let pairs = [
        ("Color", [0, 1], [SCENES[0], SCENES[1]]),
        ("Color", [2, 3], [SCENES[2], SCENES[3]]),
        ("Color", [4, 5], [SCENES[4], &long]),
    ];
    mmvp(folder.path(), &pairs);
    write(
        &folder.path().join("MLLM_VLM Images/Color/4.jpg"),
        b"no picture",
    );
    let csv = folder.path().join("Questions.csv");
    let text = fs::read_to_string(&csv).unwrap();
    write(&csv, text + "seven,Color,who knows\r\n");
    let ended = eval("mmvp", folder.path(), &[]);
    assert_eq!(ended.status, 1, "{}", ended.said);
    assert!(ended.said.contains("--max-broken"), "{}", ended.said);
    let broken = ended.broken();
    let about = |part: &str| broken.iter().any(|(place, _)| place.contains(part));
    assert!(
        broken.len() == 2 && about("4.jpg") && about("Questions.csv:8"),
        "{broken:?}"
    );
    assert!(ended.table.contains("4.jpg"), "{}", ended.table);
    let ids: Vec<String> = ended
        .outcomes("text_to_image")
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(ids, ["1-2", "5-6"]);
    // 5,000 words are truncated, and this is reported.
    assert_eq!(ended.report["truncated_texts"], 1);
    let ended = eval("mmvp", folder.path(), &["--max-broken", "99"]);
    assert_eq!(ended.status, 0, "{}", ended.said);

    write(&csv, "Question ID,Kind,Statement\n1,Color,x\n");
    let ended = eval("mmvp", folder.path(), &[]);
    assert_eq!(ended.status, 1);
    for word in ["Questions.csv", "Type", "Kind"] {
        assert!(ended.said.contains(word), "{}", ended.said);
    }
    assert!(
        eval("mmvp", &folder.path().join("nowhere"), &[])
            .said
            .contains("nowhere")
    );
}

fn strings(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Hugging Face's column of images.
fn pictures(files: &[Vec<u8>]) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ]);
    let bytes: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let paths = StringArray::from(vec!["x.png"; files.len()]);
    let columns: Vec<ArrayRef> = vec![Arc::new(BinaryArray::from(bytes)), Arc::new(paths)];
    Arc::new(StructArray::new(fields, columns, None))
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(2))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn pairs_of_edits_have_short_and_long_captions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edits.parquet");
    let mut broken = png(5);
    broken.truncate(200);
    let long = |text: &str| format!("{text} There is nothing else to see.");
    let first = [SCENES[0], SCENES[3], SCENES[5]];
    let second = [SCENES[1], SCENES[2], SCENES[6]];
    let longs = |of: [&str; 3]| strings(&of.map(long).each_ref().map(String::as_str));
    let mut columns = vec![
        ("source_image", pictures(&[png(0), png(2), broken])),
        ("edited_image", pictures(&[png(1), png(3), png(6)])),
        ("source_caption", strings(&first)),
        ("target_caption", strings(&second)),
        ("source_caption_long", longs(first)),
        ("target_caption_long", longs(second)),
        ("category", strings(&["count", "color", "color"])),
    ];
    write_parquet(&path, columns.clone());
    for captions in ["short", "long"] {
        let ended = eval(
            "pairs",
            &path,
            &["--captions", captions, "--max-broken", "50"],
        );
        assert_eq!(ended.status, 0, "{}", ended.said);
        // The second is swapped, the third has no image.
        assert_eq!(
            (
                ended.value("text_to_image/count"),
                ended.value("text_to_image/color")
            ),
            (100.0, 0.0)
        );
        assert_eq!(
            (ended.value("text_to_image"), ended.value("both_ways")),
            (50.0, 50.0)
        );
        let (place, _) = &ended.broken()[0];
        assert_eq!(place, "edits.parquet:2 source_image");
        assert_eq!(
            (&ended.report["records"], &ended.report["scored"]),
            (&json!(3), &json!(2))
        );
    }
    // A truncated file has no footer.
    let whole = fs::read(&path).unwrap();
    let cut = folder.path().join("cut.parquet");
    write(&cut, &whole[..whole.len() / 2]);
    let ended = eval("pairs", &cut, &[]);
    assert!(
        ended.status == 1 && ended.said.contains("cut.parquet"),
        "{}",
        ended.said
    );
    // Beside an intact file it is one fault of several; a file of single images has other data.
    let scenes = vec![
        ("image", pictures(&[png(0)])),
        ("caption", strings(&[SCENES[0]])),
    ];
    write_parquet(&folder.path().join("scenes.parquet"), scenes);
    let ended = eval("pairs", folder.path(), &["--max-broken", "100"]);
    assert!(
        ended
            .broken()
            .iter()
            .any(|(place, _)| place == "cut.parquet"),
        "{}",
        ended.said
    );
    assert_eq!(ended.value("text_to_image/count"), 100.0);
    assert!(
        ended.said.contains("scenes.parquet has no edits"),
        "{}",
        ended.said
    );

    columns.retain(|(name, _)| *name != "target_caption_long");
    write_parquet(&path, columns);
    let ended = eval("pairs", &path, &["--captions", "long"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.said.contains("edits.parquet") && ended.said.contains("target_caption_long"),
        "{}",
        ended.said
    );
}

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

/// The caption of a scene in the tests of retrieval.
fn caption(scene: usize) -> &'static str {
    SCENES[[0, 1, 2, 4, 3][scene]]
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

#[test]
fn sugarcrepe_needs_all_seven_subsets() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("val2017");
    write(&images.join("000000000139.jpg"), jpeg(0));
    let path = images.display().to_string();
    let subsets = [
        "add_att",
        "add_obj",
        "replace_att",
        "replace_obj",
        "replace_rel",
        "swap_att",
        "swap_obj",
    ];
    let record = |right: usize, wrong: usize| json!({"filename": "000000000139.jpg", "caption": SCENES[right], "negative_caption": SCENES[wrong]});
    for subset in &subsets[..6] {
        write(
            &folder.path().join(format!("{subset}.json")),
            json!({"0": record(0, 1)}).to_string(),
        );
    }
    let missing = eval("sugarcrepe", folder.path(), &["--images", &path]);
    assert!(
        missing.status == 1 && missing.said.contains("swap_obj.json"),
        "{}",
        missing.said
    );
    // Correct, wrong, a tie, and a file name that leads elsewhere.
    let mut outside = record(0, 1);
    outside["filename"] = json!("../secret.jpg");
    let last = json!({"0": record(0, 1), "1": record(1, 0), "2": record(0, 0), "10": outside});
    write(&folder.path().join("swap_obj.json"), last.to_string());
    let ended = eval(
        "sugarcrepe",
        folder.path(),
        &["--images", &path, "--max-broken", "20"],
    );
    assert_eq!(ended.status, 0, "{}", ended.said);
    assert_eq!(ended.broken()[0].0, "swap_obj.json:10");
    // 1 of 3 in one subset, 1 of 1 in six.
    assert!((ended.value("macro") - (600.0 + 100.0 / 3.0) / 7.0).abs() < 1e-9);
    assert!((ended.value("micro") - 700.0 / 9.0).abs() < 1e-9);
}
