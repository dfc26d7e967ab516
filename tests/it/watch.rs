//! `clip-in watch`: images that a camera writes into a folder are inspected and moved, each once.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::parts::{FEW_PIXELS, Shot, png};
use crate::support::server::models::wait_for;
use crate::support::server::{Server, base64, demo, fixture, program, success};

/// A folder with files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that is so many seconds old.
    fn write(&self, name: &str, content: &[u8], seconds: u64) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        let time = SystemTime::now() - Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
    }

    /// The names of what is in a folder, without those that are hidden.
    fn names(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(below)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// The command on this folder, which looks often.
    fn watch(&self, server: &str, more: &[&str]) -> Command {
        let mut command = program();
        command
            .arg("watch")
            .arg(self.0.path())
            .args(["--line", "board"]);
        command
            .args(["--settle", "0.2", "--poll", "0.05"])
            .args(more);
        command
            .env("CLIP_IN_SERVER", server)
            .env_remove("CLIP_IN_API_KEY");
        command
    }

    /// Runs the command until nothing is left. Returns the lines that it printed, and its messages.
    fn inspect(&self, server: &Server, more: &[&str]) -> (Vec<Value>, String) {
        let done = self
            .watch(&server.url, more)
            .arg("--once")
            .output()
            .unwrap();
        let said = text(&done.stderr);
        assert!(done.status.success(), "{said}");
        let lines = text(&done.stdout);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        (lines.collect(), said)
    }
}

/// A command that runs until it is ended.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::create(log).unwrap();
        Self(command.stdout(Stdio::piped()).stderr(log).spawn().unwrap())
    }

    /// Sends SIGTERM. Returns the lines that it printed.
    fn end(mut self) -> Vec<Value> {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.unwrap().success());
        assert!(self.0.wait().unwrap().success());
        let mut printed = String::new();
        let output = self.0.stdout.as_mut().unwrap();
        output.read_to_string(&mut printed).unwrap();
        printed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn part(seed: u64) -> Vec<u8> {
    png(Shot::on_a_line(seed, false))
}

/// Creates the line `board`.
fn create(server: &Server) {
    let url = format!("{}/v1/lines/board", server.url);
    let body = json!({"references": [base64(&part(1))], "resolution": FEW_PIXELS});
    success(server.client.put(url).json(&body).send().unwrap());
}

fn with_line(arguments: &[&str]) -> Server {
    let server = Server::start_with(arguments);
    create(&server);
    server
}

/// The inspections of the line, the oldest first.
fn rows(server: &Server) -> Vec<Value> {
    let page = success(server.get("/v1/lines/board/inspections?limit=200"));
    page["data"].as_array().unwrap().clone()
}

