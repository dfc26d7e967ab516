//! `clip-in embed` reports everything that it does not embed: as an error, or counted and named.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use crate::support::embed_input::{strings, write_parquet, write_parquet_as, write_tar};
use crate::support::embed_output::{errors, keys, texts};
use crate::support::server::{demo, fixture, program};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};

fn embed(arguments: &[&str], out: &Path) -> (Option<i32>, String) {
    let mut command = program();
    command.arg("embed").arg("--model").arg(demo());
    let Output { status, stderr, .. } = command
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// The listed errors, as `kind:id`.
fn listed(out: &Path) -> Vec<String> {
    let lines = errors(out).into_iter();
    lines.map(|(kind, id, _)| format!("{kind}:{id}")).collect()
}

#[test]
fn members_with_dotted_names_and_all_kinds_of_images_are_embedded() {
    let folder = tempfile::tempdir().unwrap();
    let (tar, out) = (folder.path().join("a.tar"), folder.path().join("o.parquet"));
    let jpg = fixture("420.jpg");
    write_tar(
        &tar,
        &[
            ("img.001.jpg", &jpg),
            ("img.001.txt", b"a red bolt"),
            ("img.002.jpg", &jpg),
            ("f.seg.png", &fixture("rgb.png")),
            ("f.jpg", &jpg),
            ("g.gif", &fixture("rgb.gif")),
            ("b.BMP", &fixture("rgb.bmp")),
            ("k.tiff", &fixture("rgb.tiff")),
            ("k.json", b"{}"),
            ("k.cls", b"3"),
            ("._k.jpg", b"a Mac's"),
        ],
    );
    let path = tar.display().to_string();
    let (status, said) = embed(&["--tars", &path, "--strict"], &out);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(
        keys(&out),
        [
            "image:img.001",
            "text:img.001",
            "image:img.002",
            "image:f.seg",
            "image:f",
            "image:g",
            "image:b",
            "image:k"
        ]
    );
    assert!(
        said.contains("3 files or members") && said.contains("k.json, k.cls, ._k.jpg"),
        "{said}"
    );
}

#[test]
fn members_that_are_not_read_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (tar, out) = (folder.path().join("a.tar"), folder.path().join("o.parquet"));
    write_tar(
        &tar,
        &[
            ("a.txt", b"a red bolt"),
            ("b.caption", b"a blue mug"),
            ("README", b"about"),
            ("c.avif", b"not decoded"),
        ],
    );
    let whole = fs::read(&tar).unwrap();
    let mut builder = tar::Builder::new(File::create(&tar).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "d.jpg", "a.jpg").unwrap();
    let link = builder.into_inner().map(|_| fs::read(&tar).unwrap());
    // The link before the members.
    let link = &link.unwrap()[..512];
    fs::write(&tar, [link, &whole].concat()).unwrap();
    let path = tar.display().to_string();
    let (status, said) = embed(&["--tars", &path, "--strict"], &out);
    assert_eq!((status, keys(&out)), (Some(1), vec!["text:a".to_owned()]));
    let wanted = ["image:d", "member:b.caption", "member:README", "image:c"];
    assert_eq!(listed(&out), wanted);
    assert!(said.contains("4 items could not be embedded"), "{said}");

    // Only the missing end of the tar shows that it is truncated.
    fs::write(&tar, &whole[..1024]).unwrap();
    let (status, _) = embed(&["--tars", &path, "--strict"], &out);
    assert_eq!(
        (status, listed(&out)),
        (Some(1), vec!["tar:a.tar".to_owned()])
    );
}

#[test]
fn compressed_tars_are_read_or_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (tars, out) = (folder.path().join("tars"), folder.path().join("o.parquet"));
    fs::create_dir(&tars).unwrap();
    let compressed = |name: &str, members: &[(&str, &[u8])]| {
        let plain = folder.path().join("plain");
        write_tar(&plain, members);
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(&fs::read(plain).unwrap()).unwrap();
        let bytes = encoder.finish().unwrap();
        fs::write(tars.join(name), &bytes).unwrap();
        bytes
    };
    let image = fixture("rgb.png");
    compressed(
        "0.tar.gz",
        &[("0.png", &image), ("0.json", b"{}"), ("1.txt", b"a cup")],
    );
    compressed("1.tgz", &[("2.txt", b"a bolt")]);
    let cut = compressed("2.TAR.GZ", &[("3.txt", b"a mug"), ("4.png", &image)]);
    fs::write(tars.join("2.TAR.GZ"), &cut[..cut.len() / 2]).unwrap();
    fs::write(tars.join("3.tar.bz2"), b"BZh91AY").unwrap();
    let path = tars.display().to_string();
    let (status, said) = embed(&["--tars", &path, "--strict"], &out);
    assert_eq!(status, Some(1), "{said}");
    let wanted = ["image:0", "text:1", "text:2", "text:3"];
    assert_eq!(keys(&out), wanted);
    assert_eq!(listed(&out), ["image:4", "tar:2.TAR.GZ", "file:3.tar.bz2"]);

    let named = tars.join("3.tar.bz2").display().to_string();
    let out = folder.path().join("named.parquet");
    embed(&["--tars", &named], &out);
    let reason = errors(&out).remove(0).2;
    assert!(reason.contains("bzip2"), "{reason}");
}

