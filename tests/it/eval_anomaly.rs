//! `clip-in eval anomaly`: the same drawn parts in every layout of the public sets give the same numbers.

use std::fs;
use std::path::Path;

use image::{GrayImage, ImageFormat, Luma};
use serde_json::{Value, json};

use crate::support::eval_data::{Ended, eval, write};
use crate::support::parts::{FEW_PIXELS, SCRATCH, SIDE, Shot, png};

const GOOD: u64 = 3;
const TESTED: u64 = 4;

/// A good part to learn from, or one to test.
fn good(number: u64) -> Vec<u8> {
    png(Shot::on_a_line(number, false))
}

fn scratched(number: u64) -> Vec<u8> {
    png(Shot::on_a_line(100 + number, true))
}

/// Where [`scratched`] has its scratch: `value` there, and 0 elsewhere.
fn mask(number: u64, value: u8) -> Vec<u8> {
    let (right, down) = Shot::on_a_line(100 + number, true).moved;
    let (x, y, width, height) = SCRATCH;
    let mask = GrayImage::from_fn(SIDE, SIDE, |column, row| {
        let along = (f64::from(column) + 0.5 - right - x) / width;
        let off = f64::from(row) + 0.5 - down - (y + along * height);
        let inside = (0.0..1.0).contains(&along) && off.abs() < 2.5;
        Luma([if inside { value } else { 0 }])
    });
    let mut file = std::io::Cursor::new(Vec::new());
    mask.write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

/// Images under the names that a layout gives them.
fn images(folder: &Path, learnt: &str, ok: &str, ng: &str) {
    let place = |form: &str, number: u64| folder.join(form.replace("NNN", &format!("{number:03}")));
    for number in 0..GOOD {
        write(&place(learnt, number), good(number));
    }
    for number in 0..TESTED {
        write(&place(ok, number), good(50 + number));
        write(&place(ng, number), scratched(number));
    }
}

fn masks(folder: &Path, form: &str, value: u8) {
    for number in 0..TESTED {
        let name = form.replace("NNN", &format!("{number:03}"));
        write(&folder.join(name), mask(number, value));
    }
}

fn run(folder: &Path, layout: &str, more: &[&str]) -> Ended {
    let pixels = FEW_PIXELS.to_string();
    let arguments = ["--layout", layout, "--shots", "3", "--seeds", "1"];
    let arguments = [&arguments[..], &["--resolution", &pixels], more];
    eval("anomaly", folder, &arguments.concat())
}

fn results(ended: &Ended) -> Value {
    assert_eq!(ended.status, 0, "{}", ended.said);
    assert_eq!(ended.broken(), []);
    let mut results = ended.report["anomaly"].clone();
    for one in results.as_array_mut().unwrap() {
        one.as_object_mut().unwrap().remove("milliseconds");
        one.as_object_mut().unwrap().remove("auroc_of_parts");
    }
    results
}

#[test]
fn every_layout_gives_the_same_numbers() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();

    let mvtec = root.join("mvtec");
    let board = mvtec.join("board");
    images(
        &board,
        "train/good/NNN.png",
        "test/good/NNN.png",
        "test/scratch/NNN.png",
    );
    masks(&board, "ground_truth/scratch/NNN_mask.png", 255);
    let plots = root.join("plots");
    let ended = run(&mvtec, "mvtec", &["--plots", plots.to_str().unwrap()]);
    let expected = results(&ended);
    let one = &expected[0];
    assert_eq!(one["images"], json!([TESTED, TESTED]));
    assert_eq!(one["category"], "board");
    // The scratch is plain to see.
    assert_eq!(one["auroc"], 1.0);
    assert_eq!(
        (&one["pg2"], &one["pb2"], &one["f1_max"]),
        (&json!(1.0), &json!(1.0), &json!(1.0))
    );
    let au_pro = one["au_pro"].as_f64().unwrap();
    assert!((0.8..=1.0).contains(&au_pro), "{one}");
    assert!((ended.value("auroc@3") - 100.0).abs() < 1e-9);
    assert!(ended.table.contains("AU-PRO"), "{}", ended.table);
    let sheet = fs::read_to_string(plots.join("anomaly-worst.svg")).unwrap();
    assert_eq!(sheet.matches("<image ").count() as u64, 2 * TESTED);
    assert!(plots.join("anomaly.svg").exists());

    let loco = root.join("loco/board");
    images(
        &loco,
        "train/good/NNN.png",
        "test/good/NNN.png",
        "test/structural_anomalies/NNN.png",
    );
    masks(&loco, "ground_truth/structural_anomalies/NNN/000.png", 7);
    let config = json!([{"defect_name": "scratch", "pixel_value": 7, "saturation_threshold": 1.0, "relative_saturation": true}]);
    write(&loco.join("defects_config.json"), config.to_string());
    assert_eq!(results(&run(&loco, "loco", &[])), expected);

    let visa = root.join("visa");
    images(
        &visa.join("board/Data/Images"),
        "Normal/a-NNN.JPG",
        "Normal/b-NNN.JPG",
        "Anomaly/NNN.JPG",
    );
    masks(&visa.join("board/Data/Masks"), "Anomaly/NNN.png", 1);
    let mut rows = "object,split,label,image,mask\n".to_owned();
    for number in 0..GOOD {
        rows += &format!("board,train,normal,board/Data/Images/Normal/a-{number:03}.JPG,\n");
    }
    for number in 0..TESTED {
        rows += &format!("board,test,normal,board/Data/Images/Normal/b-{number:03}.JPG,\n");
        rows += &format!(
            "board,test,anomaly,board/Data/Images/Anomaly/{number:03}.JPG,board/Data/Masks/Anomaly/{number:03}.png\n"
        );
    }
    write(&visa.join("split_csv/1cls.csv"), rows);
    assert_eq!(results(&run(&visa, "visa", &[])), expected);

    let meta = root.join("meta");
    images(
        &meta.join("board"),
        "train/NNN.png",
        "test/ok/NNN.png",
        "test/ng/NNN.png",
    );
    masks(&meta.join("board"), "masks/NNN.png", 255);
    let entry = |image: String, mask: String, anomaly: u8| json!({"img_path": image, "mask_path": mask, "cls_name": "board", "specie_name": "", "anomaly": anomaly});
    let train: Vec<_> = (0..GOOD)
        .map(|n| entry(format!("board/train/{n:03}.png"), String::new(), 0))
        .collect();
    let test = (0..TESTED).flat_map(|n| {
        let defect = entry(
            format!("board/test/ng/{n:03}.png"),
            format!("board/masks/{n:03}.png"),
            1,
        );
        [
            entry(format!("board/test/ok/{n:03}.png"), String::new(), 0),
            defect,
        ]
    });
    let document = json!({"train": {"board": train}, "test": {"board": test.collect::<Vec<_>>()}});
    write(&meta.join("meta.json"), document.to_string());
    assert_eq!(results(&run(&meta, "meta-json", &[])), expected);

    let real = root.join("real");
    let of_board = real.join("realiad_1024/board");
    images(
        &of_board,
        "OK/S0NNN/a.png",
        "OK/S1NNN/b.png",
        "NG/S2NNN/c.png",
    );
    masks(&of_board, "NG/S2NNN/c_mask.png", 255);
    let entry = |class: &str, image: String, mask: Option<String>| json!({"category": "board", "anomaly_class": class, "image_path": image, "mask_path": mask});
    let train = (0..GOOD).map(|n| entry("OK", format!("OK/S0{n:03}/a.png"), None));
    let test = (0..TESTED).flat_map(|n| {
        let mask = Some(format!("NG/S2{n:03}/c_mask.png"));
        [
            entry("OK", format!("OK/S1{n:03}/b.png"), None),
            entry("HS", format!("NG/S2{n:03}/c.png"), mask),
        ]
    });
    let document = json!({
        "meta": {"pre_transform": null, "normal_class": "OK", "prefix": "board/"},
        "train": train.collect::<Vec<_>>(), "test": test.collect::<Vec<_>>(),
    });
    write(&real.join("realiad_jsons/board.json"), document.to_string());
    let ended = run(&real, "real-iad", &[]);
    assert_eq!(ended.report["anomaly"][0]["auroc_of_parts"], 1.0);
    assert_eq!(results(&ended), expected);

    let ad2 = root.join("ad2/board");
    images(
        &ad2,
        "train/good/NNN.png",
        "test_public/good/NNN.png",
        "test_public/bad/NNN.png",
    );
    masks(&ad2, "test_public/ground_truth/bad/NNN_mask.png", 255);
    let found = results(&run(&ad2, "mvtec-ad2", &[]));
    assert_eq!(
        (&found[0]["auroc"], &found[0]["limit"]),
        (&one["auroc"], &json!(0.05))
    );
    assert!(found[0]["au_pro"].as_f64().unwrap() < au_pro);
}

