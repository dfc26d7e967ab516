//! `clip-in eval` on benchmarks of pairs, in their published formats: known scores, and broken data.

use std::fs;
use std::path::Path;

use crate::support::eval_data::{SCENES, eval, jpeg, pictures, png, strings, write, write_parquet};
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
