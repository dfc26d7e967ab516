//! `/v1/compare`: drawn parts with the demo model, whose changes are known.

use std::fs;

use image::{GenericImageView, Rgb, RgbImage};
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::parts::{SCRATCH, SIDE, Shot, drawn, encode, png};
use crate::support::server::models::{serve, without_features};
use crate::support::server::{Server, assert_alike, base64, demo, failure, success};

fn ok(seed: u64) -> Shot {
    Shot {
        seed,
        ..Shot::default()
    }
}

fn scratched(seed: u64) -> Shot {
    Shot {
        scratched: true,
        ..ok(seed)
    }
}

/// OK parts as a line sees them: each lies and is lit a little differently.
fn samples(count: u64) -> Vec<String> {
    (1..=count)
        .map(|seed| base64(&png(Shot::on_a_line(seed, false))))
        .collect()
}

fn ask(server: &Server, body: &Value) -> Vec<Value> {
    let answer = success(server.post("/v1/compare", body));
    answer["results"].as_array().unwrap().clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

/// The share of the scratch's box that a region covers.
fn covered(region: &Value, scale: f64) -> f64 {
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|side| number(&region[side]));
    let (left, top, across, down) = SCRATCH;
    let (left, top) = (left * scale, top * scale);
    let (right, bottom) = (left + across * scale, top + down * scale);
    let overlap = |from: f64, to: f64, low: f64, high: f64| (to.min(high) - from.max(low)).max(0.0);
    overlap(x, x + width, left, right) * overlap(y, y + height, top, bottom)
        / ((right - left) * (bottom - top))
}

