//! `clip-in embed` on Parquet files and webdataset tars in common forms.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use crate::support::embed_input::{blobs, strings, write_parquet, write_tar};
use crate::support::embed_output::{errors, keys, rows, texts};
use crate::support::server::{demo, distance, fixture, program};
use arrow_array::{ArrayRef, Int64Array, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use parquet::file::reader::{FileReader, SerializedFileReader};

fn embed(arguments: &[&str], out: &Path) -> Output {
    command(arguments, out).output().unwrap()
}

fn command(arguments: &[&str], out: &Path) -> Command {
    let mut command = program();
    command.arg("embed").arg("--model").arg(demo());
    command.args(arguments).arg("--out").arg(out);
    command
}

fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// Hugging Face's column of images: a struct of bytes and path.
fn images(bytes: &[Option<&[u8]>], paths: &[Option<&str>]) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ]);
    let columns = vec![blobs(bytes), strings(paths)];
    Arc::new(StructArray::new(fields, columns, None))
}

/// The embedding of a fixture, computed from a folder of images.
fn expected(names: &[&str]) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    for (i, name) in names.iter().enumerate() {
        fs::write(images.join(format!("{i:03}")), fixture(name)).unwrap();
    }
    let out = folder.path().join("out.parquet");
    done(&embed(&["--images", &images.display().to_string()], &out));
    rows(&out).into_iter().map(|row| row.2).collect()
}

#[test]
fn parquet_rows_have_images_texts_or_both() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("rows.parquet");
    let path = input.display().to_string();
    let (png, jpg, broken) = (
        fixture("rgb.png"),
        fixture("420.jpg"),
        fixture("truncated-half.jpg"),
    );
    let write = |third: &[u8]| {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![
            Some(10),
            Some(20),
            Some(30),
            Some(40),
            Some(10),
            None,
        ]));
        let bytes = [
            Some(&png[..]),
            None,
            Some(third),
            Some(&jpg),
            Some(&jpg),
            Some(&jpg),
        ];
        let paths = [Some("a.png"), Some("b.png"), None, None, None, None];
        let captions = [
            Some("a red bolt"),
            Some("a blue mug"),
            Some("a cup"),
            Some("  "),
            None,
            None,
        ];
        write_parquet(
            &input,
            vec![
                ("id", ids),
                ("image", images(&bytes, &paths)),
                ("caption", strings(&captions)),
            ],
            2,
        );
    };
    write(&broken);
    let out = folder.path().join("out.parquet");
    let said = done(&embed(&["--parquet", &path], &out));
    assert_eq!(
        keys(&out),
        ["image:10", "text:10", "text:20", "text:30", "image:40"]
    );
    assert_eq!(
        texts(&out)[1..4].to_vec(),
        ["a red bolt", "a blue mug", "a cup"].map(|text| Some(text.to_owned()))
    );
    // The image of 20 and the text of 40.
    assert!(
        said.contains("2 empty lines or cells were left out"),
        "{said}"
    );
    let listed = errors(&out);
    let listed: Vec<_> = listed
        .iter()
        .map(|(kind, id, _)| format!("{kind}:{id}"))
        .collect();
    // Broken, twice the same id, missing.
    assert_eq!(
        listed,
        ["image:30", "image:10", "text:10", "row:rows.parquet:5"]
    );
    let found = rows(&out);
    let by_folder = expected(&["rgb.png", "420.jpg"]);
    assert!(distance(&found[0].2, &by_folder[0]) < 1e-5);
    assert!(distance(&found[4].2, &by_folder[1]) < 1e-5);

    // Only the broken item is tried again.
    write(&jpg);
    let said = done(&embed(&["--parquet", &path], &out));
    assert!(said.contains("5 embeddings exist already"), "{said}");
    assert_eq!(keys(&out)[5..], ["image:30"]);
    assert_eq!(rows(&out)[..5], found[..]);

    // Columns by name; a row without an id gets its position.
    let named = folder.path().join("named.parquet");
    let arguments = [
        "--parquet",
        &path,
        "--image-column",
        "image",
        "--id-column",
        "image.path",
    ];
    done(&embed(&arguments, &named));
    assert_eq!(keys(&named), ["image:a.png"]);
    let plain = folder.path().join("plain.parquet");
    let plain_input = folder.path().join("pictures.parquet");
    write_parquet(
        &plain_input,
        vec![("photo", blobs(&[Some(&png), Some(&jpg)]))],
        100,
    );
    let plain_path = plain_input.display().to_string();
    done(&embed(
        &["--parquet", &plain_path, "--image-column", "photo"],
        &plain,
    ));
    assert_eq!(
        keys(&plain),
        ["image:pictures.parquet:0", "image:pictures.parquet:1"]
    );
}

