//! `clip-in embed` on damaged input, and after a kill.

use std::fs::{self, File};
use std::sync::Arc;

use crate::support::embed_input::{blobs, strings, write_parquet, write_tar};
use crate::support::embed_output::{errors, keys, texts};
use crate::support::embed_run::{command, done, embed};
use crate::support::server::fixture;
use arrow_array::StringArray;
use parquet::file::reader::{FileReader, SerializedFileReader};

#[test]
fn a_damaged_file_is_listed_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    fs::create_dir_all(input.join("below")).unwrap();
    let write = |name: &str, text: &str| {
        write_parquet(
            &input.join(name),
            vec![("text", strings(&[Some(text), Some(text)]))],
            1,
        );
    };
    write("a.parquet", "a red bolt");
    write("c.parquet", "a blue mug");
    write("below/d.parquet", "a cup");
    fs::write(input.join("b.parquet"), "no Parquet").unwrap();
    // The page of the first row group is destroyed, the second is intact.
    let mut bytes = fs::read(input.join("c.parquet")).unwrap();
    bytes[8..40].fill(0xff);
    fs::write(input.join("c.parquet"), bytes).unwrap();
    let out = folder.path().join("out.parquet");
    let path = input.display().to_string();
    done(&embed(&["--parquet", &path], &out));
    assert_eq!(
        keys(&out),
        [
            "text:a.parquet:0",
            "text:a.parquet:1",
            "text:below/d.parquet:0",
            "text:below/d.parquet:1",
            "text:c.parquet:1"
        ]
    );
    let listed = errors(&out);
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert_eq!((&*listed[0].0, &*listed[0].1), ("parquet", "b.parquet"));
    assert_eq!((&*listed[1].0, &*listed[1].1), ("parquet", "c.parquet"));
    assert!(listed[1].2.contains("row group 0"), "{listed:?}");
    let strict = embed(&["--parquet", &path, "--strict"], &out);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn parquet_and_tars_killed_at_any_time_end_with_every_item_once() {
    let folder = tempfile::tempdir().unwrap();
    let (rows_path, tar_path) = (
        folder.path().join("rows.parquet"),
        folder.path().join("texts.tar"),
    );
    let captions: Vec<_> = (0..3000)
        .map(|i| format!("a plate with {i} holes"))
        .collect();
    let ids: Vec<_> = (0..3000).map(|i| format!("row-{i}")).collect();
    let (ids, captions) = (StringArray::from(ids), StringArray::from(captions));
    write_parquet(
        &rows_path,
        vec![("id", Arc::new(ids)), ("caption", Arc::new(captions))],
        700,
    );
    let members: Vec<_> = (0..3000)
        .map(|i| (format!("member-{i}.txt"), format!("a cup with {i} handles")))
        .collect();
    let members: Vec<_> = members
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    write_tar(&tar_path, &members);
    let out = folder.path().join("out.parquet");
    let (rows_path, tar_path) = (
        rows_path.display().to_string(),
        tar_path.display().to_string(),
    );
    let mut command = command(&["--parquet", &rows_path, "--tars", &tar_path], &out);
    for milliseconds in [300, 500, 700, 900] {
        let mut process = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        let _ = process.kill();
        process.wait().unwrap();
    }
    assert!(command.status().unwrap().success());
    let mut found = keys(&out);
    found.sort_unstable();
    let mut wanted: Vec<_> = (0..3000)
        .flat_map(|i| [format!("text:row-{i}"), format!("text:member-{i}")])
        .collect();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    assert!(!folder.path().join("out.parquet.parts").exists());
}

#[test]
fn lines_that_are_not_text_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("texts.txt");
    let mut content = b"a red bolt\r\n\nwrong \xff\n".to_vec();
    content.extend(vec![b'x'; 100_000]);
    content.extend(b"\na blue mug");
    fs::write(&input, content).unwrap();
    let out = folder.path().join("out.parquet");
    done(&embed(&["--texts", &input.display().to_string()], &out));
    assert_eq!(keys(&out), ["text:1", "text:5"]);
    assert_eq!(texts(&out)[0].as_deref(), Some("a red bolt"));
    let listed: Vec<_> = errors(&out).into_iter().map(|line| line.1).collect();
    assert_eq!(listed, ["3", "4"]);
}

#[test]
fn completed_images_are_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("rows.parquet");
    let path = input.display().to_string();
    let png = fixture("rgb.png");
    let columns = vec![
        ("id", strings(&[Some("a"), Some("b")])),
        ("image", blobs(&[Some(&png), Some(&png)])),
    ];
    write_parquet(&input, columns, 1);
    let out = folder.path().join("out.parquet");
    done(&embed(&["--parquet", &path], &out));
    assert_eq!(keys(&out), ["image:a", "image:b"]);

    // The images cannot be read any more, but the ids can.
    let mut bytes = fs::read(&input).unwrap();
    let file = SerializedFileReader::new(File::open(&input).unwrap()).unwrap();
    for group in file.metadata().row_groups() {
        let start = usize::try_from(group.column(1).byte_range().0).unwrap();
        bytes[start..start + 16].fill(0xff);
    }
    fs::write(&input, bytes).unwrap();
    let said = done(&embed(&["--parquet", &path, "--strict"], &out));
    assert!(said.contains("2 items were done before"), "{said}");
    let other = folder.path().join("other.parquet");
    done(&embed(&["--parquet", &path], &other));
    assert_eq!((keys(&other).len(), errors(&other).len()), (0, 2));
}
