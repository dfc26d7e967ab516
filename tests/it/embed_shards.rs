//! `clip-in embed --shard`: several workers give the same result as one, even if they are killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::support::embed_input::{blobs, strings, write_parquet, write_tar};
use crate::support::embed_output::{errors, keys, rows};
use crate::support::server::{demo, distance, fixture, program};
use arrow_array::StringArray;

fn command(inputs: &[&str], out: &Path) -> Command {
    let mut command = program();
    command.arg("embed").arg("--model").arg(demo());
    command.args(inputs).arg("--out").arg(out);
    command
}

fn shard(inputs: &[&str], out: &Path, index: usize, of: usize) -> Command {
    let mut command = command(inputs, out);
    command.arg("--shard").arg(format!("{index}/{of}"));
    command
}

fn part(out: &Path, index: usize, of: usize) -> PathBuf {
    out.join(format!("part-{index:05}-of-{of:05}.parquet"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

fn refused(command: &mut Command, words: &[&str]) {
    let output = command.output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

type Rows = Vec<(String, String, Vec<f32>)>;

/// The rows of all shards, one shard after another.
fn union(out: &Path, of: usize) -> Rows {
    (0..of)
        .flat_map(|index| rows(&part(out, index, of)))
        .collect()
}

/// The same ids in the same order. Vectors may differ in their last bits, because a batch of another size may be summed
/// in another order.
fn assert_same(found: &Rows, wanted: &Rows) {
    let ids = |rows: &Rows| -> Vec<_> {
        let rows = rows.iter();
        rows.map(|row| format!("{}:{}", row.1, row.0)).collect()
    };
    assert_eq!(ids(found), ids(wanted));
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(distance(&found.2, &wanted.2) < 1e-6, "{}", found.0);
    }
}

/// Inputs of every kind, with repeated ids, broken items, empty ones and damaged files.
fn inputs(folder: &Path) -> Vec<String> {
    let images = folder.join("images");
    fs::create_dir_all(images.join("below")).unwrap();
    for (name, file) in [
        ("a.png", "rgb.png"),
        ("b", "420.jpg"),
        ("below/c.webp", "lossy.webp"),
        ("d.jpg", "truncated-half.jpg"),
    ] {
        fs::write(images.join(name), fixture(file)).unwrap();
    }
    fs::write(images.join("empty.png"), b"").unwrap();
    let lines: Vec<_> = (0..40)
        .map(|i| format!("a plate with {i} holes\n"))
        .collect();
    let texts = folder.join("texts.txt");
    fs::write(&texts, format!("\n{}last", lines.concat())).unwrap();
    let parquet = folder.join("parquet");
    fs::create_dir(&parquet).unwrap();
    let png = fixture("rgb.png");
    for file in 0..3 {
        // 7 is the number of another text, and row-2-4 occurs twice.
        let ids = (0..10).map(|row| match (file, row) {
            (1, 3) => "7".to_owned(),
            (0, 9) => "row-2-4".to_owned(),
            _ => format!("row-{file}-{row}"),
        });
        let captions: Vec<_> = (0..10).map(|row| format!("cup {file} {row}")).collect();
        let image = |row: usize| row.is_multiple_of(4).then_some(&png[..]);
        write_parquet(
            &parquet.join(format!("{file}.parquet")),
            vec![
                ("id", Arc::new(StringArray::from_iter_values(ids))),
                ("image", blobs(&(0..10).map(image).collect::<Vec<_>>())),
                ("caption", Arc::new(StringArray::from(captions))),
            ],
            3,
        );
    }
    fs::write(parquet.join("3.parquet"), "no Parquet").unwrap();
    let tars = folder.join("tars");
    fs::create_dir(&tars).unwrap();
    for file in 0..4 {
        let name = |key: &str| format!("{key}.txt");
        let own = format!("member-{file}");
        // Repeats an id of the previous tar, and one of the Parquet files.
        let repeated = format!("member-{}", file.max(1) - 1);
        write_tar(
            &tars.join(format!("{file}.tar")),
            &[
                (&name(&own), format!("a bolt {file}").as_bytes()),
                (&name(&repeated), b"a nut"),
                (&name(&format!("row-{file}-1")), b"a washer"),
                (&format!("picture-{file}.png"), &png),
            ],
        );
    }
    let path = |path: &Path| path.display().to_string();
    let flags = ["--images", "--texts", "--parquet", "--tars"];
    let paths = [&images, &texts, &parquet, &tars];
    flags
        .iter()
        .zip(paths)
        .flat_map(|(flag, it)| [(*flag).to_owned(), path(it)])
        .collect()
}

#[test]
fn any_number_of_shards_gives_the_result_of_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path());
    let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
    let whole = folder.path().join("whole.parquet");
    done(&mut command(&inputs, &whole));
    let wanted = rows(&whole);
    let listed = errors(&whole);
    assert!(listed.len() >= 10, "{listed:?}");
    for of in [1, 2, 5, 23] {
        let out = folder.path().join(format!("of-{of}"));
        for index in 0..of {
            done(&mut shard(&inputs, &out, index, of));
        }
        assert_same(&union(&out, of), &wanted);
        let found = (0..of).flat_map(|index| errors(&part(&out, index, of)));
        assert_eq!(found.collect::<Vec<_>>(), listed, "of {of}");
        let left = fs::read_dir(&out).unwrap().flatten();
        let mut left = left.map(|entry| entry.file_name().into_string().unwrap());
        assert!(left.all(|name| name.ends_with(".parquet") || name.ends_with(".errors.jsonl")));
        let busy = (0..of).filter(|index| !keys(&part(&out, *index, of)).is_empty());
        assert!(busy.count() >= of.min(4), "of {of}");
    }
}

/// A file with this many texts.
fn texts(folder: &Path, count: usize) -> String {
    let path = folder.join("texts.txt");
    let lines: Vec<_> = (0..count)
        .map(|i| format!("a plate with {i} holes\n"))
        .collect();
    fs::write(&path, lines.concat()).unwrap();
    path.display().to_string()
}

#[test]
fn a_finished_shard_is_recognised_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = texts(folder.path(), 20);
    let inputs = ["--texts", &path];
    let out = folder.path().join("out");
    done(&mut shard(&inputs, &out, 1, 2));
    let file = part(&out, 1, 2);
    let wanted = rows(&file);
    let count = wanted.len();
    assert!((8..=12).contains(&count), "{count}");

    let before = fs::metadata(&file).unwrap().modified().unwrap();
    let again = done(&mut shard(&inputs, &out, 1, 2));
    assert!(
        again.contains(&format!("already done: {count} embeddings")),
        "{again}"
    );
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
    // Also by its name in the environment, and as a file:// URL.
    let url = PathBuf::from(format!("file://{}", out.display()));
    let by_name = done(command(&inputs, &url).env("CLIP_IN_EMBED_SHARD", "1/2"));
    assert!(by_name.contains("already done"), "{by_name}");

    // The file is truncated; then a byte in its middle is changed; then it is empty.
    let bytes = fs::read(&file).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 3] ^= 0x40;
    for damaged in [
        &bytes[..bytes.len() - 7],
        &bytes[..bytes.len() / 2],
        &flipped,
        b"",
    ] {
        fs::write(&file, damaged).unwrap();
        let again = done(&mut shard(&inputs, &out, 1, 2));
        assert!(again.contains("damaged"), "{again}");
        assert_same(&rows(&file), &wanted);
    }

    // Other inputs of the same size: only the time differs.
    let text = fs::read_to_string(&path).unwrap().replace("plate", "cover");
    fs::write(&path, text).unwrap();
    let later = SystemTime::now() + Duration::from_secs(3);
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(later)
        .unwrap();
    refused(
        &mut shard(&inputs, &out, 1, 2),
        &["another inputs", "part-00001-of-00002", "--overwrite"],
    );
    assert_same(&rows(&file), &wanted);
    done(shard(&inputs, &out, 1, 2).arg("--overwrite"));
    assert!(distance(&rows(&file)[0].2, &wanted[0].2) > 1e-3);

    // Another number of shards in the same folder; a file of another program with that name.
    refused(
        &mut shard(&inputs, &out, 0, 3),
        &["2 shards", "this one has 3"],
    );
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    let theirs = part(&other, 0, 1);
    write_parquet(&theirs, vec![("text", strings(&[Some("mine")]))], 1);
    refused(
        &mut shard(&inputs, &other, 0, 1),
        &["not an output of clip-in embed"],
    );
    // A file instead of a folder.
    refused(&mut shard(&inputs, &file, 0, 1), &["names a folder"]);
    for wrong in ["2/2", "0/0", "x", "-1/2"] {
        let status = command(&inputs, &out)
            .arg(format!("--shard={wrong}"))
            .status();
        assert_eq!(status.unwrap().code(), Some(2), "{wrong}");
    }
    refused(
        &mut command(&inputs, Path::new("gs://bucket/out")),
        &["gs:// is not supported", "s3://BUCKET/PATH"],
    );
}

