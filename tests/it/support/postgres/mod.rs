//! A PostgreSQL of its own for a test, in a temporary folder.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::server::models::wait_for;

/// A running PostgreSQL; it ends with this.
pub struct Postgres {
    programs: PathBuf,
    folder: tempfile::TempDir,
    /// User and group that it runs as: it refuses to be root.
    runs_as: Option<(u32, u32)>,
    port: u16,
    process: Child,
}

impl Postgres {
    /// Starts one; `None`, with the reason on standard output, where it is not installed.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("NO POSTGRESQL WAS TESTED: there is no /usr/lib/postgresql/*/bin/initdb");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let runs_as = if is_root {
            let Some(ids) = ids_of("postgres") else {
                println!(
                    "NO POSTGRESQL WAS TESTED: root cannot run it, and there is no user postgres"
                );
                return None;
            };
            chown(folder.path(), Some(ids.0), Some(ids.1)).unwrap();
            Some(ids)
        } else {
            None
        };
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut made = command(&programs, "initdb", runs_as, folder.path());
        let made = made.args(["-D", "data", "-U", "lines", "-A", "trust", "-E", "UTF8"]);
        let made = made.args(["--locale=C", "--no-sync"]).output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let process = run(&programs, runs_as, folder.path(), port);
        let started = Self {
            programs,
            folder,
            runs_as,
            port,
            process,
        };
        started.wait_until_ready();
        Some(started)
    }

    /// Address of its database.
    pub fn url(&self) -> String {
        format!("postgres://lines@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it at once, as a crash does: what was committed is on disk.
    pub fn stop(&mut self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-QUIT", &id]).status();
        assert!(sent.unwrap().success());
        self.process.wait().unwrap();
    }

    /// Starts it again, at the same address.
    pub fn start_again(&mut self) {
        self.process = run(&self.programs, self.runs_as, self.folder.path(), self.port);
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        wait_for("PostgreSQL", || {
            let mut ready = command(
                &self.programs,
                "pg_isready",
                self.runs_as,
                self.folder.path(),
            );
            let port = self.port.to_string();
            let ready = ready.args(["-h", "127.0.0.1", "-p", &port]).output();
            ready.unwrap().status.success()
        });
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its processes end with it after this signal, and not after SIGKILL.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &id]).status();
        let _ = self.process.wait();
    }
}

fn run(programs: &Path, runs_as: Option<(u32, u32)>, folder: &Path, port: u16) -> Child {
    let mut server = command(programs, "postgres", runs_as, folder);
    let port = port.to_string();
    let server = server.args(["-D", "data", "-k", "", "-h", "127.0.0.1", "-p", &port]);
    server.stdout(Stdio::null()).stderr(Stdio::null());
    server.spawn().unwrap()
}

fn command(programs: &Path, name: &str, runs_as: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(programs.join(name));
    command.current_dir(folder);
    if let Some((user, group)) = runs_as {
        command.uid(user).gid(group);
    }
    command
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let found = versions.filter_map(|version| {
        let version = version.ok()?;
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let programs = version.path().join("bin");
        programs
            .join("initdb")
            .exists()
            .then_some((number, programs))
    });
    found.max().map(|(_, programs)| programs)
}

/// User and group of a name.
fn ids_of(name: &str) -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|user| {
        let mut fields = user.split(':');
        let is_it = fields.next() == Some(name);
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        is_it.then_some((user, group))
    })
}