#[test]
fn what_cannot_be_read_is_named_and_what_cannot_be_asked_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let board = root.path().join("board");
    images(
        &board,
        "train/good/NNN.png",
        "test/good/NNN.png",
        "test/scratch/NNN.png",
    );
    masks(&board, "ground_truth/scratch/NNN_mask.png", 255);
    write(&board.join("test/scratch/000.png"), "no image");
    write(&board.join("ground_truth/scratch/001_mask.png"), "no mask");
    let ended = run(&board, "mvtec", &[]);
    assert_eq!(ended.status, 1, "{}", ended.said);
    let places: Vec<_> = ended.broken().into_iter().map(|(place, _)| place).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(
        places[0].ends_with("scratch/000.png") && places[1].ends_with("scratch/001.png"),
        "{places:?}"
    );
    assert!(
        ended.broken()[1].1.contains("001_mask.png"),
        "{:?}",
        ended.broken()
    );
    assert_eq!(
        ended.report["anomaly"][0]["images"],
        json!([TESTED, TESTED - 1])
    );

    for (arguments, message) in [
        (
            &["--category", "screw"][..],
            "has no category screw; it has board",
        ),
        (&["--shots", "9"], "has 3 good images to learn from, not 9"),
    ] {
        let ended = run(&board, "mvtec", arguments);
        assert_eq!(ended.status, 1);
        assert!(ended.said.contains(message), "{}", ended.said);
    }
    let ended = run(&board, "visa", &[]);
    assert!(ended.said.contains("1cls.csv"), "{}", ended.said);
}