fn fails(output: &Output) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn images_are_inspected_in_order_and_moved() {
    let (server, folder) = (with_line(&[]), Folder::new());
    folder.write("left_3.png", &part(3), 10);
    folder.write("left_1.png", &part(4), 30);
    folder.write("left_2.png", &part(5), 20);
    for other in [
        "notes.txt",
        "left_4.png.tmp",
        "left_5.png.part",
        ".left_6.png",
        "below/7.png",
    ] {
        folder.write(other, &part(6), 40);
    }
    let pattern = r"^(?<station>[a-z]+)_(?<trigger>[0-9]+)\.";
    let (printed, said) = folder.inspect(&server, &["--part-from-name", pattern]);
    assert!(said.contains("3 answered, 0 refused, 0 retried"), "{said}");
    let files: Vec<_> = printed
        .iter()
        .map(|line| line["file"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["left_1.png", "left_2.png", "left_3.png"]);
    let rows = rows(&server);
    assert_eq!(rows.len(), 3);
    for (number, (line, row)) in printed.iter().zip(&rows).enumerate() {
        let name = format!("left_{}", number + 1);
        let answer = folder.json(&format!("done/{name}.png.json"));
        assert_eq!(answer["score"], row["score"]);
        for field in [
            "id",
            "decision",
            "file",
            "score",
            "reasons",
            "idempotency_key",
        ] {
            assert_eq!(line[field], answer[field], "{field}");
        }
        assert_eq!(
            (&line["id"], &line["duplicate"]),
            (&row["id"], &json!(false))
        );
        assert_eq!(
            (&answer["part"], &answer["station"]),
            (&json!(name), &json!("left"))
        );
        assert_eq!(
            (&answer["trigger"], &answer["missed_triggers"]),
            (&json!(number + 1), &json!(0))
        );
    }
    assert_eq!(fs::read(folder.path("done/left_2.png")).unwrap(), part(5));
    let left = [
        "below",
        "done",
        "left_4.png.tmp",
        "left_5.png.part",
        "notes.txt",
        "refused",
    ];
    assert_eq!(folder.names(""), left);
    // Folders in it, with their names.
    let (printed, _) = folder.inspect(&server, &["--recursive", "--parallel", "4"]);
    assert_eq!(printed[0]["file"], "below/7.png");
    assert!(
        folder.path("done/below/7.png").exists() && folder.path("done/below/7.png.json").exists()
    );
    assert_eq!(printed.len(), 1);
}

#[test]
fn files_that_the_server_refuses_are_moved_with_the_error() {
    let (server, folder) = (with_line(&["--max-body-mib", "2"]), Folder::new());
    folder.write("half.jpg", &fixture("truncated-half.jpg"), 0);
    folder.write("notes.png", b"not an image", 0);
    folder.write("empty.png", b"", 0);
    folder.write("apple.heic", b"....ftypheic", 0);
    folder.write("large.png", &vec![7; 5 << 20], 0);
    folder.write("good.png", &part(2), 0);
    let (printed, said) = folder.inspect(&server, &["--patience", "0.3"]);
    assert!(said.contains("1 answered, 5 refused, 0 retried"), "{said}");
    let code = |name: &str| {
        let record = folder.json(&format!("refused/{name}.json"));
        assert!(printed.contains(&record), "{record}");
        assert!(folder.path("refused").join(name).exists());
        record["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("half.jpg"), "image_corrupt");
    assert_eq!(code("notes.png"), "image_unknown_format");
    assert_eq!(code("large.png"), "body_too_large");
    code("empty.png");
    code("apple.heic");
    assert_eq!(folder.names("done"), ["good.png", "good.png.json"]);
    assert_eq!(folder.names(""), ["done", "refused"]);
    assert_eq!(rows(&server).len(), 1);
}

#[test]
fn a_half_written_image_is_inspected_once_it_is_whole() {
    let (server, folder) = (with_line(&[]), Folder::new());
    let (image, path) = (part(2), folder.path("slow.png"));
    fs::write(&path, &image[..image.len() / 2]).unwrap();
    let mut command = folder.watch(&server.url, &["--patience", "600"]);
    let running = Running::start(&mut command, &folder.path("log"));
    wait_for("the refusal of the half", || {
        let metrics = server.get("/metrics").text().unwrap();
        metrics
            .lines()
            .any(|line| line.contains("inspections") && line.contains("status=\"400\""))
    });
    assert!(path.exists() && folder.names("refused").is_empty());
    let second = folder.watch(&server.url, &[]).output().unwrap();
    let said = fails(&second);
    assert!(said.contains("another `clip-in watch` uses"), "{said}");
    fs::write(&path, &image).unwrap();
    wait_for("the image to be moved", || !path.exists());
    assert_eq!(folder.names("done"), ["slow.png", "slow.png.json"]);
    assert!(folder.names("refused").is_empty());
    assert_eq!(running.end().len(), 1);
    assert_eq!(rows(&server).len(), 1);
    let said = fs::read_to_string(folder.path("log")).unwrap();
    assert!(said.contains("1 answered, 0 refused, 0 retried"), "{said}");
}

#[test]
fn a_wrong_line_or_key_ends_the_command_and_moves_nothing() {
    let folder = Folder::new();
    folder.write("a.png", &part(2), 0);
    let server = Server::start();
    let said = fails(&folder.watch(&server.url, &["--once"]).output().unwrap());
    assert!(
        said.contains("line_not_found") && said.contains("clip-in line create board"),
        "{said}"
    );
    let keys = folder.path("keys.toml");
    let key = "a-key-of-the-camera-0123456789";
    fs::write(
        &keys,
        format!("[[key]]\nname = \"camera\"\nkey = \"{key}\"\n"),
    )
    .unwrap();
    let server = Server::start_with(&["--api-keys-file", keys.to_str().unwrap()]);
    let mut command = folder.watch(&server.url, &["--once"]);
    let said = fails(&command.output().unwrap());
    assert!(
        said.contains("unauthorized") && said.contains("CLIP_IN_API_KEY"),
        "{said}"
    );
    let said = fails(&command.env("CLIP_IN_API_KEY", key).output().unwrap());
    assert!(said.contains("role inspect"), "{said}");
    assert!(!said.contains(key), "{said}");
    assert!(folder.path("a.png").exists() && folder.names("done").is_empty());
}

#[test]
fn files_of_the_same_name_are_all_kept() {
    let (server, folder) = (with_line(&[]), Folder::new());
    for seed in [2, 3, 3, 3] {
        folder.write("a.png", &part(seed), 0);
        folder.inspect(&server, &[]);
    }
    let names = folder.names("done");
    assert_eq!(names.len(), 8, "{names:?}");
    assert_eq!(fs::read(folder.path("done/a.png")).unwrap(), part(2));
    // The same content again is the same part.
    assert_eq!(rows(&server).len(), 2);
    let images = names.iter().filter(|name| name.ends_with(".png"));
    for image in images {
        let record = folder.json(&format!("done/{image}.json"));
        let id = record["id"].as_str().unwrap();
        let stored = server
            .get(&format!("/v1/inspections/{id}/image"))
            .bytes()
            .unwrap();
        assert_eq!(stored, fs::read(folder.path("done").join(image)).unwrap());
    }
    // No room for ".json" at its end.
    let long = format!("{}.png", "é".repeat(124));
    folder.write(&long, &part(4), 0);
    let (printed, _) = folder.inspect(&server, &[]);
    assert_eq!(printed[0]["file"], long);
    assert_eq!(folder.names("done").len(), 10);
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let folder = Folder::new();
    let state = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let start = || {
        let mut command = program();
        command
            .args(["serve", "--listen", &address, "--model"])
            .arg(demo());
        Server::launch(command.arg("--state").arg(state.path()))
    };
    create(&start());
    folder.write("a.png", &part(2), 0);
    let log = folder.path("log");
    let running = Running::start(&mut folder.watch(&format!("http://{address}"), &[]), &log);
    wait_for("a second request", || {
        fs::read_to_string(&log)
            .unwrap()
            .matches("trying again")
            .count()
            > 1
    });
    assert!(folder.path("a.png").exists());
    let server = start();
    wait_for("the image to be moved", || !folder.path("a.png").exists());
    let printed = running.end();
    assert_eq!((printed.len(), &printed[0]["file"]), (1, &json!("a.png")));
    assert_eq!(rows(&server).len(), 1);
}

/// What a kill leaves after each step: the image is not moved, and the answer was written or not.
#[test]
fn after_a_kill_an_image_is_finished_with_the_same_answer() {
    let (server, folder) = (with_line(&[]), Folder::new());
    folder.write("a.png", &part(2), 0);
    folder.inspect(&server, &[]);
    let answer = fs::read(folder.path("done/a.png.json")).unwrap();
    for is_written in [true, false] {
        fs::rename(folder.path("done/a.png"), folder.path("a.png")).unwrap();
        if !is_written {
            fs::remove_file(folder.path("done/a.png.json")).unwrap();
        }
        let (printed, _) = folder.inspect(&server, &[]);
        assert_eq!(printed[0]["duplicate"], true);
        assert_eq!(folder.names("done"), ["a.png", "a.png.json"]);
        assert_eq!(fs::read(folder.path("done/a.png.json")).unwrap(), answer);
    }
    assert_eq!(rows(&server).len(), 1);
}

#[test]
fn wrong_folders_and_options_are_named() {
    let folder = Folder::new();
    // Nobody listens there, and nobody is asked.
    let said = |more: &[&str]| {
        let output = folder
            .watch("http://127.0.0.1:1", more)
            .arg("--once")
            .output()
            .unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
        text(&output.stderr)
    };
    let same = folder.0.path().to_str().unwrap();
    assert!(said(&["--done", same]).contains("--done is the folder that is watched"));
    let pattern = "(?<trigger>[0-9]+)";
    let told = said(&["--part-from-name", pattern, "--parallel", "2"]);
    assert!(
        told.contains("trigger numbers must reach the server in order"),
        "{told}"
    );
    assert!(said(&["--part-from-name", "(?<camera>.)"]).contains("the group camera is none of"));
    assert!(said(&["--patience=-1"]).contains("a number of seconds"));
    let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).unwrap());
    let memory = Path::new("/dev/shm");
    if memory.exists() && device(memory) != device(folder.0.path()) {
        let other = tempfile::tempdir_in(memory).unwrap();
        let told = said(&["--refused", other.path().to_str().unwrap()]);
        assert!(
            told.contains("--refused") && told.contains("the same file system"),
            "{told}"
        );
    }
}
