//! Commands whose reader has gone (`clip-in … | head`), or whose output is on a full disk: no panic, and files and exit
//! status as always.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::eval_data::{SCENES, jpeg, write};
use crate::support::server::{Server, demo, fixture, program};
use crate::support::training_sets::{clean, write_parquet};

/// Exit status and standard error of a command whose standard output is a pipe without a reader.
fn unread(command: &mut Command) -> (i32, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    ended(command.stdout(writer))
}

/// The same, with a full disk.
fn full(command: &mut Command) -> (i32, String) {
    let disk = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    ended(command.stdout(disk))
}

fn ended(command: &mut Command) -> (i32, String) {
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code().unwrap(), said)
}

fn command(arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments);
    command
}

/// A benchmark of one pair, in the layout of MMVP.
fn benchmark(folder: &Path) {
    let mut rows = "Question ID,Type,Statement\n".to_owned();
    for (half, statement) in SCENES.iter().take(2).enumerate() {
        rows += &format!("{},Color,{statement}\n", half + 1);
        let image = format!("MLLM_VLM Images/Color/{}.jpg", half + 1);
        write(&folder.join(image), jpeg(half));
    }
    write(&folder.join("Questions.csv"), rows);
}

#[test]
fn printing_commands_end_quietly_without_a_reader_and_name_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image.jpg");
    fs::write(&image, fixture("420-large.jpg")).unwrap();
    let (image, model) = (image.display().to_string(), demo().display().to_string());
    let server = Server::start_with(&[
        "--state",
        &folder.path().join("state").display().to_string(),
    ]);
    let good = folder.path().join("good");
    fs::create_dir(&good).unwrap();
    for number in 0..4 {
        fs::copy(&image, good.join(format!("{number}.jpg"))).unwrap();
    }
    let good = good.display().to_string();
    let score = [
        "score", "--model", &model, "--image", &image, "--text", "a mug",
    ];
    let line = ["bolts", "--server", &server.url];
    let create = [&["line", "create"], &line[..], &["--references", &good]].concat();
    let commands: [&[&str]; 12] = [
        &["--help"],
        &["config", "print", "--defaults"],
        &["config", "print"],
        &["config", "reference"],
        &["model", "inspect", &model],
        &["model", "inspect", "--json", &model],
        &["model", "verify", &model],
        &[
            "model",
            "measure",
            "--seconds",
            "0.01",
            "--batches",
            "1,2",
            &model,
        ],
        &score,
        &[&score[..], &["--json"]].concat(),
        &create,
        &[&["line", "report"], &line[..]].concat(),
    ];
    for arguments in commands {
        let (status, said) = unread(&mut command(arguments));
        assert_eq!(status, 0, "{arguments:?}: {said}");
        assert!(!said.contains("output"), "{arguments:?}: {said}");
        let (status, said) = full(&mut command(arguments));
        if arguments != ["--help"] {
            // clap prints the help, and ignores what becomes of it.
            assert_eq!(status, 1, "{arguments:?}: {said}");
            assert!(
                said.contains("cannot write to standard output: No space left"),
                "{arguments:?}: {said}"
            );
        }
    }
}

#[test]
fn a_gate_judges_and_writes_its_files_without_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let shown = |name: &str| file(name).display().to_string();
    let model = demo().display().to_string();

    // The same pair twice is a duplicate.
    let pairs: Vec<_> = [clean(), clean()].into_iter().flatten().collect();
    write_parquet(&file("pairs.parquet"), &pairs);
    let audit = ["audit", &shown("pairs.parquet"), "--model", &model];
    let gate = ["--fail-on", "duplicates", "--json", &shown("audit.json")];
    let (read, _) = ended(command(&[&audit[..], &gate].concat()).stdout(Stdio::null()));
    fs::remove_file(file("audit.json")).unwrap();
    let (status, said) = unread(&mut command(&[&audit[..], &gate].concat()));
    assert_eq!(status, read, "{said}");
    assert_ne!(status, 0, "{said}");
    assert!(file("audit.json").exists());

    benchmark(&file("mmvp"));
    let (data, report) = (shown("mmvp"), shown("mmvp.json"));
    let eval = [
        "eval", "mmvp", "--data", &data, "--model", &model, "--json", &report,
    ];
    let (status, said) = unread(&mut command(&eval));
    assert_eq!(status, 0, "{said}");
    assert!(file("mmvp.json").exists());

    let compared = shown("compared.json");
    let compare = ["eval", "compare", &report, &report, "--json", &compared];
    let (status, said) = unread(&mut command(&compare));
    assert_eq!(status, 0, "{said}");
    assert!(file("compared.json").exists());
    let (status, said) = full(&mut command(&compare));
    assert_eq!(status, 2, "{said}");
}

#[test]
fn messages_that_nobody_reads_do_not_stop_the_work() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("texts.txt"), "a mug\n\na bolt\n").unwrap();
    let out = folder.path().join("out.parquet");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut embed = command(&["embed", "--model", &demo().display().to_string(), "--texts"]);
    embed
        .arg(folder.path().join("texts.txt"))
        .arg("--out")
        .arg(&out);
    assert!(embed.stderr(writer).status().unwrap().success());
    assert!(out.exists());
}