#[test]
fn a_scratch_ranks_high_where_it_is_and_an_ok_part_low() {
    let server = Server::start();
    // One image says less about what is usual.
    for (references, clearly, coloured) in [(1, 1.4, 0.04), (6, 3.0, 0.02)] {
        let shots = [ok(20), ok(21), ok(22), scratched(23)];
        let images = shots.map(|shot| base64(&png(shot)));
        let body = json!({"references": samples(references), "images": images});
        let results = ask(&server, &body);
        for (i, good) in results[..3].iter().enumerate() {
            assert_eq!(good["index"], i);
            let changed = &good["changed"];
            assert!(number(&changed["rank"]) < 1.0, "{references}: {changed}");
            assert_eq!(good["map"], Value::Null);
            assert_ne!(good["registration"]["status"], "pose");
            let seen: f64 = good["regions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|region| number(&region["width"]) * number(&region["height"]))
                .sum();
            let share = seen / f64::from(SIDE * SIDE);
            assert!(share < coloured, "{references}: {share} of an OK part");
        }
        let bad = &results[3];
        assert_eq!(number(&bad["changed"]["rank"]), 1.0, "{}", bad["changed"]);
        let highest = results[..3]
            .iter()
            .map(|good| number(&good["changed"]["score"]));
        let highest = highest.fold(0.0, f64::max);
        assert!(
            number(&bad["changed"]["score"]) > clearly * highest,
            "{highest} {}",
            bad["changed"]
        );
        assert!(number(&bad["changed"]["parts"]["stride16_peak"]) > 3.0);
        let strongest = &bad["regions"][0];
        assert!(number(&strongest["strength"]) > 1.0);
        assert!(covered(strongest, 1.0) > 0.7, "{}", bad["regions"]);
        // The box is larger than the scratch: a feature sees its surroundings, and places are compared by coarse ones.
        assert!(
            number(&strongest["width"]) < SCRATCH.2 + 80.0,
            "{strongest}"
        );
    }
}

#[test]
fn a_moved_part_is_aligned_and_a_turned_one_is_another_pose() {
    let server = Server::start();
    let shots = [
        ok(30),
        Shot {
            moved: (14.0, -9.0),
            ..ok(31)
        },
        Shot {
            moved: (14.0, -9.0),
            ..scratched(32)
        },
        Shot {
            turned: 25.0,
            ..ok(33)
        },
    ];
    let images: Vec<_> = shots.iter().map(|shot| base64(&png(*shot))).collect();
    let body = json!({"references": samples(3), "images": images});
    let results = ask(&server, &body);
    let status = |i: usize| results[i]["registration"]["status"].as_str().unwrap();
    assert_eq!(status(1), "aligned");
    assert_eq!(status(2), "aligned");
    assert_eq!(status(3), "pose");
    assert_ne!(status(0), "pose");
    // From the first reference image, which is moved itself by some tenths, to the image.
    let transform = &results[1]["registration"]["transform"];
    let moved = [&transform[0][2], &transform[1][2]].map(number);
    let (x, y) = (14.0 - (0.37 - 1.0), -9.0 - (0.71 - 1.0));
    assert!(
        (moved[0] - x).abs() < 1.0 && (moved[1] - y).abs() < 1.0,
        "{transform}"
    );
    // The place is given in pixels of the picture that was posted.
    let region = &results[2]["regions"][0];
    let unmoved = json!({
        "x": number(&region["x"]) - 14.0,
        "y": number(&region["y"]) + 9.0,
        "width": region["width"],
        "height": region["height"],
    });
    assert!(covered(&unmoved, 1.0) > 0.7, "{region}");
    assert!(number(&results[2]["changed"]["score"]) > number(&results[1]["changed"]["score"]));
    for (status, count) in [("aligned", 2.0), ("pose", 1.0)] {
        let name = format!("clip_in_registrations_total{{status=\"{status}\"}}");
        assert!(server.metric(&name) >= count);
    }
}

/// A part that lacks what lies in these columns and rows: the bare board is there.
const LACKS: (std::ops::Range<u32>, std::ops::Range<u32>) = (80..190, 68..132);

fn lacking(seed: u64) -> String {
    let mut picture = drawn(ok(seed));
    for y in LACKS.1 {
        for x in LACKS.0 {
            let bare = *picture.get_pixel(20 + x % 10, 200 + y % 10);
            picture.put_pixel(x, y, bare);
        }
    }
    base64(&encode(&picture))
}

#[test]
fn what_is_missing_is_found_although_the_bare_board_is_good_elsewhere() {
    let server = Server::start();
    let images = [base64(&png(ok(40))), base64(&png(ok(41))), lacking(42)];
    let body = json!({"references": samples(10), "images": images});
    let results = ask(&server, &body);
    let score = |result: &Value| number(&result["changed"]["score"]);
    let lacking = &results[2];
    assert_ne!(lacking["registration"]["status"], "pose");
    let highest = score(&results[0]).max(score(&results[1]));
    assert!(
        score(lacking) > 2.0 * highest,
        "{highest} {}",
        lacking["changed"]
    );
    let part = |result: &Value| number(&result["changed"]["parts"]["stride16_place_peak"]);
    assert!(
        part(lacking) > 5.0 && part(&results[0]) < 5.0,
        "{results:?}"
    );
    let strongest = &lacking["regions"][0];
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|side| number(&strongest[side]));
    let (columns, rows) = LACKS;
    let middle = (x + width / 2.0, y + height / 2.0);
    assert!(
        (f64::from(columns.start)..f64::from(columns.end)).contains(&middle.0)
            && (f64::from(rows.start)..f64::from(rows.end)).contains(&middle.1),
        "{strongest}"
    );
}

/// A weave: threads of about `pitch` pixels, no two alike, so that it lies differently in each picture.
fn weave(seed: u64, pitch: f64, torn: bool) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    // For each pixel of a side: its thread, and how far it is from the thread's middle (0 to 1).
    let mut side = || {
        let mut pixels = Vec::new();
        for thread in 0.. {
            let width = pitch * (0.7 + 0.6 * random.f64());
            let middle = (width - 1.0) / 2.0;
            pixels.extend(
                (0..width.round() as usize)
                    .map(|at| (thread, (at as f64 - middle).abs() / (middle + 1.0))),
            );
            if pixels.len() >= SIDE as usize {
                return pixels;
            }
        }
        pixels
    };
    let (columns, rows) = (side(), side());
    let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let ((column, across), (row, down)) = (columns[x as usize], rows[y as usize]);
        let is_above = (column + row) % 2 == 0;
        let away = if is_above { across } else { down };
        let hole = torn && (140..164).contains(&x) && (90..98).contains(&y);
        let light = if hole { 60.0 } else { 170.0 - 70.0 * away };
        let value = (light + random.f64() * 12.0) as u8;
        Rgb([value, value, value])
    });
    base64(&encode(&picture))
}