#[test]
fn missing_parquet_columns_are_named_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.parquet");
    let input = folder.path().join("rows.parquet");
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    write_parquet(
        &input,
        vec![
            ("title", strings(&[Some("a"), Some("b")])),
            ("price", numbers),
        ],
        10,
    );
    let path = input.display().to_string();
    let refused = |arguments: &[&str], words: &[&str]| {
        let output = embed(&[&["--parquet", &path], arguments].concat(), &out);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !out.exists(), "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    };
    refused(&[], &["rows.parquet", "--text-column", "title, price"]);
    refused(
        &["--text-column", "name"],
        &["no column name", "title, price"],
    );
    refused(&["--text-column", "price"], &["price", "strings"]);
    refused(
        &["--text-column", "title", "--id-column", "sku"],
        &["no column sku"],
    );

    let empty = tempfile::tempdir().unwrap();
    let nothing = embed(&["--parquet", &empty.path().display().to_string()], &out);
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(
        !nothing.status.success() && said.contains("no .parquet file"),
        "{said}"
    );
    assert_eq!(embed(&[], &out).status.code(), Some(2));
    assert_eq!(
        embed(&["--texts", "x", "--id-column", "y"], &out)
            .status
            .code(),
        Some(2)
    );
}

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
fn tars_are_read_as_webdataset_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("tars");
    fs::create_dir(&input).unwrap();
    let (png, jpg, webp) = (
        fixture("rgb.png"),
        fixture("420.jpg"),
        fixture("lossy.webp"),
    );
    let broken = fixture("truncated-half.jpg");
    write_tar(
        &input.join("0.tar"),
        &[
            ("000.png", &png),
            ("000.txt", b"a red bolt\n"),
            ("000.json", b"{}"),
            ("001.JPG", &jpg),
            ("001.txt", b" \n"),
            ("._001.jpg", b"a Mac's"),
            ("002.jpeg", &broken),
            ("002.txt", b"\xff\xfe"),
            ("part.one/003.webp", &webp),
            ("./004.left.png", &png),
        ],
    );
    write_tar(
        &input.join("1.tar"),
        &[("000.png", &jpg), ("010.png", &png), ("011.png", &jpg)],
    );
    // Cut in the middle of the last member.
    let whole = fs::read(input.join("1.tar")).unwrap();
    let cut =
        512 + jpg.len().next_multiple_of(512) + 512 + png.len().next_multiple_of(512) + 512 + 99;
    fs::write(input.join("1.tar"), &whole[..cut]).unwrap();
    fs::write(input.join("2.tar"), b"\x1f\x8b\x08 no gzip").unwrap();
    fs::write(input.join("3.tar"), vec![b'x'; 4096]).unwrap();
    write_tar(&input.join("4.tar"), &[("020.txt", b"a blue mug")]);
    let out = folder.path().join("out.parquet");
    let path = input.display().to_string();
    let said = done(&embed(&["--tars", &path], &out));
    assert_eq!(
        keys(&out),
        [
            "image:000",
            "text:000",
            "image:001",
            "image:part.one/003",
            "image:004.left",
            "image:010",
            "text:020"
        ]
    );
    assert_eq!(texts(&out)[1].as_deref(), Some("a red bolt"));
    assert!(
        said.contains("1 empty lines or cells were left out"),
        "{said}"
    );
    let listed: Vec<_> = errors(&out)
        .into_iter()
        .map(|(kind, id, reason)| format!("{kind}:{id}: {reason}"))
        .collect();
    let starts = [
        ("image:002: ", ""),
        ("text:002: ", "UTF-8"),
        ("image:000: ", "another image of this id"),
        ("image:011: ", "ends after 99 of"),
        ("tar:2.tar: ", "cannot be read"),
        ("tar:3.tar: ", ""),
    ];
    assert_eq!(listed.len(), starts.len(), "{listed:#?}");
    for (line, (start, word)) in listed.iter().zip(starts) {
        assert!(line.starts_with(start) && line.contains(word), "{line}");
    }
    let found = rows(&out);
    let by_folder = expected(&["rgb.png", "420.jpg", "lossy.webp"]);
    for (row, embedding) in [0, 2, 3].into_iter().zip(by_folder) {
        assert!(distance(&found[row].2, &embedding) < 1e-5);
    }

    // The tar is complete now: only the missing part is embedded.
    fs::write(input.join("1.tar"), whole).unwrap();
    let said = done(&embed(&["--tars", &path], &out));
    assert!(said.contains("7 items were done before"), "{said}");
    assert_eq!(keys(&out)[7..], ["image:011"]);
    assert_eq!(rows(&out)[..7], found[..]);
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
