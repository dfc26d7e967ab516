//! `clip-in embed` on tars as webdataset has them.

use std::fs;

use crate::support::embed_input::write_tar;
use crate::support::embed_output::{errors, keys, rows, texts};
use crate::support::embed_run::{done, embed, expected};
use crate::support::server::{distance, fixture};

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