#[test]
fn a_pattern_is_compared_as_it_lies() {
    let server = Server::start();
    let references: Vec<_> = (1..=10).map(|seed| weave(seed, 10.0, false)).collect();
    let good = (20..26).map(|seed| weave(seed, 10.0, false));
    let torn = (30..33).map(|seed| weave(seed, 10.0, true));
    // Every place of it is a little off.
    let coarse = (40..43).map(|seed| weave(seed, 12.0, false));
    let images: Vec<_> = good.chain(torn).chain(coarse).collect();
    let results = ask(
        &server,
        &json!({"references": references, "images": images}),
    );
    for result in &results {
        // Moving it to where it happens to look most alike would change the texture.
        assert_eq!(result["registration"]["status"], "identity");
    }
    let score = |result: &Value| number(&result["changed"]["score"]);
    let highest = results[..6].iter().map(score).fold(0.0, f64::max);
    for bad in &results[6..] {
        assert!(score(bad) > highest, "{highest} {}", bad["changed"]);
        assert_eq!(number(&bad["changed"]["rank"]), 1.0);
    }
    let place = &results[6]["regions"][0];
    let [x, y] = ["x", "y"].map(|side| number(&place[side]));
    assert!(
        (110.0..164.0).contains(&x) && (60.0..98.0).contains(&y),
        "{place}"
    );
}

#[test]
fn a_picture_alone_and_among_others_is_the_same() {
    // The features of a picture that is alone may use all cores.
    let server = Server::start_with(&["--wide-threads", "2"]);
    let references = samples(3);
    let images: Vec<_> = (40..46)
        .map(|seed| {
            if seed % 2 == 0 {
                ok(seed)
            } else {
                scratched(seed)
            }
        })
        .map(|shot| base64(&png(shot)))
        .collect();
    let statements = ["a scratch", "a missing hole", "nothing changed"];
    let body = |images: &[String]| json!({"references": references, "images": images, "statements": statements});
    let together = ask(&server, &body(&images));
    for (image, together) in images.iter().zip(&together) {
        let alone = &ask(&server, &body(std::slice::from_ref(image)))[0];
        for pointer in ["/changed/score", "/changed/rank", "/registration/score"] {
            let (a, b) = (
                number(alone.pointer(pointer).unwrap()),
                number(together.pointer(pointer).unwrap()),
            );
            assert!((a - b).abs() < 1e-5, "{pointer}: {a} {b}");
        }
        assert_eq!(alone["regions"], together["regions"]);
        for (a, b) in alone["statements"]
            .as_array()
            .unwrap()
            .iter()
            .zip(together["statements"].as_array().unwrap())
        {
            assert_eq!(a["index"], b["index"]);
            // Standard deviations over three statements: the cosines themselves are within 1e-5.
            for part in [
                "text_difference",
                "direction",
                "change_along",
                "not_of_reference",
            ] {
                let off = number(&a["parts"][part]) - number(&b["parts"][part]);
                assert!(off.abs() < 1e-5, "{part}: {off}");
            }
        }
    }
}

/// The statement about the scene in question is the best one. (The second text of a sample is about it, and true or nearly
/// so; the others are about other samples.)
#[test]
fn statements_are_ranked_by_what_is_true_of_the_difference() {
    let server = Server::start();
    let samples = success(server.get("/samples"));
    let sample = |i: usize| {
        let url = samples["samples"][i]["url"].as_str().unwrap();
        (
            base64(&server.get(url).bytes().unwrap()),
            samples["samples"][i]["texts"][1]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    };
    let (good, said_of_good) = sample(0);
    let (changed, said) = sample(1);
    let (_, other) = sample(2);
    let body = json!({
        "references": [good],
        "images": [changed, good],
        "statements": [
            {"text": other, "reference_text": said_of_good},
            {"text": said, "reference_text": said_of_good},
            {"text": said_of_good, "reference_text": said_of_good},
        ],
    });
    let answer = success(server.post("/v1/compare", &body));
    let statements = &answer["results"][0]["statements"];
    assert_eq!(
        (&statements[0]["index"], &statements[0]["text"]),
        (&json!(1), &json!(said))
    );
    let scores: Vec<_> = statements
        .as_array()
        .unwrap()
        .iter()
        .map(|one| number(&one["score"]))
        .collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let manifest: Value =
        serde_json::from_slice(&fs::read(demo().join("bundle.json")).unwrap()).unwrap();
    let weights = manifest["statements"]["weights"].as_object().unwrap();
    for one in statements.as_array().unwrap() {
        let weighted = weights
            .iter()
            .map(|(name, weight)| number(weight) * number(&one["parts"][name]));
        let off = weighted.sum::<f64>() - number(&one["score"]);
        assert!(off.abs() < 1e-9, "{one}");
    }
    // Of the good part itself it is true that nothing has changed.
    let unchanged = &answer["results"][1]["statements"];
    assert_eq!(
        (&unchanged[0]["index"], &unchanged[0]["parts"]["same"]),
        (&json!(2), &json!(1.0))
    );
    assert!(
        number(&statements[0]["parts"]["direction"]) > number(&statements[2]["parts"]["direction"])
    );
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 10);
}