#[test]
fn a_byte_order_mark_is_not_part_of_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, tar) = (folder.path().join("l.txt"), folder.path().join("t.tar"));
    fs::write(&lines, "\u{feff}a red bolt\na red bolt\n").unwrap();
    write_tar(&tar, &[("a.txt", "\u{feff}a red bolt\n".as_bytes())]);
    let out = folder.path().join("o.parquet");
    let (lines, tar) = (lines.display().to_string(), tar.display().to_string());
    let (status, said) = embed(&["--texts", &lines, "--tars", &tar], &out);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(keys(&out), ["text:1", "text:2", "text:a"]);
    let bolt = Some("a red bolt".to_owned());
    assert_eq!(texts(&out), [bolt.clone(), bolt.clone(), bolt]);

    // A line with only the mark is empty.
    fs::write(&lines, "\u{feff}\na cup\n").unwrap();
    let out = folder.path().join("empty.parquet");
    let (_, said) = embed(&["--texts", &lines], &out);
    assert_eq!(keys(&out), ["text:2"], "{said}");
    assert!(said.contains("1 empty lines"), "{said}");
}

#[test]
fn linked_folders_are_read_once_and_cycles_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("images/below")).unwrap();
    fs::create_dir(path("elsewhere")).unwrap();
    fs::write(path("elsewhere/b.png"), fixture("rgb.png")).unwrap();
    fs::write(path("images/a.png"), fixture("rgb.png")).unwrap();
    fs::write(path("images/.hidden.png"), fixture("rgb.png")).unwrap();
    symlink(path("elsewhere"), path("images/linked")).unwrap();
    symlink("..", path("images/below/up")).unwrap();
    symlink(path("images"), path("elsewhere/round")).unwrap();
    symlink("nowhere.png", path("images/gone.png")).unwrap();
    let (out, images) = (path("o.parquet"), path("images").display().to_string());
    let (status, said) = embed(&["--images", &images, "--strict"], &out);
    assert_eq!(
        (status, keys(&out)),
        (
            Some(1),
            vec!["image:a.png".to_owned(), "image:linked/b.png".to_owned()]
        )
    );
    let wanted = ["folder:below/up", "image:gone.png", "folder:linked/round"];
    assert_eq!(listed(&out), wanted);
    assert!(errors(&out)[0].2.contains("parent folders"), "{said}");
    assert!(said.contains("left out: .hidden.png"), "{said}");

    // The same for the folders in which files are searched.
    fs::create_dir(path("rows")).unwrap();
    write_parquet(
        &path("elsewhere/r.parquet"),
        vec![("text", strings(&[Some("a cup")]))],
        1,
    );
    symlink(path("elsewhere"), path("rows/linked")).unwrap();
    let (out, rows) = (path("r.parquet"), path("rows").display().to_string());
    let (status, said) = embed(&["--parquet", &rows, "--strict"], &out);
    assert_eq!(
        (status, keys(&out)),
        (Some(1), vec!["text:linked/r.parquet:0".to_owned()]),
        "{said}"
    );
}

#[test]
fn files_of_another_kind_in_a_folder_are_named_by_one_shard() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("tars")).unwrap();
    write_tar(&path("tars/0.tar"), &[("0.txt", b"a cup")]);
    write_tar(&path("tars/1.tar"), &[("1.txt", b"a mug")]);
    fs::write(path("tars/stats.json"), "{}").unwrap();
    let tars = path("tars").display().to_string();
    let out = path("clean.parquet");
    let (status, said) = embed(&["--tars", &tars, "--strict"], &out);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("left out: stats.json"), "{said}");

    fs::write(path("tars/captions.csv"), "0,a cup").unwrap();
    let out = path("other.parquet");
    let (status, said) = embed(&["--tars", &tars, "--strict"], &out);
    assert_eq!(
        (status, listed(&out)),
        (Some(1), vec!["file:captions.csv".to_owned()]),
        "{said}"
    );

    let parts = path("parts");
    let mut found = Vec::new();
    for shard in ["0/2", "1/2"] {
        embed(&["--tars", &tars, "--shard", shard], &parts);
    }
    for index in 0..2 {
        found.extend(listed(
            &parts.join(format!("part-{index:05}-of-00002.parquet")),
        ));
    }
    assert_eq!(found, ["file:captions.csv"]);
}

#[test]
fn parquet_is_read_in_every_compression_that_writers_use() {
    let folder = tempfile::tempdir().unwrap();
    for (i, compression) in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ]
    .into_iter()
    .enumerate()
    {
        let input = folder.path().join(format!("{i}.parquet"));
        let rows = vec![("text", strings(&[Some("a red bolt"), Some("a cup")]))];
        write_parquet_as(&input, rows, 10, compression);
        let out = folder.path().join(format!("{i}.out"));
        let (status, said) = embed(
            &["--parquet", &input.display().to_string(), "--strict"],
            &out,
        );
        assert_eq!(
            (status, keys(&out).len()),
            (Some(0), 2),
            "{compression}: {said}"
        );
    }
}
