//! `clip-in embed` on Parquet files in common forms.

use std::sync::Arc;

use crate::support::embed_input::{blobs, images, strings, write_parquet};
use crate::support::embed_output::{errors, keys, rows, texts};
use crate::support::embed_run::{done, embed, expected};
use crate::support::server::{distance, fixture};
use arrow_array::{ArrayRef, Int64Array};

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