#[test]
fn every_form_of_a_request_gives_the_same_scores() {
    let server = Server::start();
    let (good, bad) = (png(ok(1)), png(scratched(2)));
    let url = format!("{}/v1/references/one", server.url);
    let raw = server.client.put(url).header("content-type", "image/png");
    success(raw.body(good.clone()).send().unwrap());
    let expected = ask(
        &server,
        &json!({"reference": "one", "images": [base64(&bad)], "statements": ["a scratch", "a dent"]}),
    );
    let raw = success(server.post_bytes(
        "/v1/compare?reference=one&statement=a%20scratch&statement=a%20dent",
        "image/png",
        bad.clone(),
    ));
    assert_alike(&raw["results"], &json!(expected), 1e-4);
    let form = Form::new()
        .part("image", Part::bytes(bad.clone()).file_name("bad.png"))
        .part("reference", Part::bytes(good.clone()).file_name("good.png"))
        .text("statement", "a scratch")
        .text("statement", "a dent");
    let url = format!("{}/v1/compare", server.url);
    let form = success(server.client.post(&url).multipart(form).send().unwrap());
    assert_alike(&form["results"], &json!(expected), 1e-4);
    assert_eq!(
        form["reference"],
        json!({"name": null, "version": null, "images": 1})
    );
    let bulk = server.client.post(&url).header("x-clip-in-lane", "bulk");
    let inline = json!({"references": base64(&good), "image": base64(&bad), "statements": ["a scratch", "a dent"]});
    let bulk = success(bulk.json(&inline).send().unwrap());
    assert_alike(&bulk["results"], &json!(expected), 1e-4);
}

#[test]
fn maps_have_the_size_of_the_picture_and_colour_the_scratch() {
    let server = Server::start();
    let shot = png(scratched(3));
    // A picture of another size than the reference is scaled.
    let large = image::load_from_memory(&shot).unwrap();
    let large = large.resize_exact(SIDE * 2, SIDE * 2, image::imageops::FilterType::CatmullRom);
    let large = encode(&large.to_rgb8());
    let body = json!({"references": samples(3), "images": [base64(&large)], "map": "overlay"});
    let result = &ask(&server, &body)[0];
    assert!(
        covered(&result["regions"][0], 2.0) > 0.7,
        "{}",
        result["regions"]
    );
    let map = result["map"].as_str().unwrap();
    let map = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, map).unwrap();
    let map = image::load_from_memory(&map).unwrap();
    assert_eq!(map.dimensions(), (SIDE * 2, SIDE * 2));
    let below = image::load_from_memory(&large).unwrap().to_rgb8();
    let coloured: Vec<_> = map
        .to_rgb8()
        .enumerate_pixels()
        .filter(|(x, y, pixel)| *pixel != below.get_pixel(*x, *y))
        .map(|(x, y, _)| (f64::from(x) / 2.0, f64::from(y) / 2.0))
        .collect();
    let (x, y, width, height) = SCRATCH;
    // Places are compared by patches of 18 pixels, which see what is beside them.
    let inside = coloured.iter().filter(|(u, v)| {
        (x - 27.0..x + width + 27.0).contains(u) && (y - 27.0..y + height + 27.0).contains(v)
    });
    assert!(
        coloured.len() > 500 && inside.count() * 10 > coloured.len() * 8,
        "{}",
        coloured.len()
    );
    // 16-bit values, as the answer itself.
    let form = Form::new()
        .part("image", Part::bytes(shot).file_name("bad.png"))
        .part("reference", Part::bytes(png(ok(1))).file_name("good.png"))
        .text("map", "values");
    let request = server.client.post(format!("{}/v1/compare", server.url));
    let answer = request
        .header("accept", "image/png")
        .multipart(form)
        .send()
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "image/png");
    let values = image::load_from_memory(&answer.bytes().unwrap()).unwrap();
    assert_eq!(
        (values.dimensions(), values.color()),
        ((SIDE, SIDE), image::ColorType::L16)
    );
    let values = values.to_luma16();
    let brightest = values
        .enumerate_pixels()
        .max_by_key(|(_, _, value)| value.0[0])
        .unwrap();
    let (u, v) = (f64::from(brightest.0), f64::from(brightest.1));
    assert!(
        (x - 6.0..x + width + 6.0).contains(&u) && (y - 6.0..y + height + 6.0).contains(&v),
        "{u} {v}"
    );
}