#[test]
fn two_workers_of_one_shard_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let path = texts(folder.path(), 4);
    let out = folder.path().join("out");
    let parts = PathBuf::from(format!("{}.parts", part(&out, 0, 1).display()));
    fs::create_dir_all(&parts).unwrap();
    let lock = File::create(parts.join("lock")).unwrap();
    lock.lock().unwrap();
    let inputs = ["--texts", &path];
    refused(&mut shard(&inputs, &out, 0, 1), &["another process"]);
    drop(lock);
    done(&mut shard(&inputs, &out, 0, 1));
    assert_eq!(rows(&part(&out, 0, 1)).len(), 4);
}

#[test]
fn failed_items_are_recorded_in_a_completed_shard() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    fs::write(images.join("a.png"), fixture("rgb.png")).unwrap();
    fs::write(images.join("b.jpg"), b"no picture").unwrap();
    let images = images.display().to_string();
    let inputs = ["--images", &images];
    let out = folder.path().join("out");
    for _ in 0..2 {
        refused(shard(&inputs, &out, 0, 1).arg("--strict"), &["1 items"]);
        done(&mut shard(&inputs, &out, 0, 1));
        assert_eq!(errors(&part(&out, 0, 1)).len(), 1);
    }
}

fn start(command: &mut Command) -> Child {
    command.stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn workers_killed_at_any_time_give_the_result_of_one_run() {
    const OF: usize = 3;
    let folder = tempfile::tempdir().unwrap();
    let path = texts(folder.path(), 2500);
    let parquet = folder.path().join("rows.parquet");
    let captions = StringArray::from_iter_values((0..2500).map(|i| format!("{i} handles")));
    write_parquet(&parquet, vec![("caption", Arc::new(captions))], 300);
    let parquet = parquet.display().to_string();
    let inputs = ["--texts", &path, "--parquet", &parquet];
    let whole = folder.path().join("whole.parquet");
    done(&mut command(&inputs, &whole));
    let wanted = rows(&whole);
    assert_eq!(wanted.len(), 5000);
    for seed in 1..=3 {
        let mut random = fastrand::Rng::with_seed(seed);
        let out = folder.path().join(format!("out-{seed}"));
        let mut kills = 0;
        let mut working: Vec<_> = (0..OF)
            .map(|index| (index, start(&mut shard(&inputs, &out, index, OF))))
            .collect();
        while !working.is_empty() {
            std::thread::sleep(Duration::from_millis(random.u64(50..900)));
            // After many kills they run to the end: on a slow machine none would finish otherwise.
            let place = random.usize(..working.len());
            if kills < 12 {
                let (index, worker) = &mut working[place];
                worker.kill().unwrap();
                worker.wait().unwrap();
                *worker = start(&mut shard(&inputs, &out, *index, OF));
                kills += 1;
            }
            working.retain_mut(|(_, worker)| match worker.try_wait().unwrap() {
                None => true,
                Some(status) => {
                    assert!(status.success());
                    false
                }
            });
        }
        assert_same(&union(&out, OF), &wanted);
        for index in 0..OF {
            let again = done(&mut shard(&inputs, &out, index, OF));
            assert!(again.contains("already done"), "{again}");
        }
    }
}