#[test]
fn places_that_are_left_out_do_not_count() {
    let server = Server::start();
    let (x, y, width, height) = SCRATCH;
    let (left, top, right, bottom) = (x - 30.0, y - 30.0, x + width + 30.0, y + height + 30.0);
    let ignore = json!([[[left, top], [right, top], [right, bottom], [left, bottom]]]);
    let url = format!("{}/v1/references/masked", server.url);
    let body = json!({"images": samples(3), "ignore": ignore});
    let made = success(server.client.put(url).json(&body).send().unwrap());
    assert_eq!(made["ignore"], ignore);
    let ask = |references: Value, image: Shot| {
        let mut body = references;
        body["images"] = json!([base64(&png(image))]);
        ask(&server, &body)[0].clone()
    };
    let bad = ask(json!({"reference": "masked"}), scratched(50));
    let open = ask(json!({"references": samples(3)}), scratched(50));
    let assert_left_out = |bad: &Value| {
        assert!(number(&bad["changed"]["score"]) < 0.5 * number(&open["changed"]["score"]));
        let regions = bad["regions"].as_array().unwrap();
        let in_place = regions.iter().any(|region| covered(region, 1.0) > 0.0);
        assert!(!in_place, "{}", bad["regions"]);
    };
    assert_left_out(&bad);

    // The same as a picture, in JSON and in a form.
    let painted = |side: u32, inside: u8, outside: u8| {
        let picture = RgbImage::from_fn(side, side, |column, row| {
            let (u, v) = (f64::from(column), f64::from(row));
            let is_inside = (left..right).contains(&u) && (top..bottom).contains(&v);
            Rgb([if is_inside { inside } else { outside }; 3])
        });
        encode(&picture)
    };
    let url = format!("{}/v1/references/painted", server.url);
    let put = |mask: &[u8]| {
        let body = json!({"images": samples(3), "mask": base64(mask)});
        server.client.put(&url).json(&body).send().unwrap()
    };
    let mask = painted(SIDE, 0, 255);
    let made = success(put(&mask));
    assert_eq!((&made["mask"], &made["ignore"]), (&json!(true), &json!([])));
    let in_json = ask(json!({"reference": "painted"}), scratched(50));
    assert_left_out(&in_json);
    let mut form = Form::new().part("mask", Part::bytes(mask).file_name("mask.png"));
    for seed in 1..4 {
        form = form.part(
            "image",
            Part::bytes(png(Shot::on_a_line(seed, false))).file_name("good.png"),
        );
    }
    success(server.client.put(&url).multipart(form).send().unwrap());
    let in_form = ask(json!({"reference": "painted"}), scratched(50));
    assert_eq!(in_form["changed"], in_json["changed"]);
    for (wrong, word) in [
        (
            painted(SIDE / 2, 0, 255),
            "pixels; the first reference image has",
        ),
        (painted(SIDE, 0, 0), "no pixel"),
        (b"no picture".to_vec(), "format"),
    ] {
        let answer = put(&wrong);
        assert_eq!(answer.status(), 400);
        let error = answer.json::<Value>().unwrap()["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_bundle_without_features_answers_with_less() {
    let folder = tempfile::tempdir().unwrap();
    let model = without_features(folder.path(), "plain");
    let server = Server::launch(&mut serve(&[&model], &[]));
    let body = json!({
        "references": samples(3),
        "images": [base64(&png(ok(60))), base64(&png(Shot { turned: 25.0, ..ok(61) }))],
        "statements": ["a scratch"],
    });
    let results = ask(&server, &body);
    let parts = results[0]["changed"]["parts"].as_object().unwrap();
    assert!(
        parts
            .keys()
            .all(|name| name.starts_with("embedding_") || name.starts_with("patches_")),
        "{parts:?}"
    );
    assert!(parts.contains_key("embedding_peak"));
    assert_eq!(results[1]["registration"]["status"], "pose");
    assert_eq!(results[0]["statements"][0]["index"], 0);
    assert_eq!(number(&results[0]["statements"][0]["score"]), 0.0);
}

#[test]
fn what_cannot_be_compared_has_a_code() {
    let server = Server::start();
    let good = base64(&png(ok(1)));
    let plain = |width, height, level| {
        base64(&encode(&RgbImage::from_pixel(
            width,
            height,
            Rgb([level; 3]),
        )))
    };
    let texts: Vec<_> = (0..2100).map(|i| i.to_string()).collect();
    let many = vec![&good; 33];
    for (body, expected) in [
        (
            json!({"images": [good]}),
            (400, "no_reference", Some("references")),
        ),
        (
            json!({"references": [], "images": [good]}),
            (400, "no_reference", Some("references")),
        ),
        (
            json!({"references": [good]}),
            (400, "no_images", Some("images")),
        ),
        (
            json!({"reference": "none", "images": [good]}),
            (404, "reference_not_found", Some("reference")),
        ),
        (
            json!({"reference": "a", "references": [good], "images": [good]}),
            (400, "invalid_request", Some("reference")),
        ),
        (
            json!({"references": many, "images": [good]}),
            (400, "too_many_items", Some("references")),
        ),
        (
            json!({"references": [good], "images": [good], "statements": texts}),
            (400, "too_many_items", Some("statements")),
        ),
        (
            json!({"references": [good], "images": [plain(300, 200, 9)]}),
            (400, "image_of_other_shape", Some("images[0]")),
        ),
        (
            json!({"references": [good, plain(300, 200, 9)], "images": [good]}),
            (400, "image_of_other_shape", Some("references[1]")),
        ),
        (
            json!({"references": [base64(b"?")], "images": [good]}),
            (400, "image_unknown_format", Some("references[0]")),
        ),
        (
            json!({"references": [good], "images": [good, base64(b"")]}),
            (400, "image_empty", Some("images[1]")),
        ),
        (
            json!({"references": [good], "images": [good], "map": "red"}),
            (400, "invalid_request", Some("map")),
        ),
        (
            json!({"references": [good], "images": [good], "statements": [1]}),
            (400, "invalid_request", Some("statements[0]")),
        ),
        (
            json!({"references": [{"text": "a"}], "images": [good]}),
            (400, "invalid_request", Some("references[0]")),
        ),
        (
            json!({"references": [good], "images": [good], "model": "none"}),
            (404, "model_not_found", Some("model")),
        ),
    ] {
        let (status, code, param) = failure(server.post("/v1/compare", &body));
        assert_eq!(
            (status, code.as_str(), param.as_deref()),
            expected,
            "{body:.90}"
        );
    }
    let two = json!({"references": [good], "images": [good, good]});
    let request = server.client.post(format!("{}/v1/compare", server.url));
    let refused = failure(
        request
            .header("accept", "image/png")
            .json(&two)
            .send()
            .unwrap(),
    );
    assert_eq!(
        refused,
        (400, "invalid_request".into(), Some("images".into()))
    );
    // Pictures without anything on them have an answer: they are unlike the part.
    for image in [plain(1, 1, 0), plain(360, 360, 0), plain(16, 16, 255)] {
        let result = &ask(&server, &json!({"references": [good], "images": [image]}))[0];
        assert_eq!(
            number(&result["changed"]["rank"]),
            1.0,
            "{}",
            result["changed"]
        );
    }
    // And they can be references.
    let black = plain(64, 64, 0);
    let result = &ask(
        &server,
        &json!({"references": [black], "images": [black, good]}),
    );
    assert!(number(&result[0]["changed"]["score"]) < number(&result[1]["changed"]["score"]));
}

/// A map is counted by the pixels that the picture announces, before it is decoded.
#[test]
fn a_map_that_is_too_large_is_refused_before_it_is_drawn() {
    // Answers get four times as much as a body, or 256 MiB.
    let server = Server::start_with(&["--max-body-mib", "2"]);
    let good = base64(&png(ok(1)));
    let large = RgbImage::from_pixel(4900, 4900, Rgb([40, 90, 60]));
    let large = base64(&encode(&large));
    let body = json!({"references": [good], "images": [large], "map": "overlay"});
    let refused = failure(server.post("/v1/compare", &body));
    assert_eq!((refused.0, refused.1.as_str()), (413, "answer_too_large"));
    let body = json!({"references": [good], "images": [large]});
    assert_eq!(number(&ask(&server, &body)[0]["changed"]["rank"]), 1.0);
}
