//! The database of a server, and its schema: SQLite in a folder, or PostgreSQL by URL, which several servers may share. Both
//! understand the same statements.

mod lock;
mod time;

use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, Connection as _, Executor as _};

pub use self::time::now;

/// What each connection to SQLite starts with. A commit is on disk when it returns.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA temp_store = MEMORY;";

/// The file of SQLite.
const FILE: &str = "reviews.sqlite";

/// Connections that only read SQLite, and all connections to PostgreSQL.
const CONNECTIONS: u32 = 8;

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// The changes of the schema, in order. They are never edited: a new one is added.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "lines", include_str!("migrations/0001_lines.sql")),
    (
        2,
        "audit_indexes",
        include_str!("migrations/0002_audit_indexes.sql"),
    ),
    (
        3,
        "deletions",
        include_str!("migrations/0003_deletions.sql"),
    ),
    (4, "named", include_str!("migrations/0004_named.sql")),
    (5, "review", include_str!("migrations/0005_review.sql")),
    (
        6,
        "deliveries",
        include_str!("migrations/0006_deliveries.sql"),
    ),
    (7, "loop", include_str!("migrations/0007_loop.sql")),
    (8, "shadow", include_str!("migrations/0008_shadow.sql")),
];

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It does not answer, or refuses.
    #[error("the database: {0}")]
    Sql(#[from] sqlx::Error),
    /// It is of a later program, or a migration failed.
    #[error("the database cannot be prepared: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// A database. SQLite has one writer at a time, so writes have one connection, which they wait for in order.
#[derive(Debug, Clone)]
pub struct Database {
    /// For changes.
    pub write: AnyPool,
    /// For everything else.
    pub read: AnyPool,
    /// Whether other servers may use it.
    is_shared: bool,
}

impl Database {
    /// Opens the database at a URL, and brings its schema up to date.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn at(url: &str) -> Result<Self, DatabaseError> {
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions = url.parse()?;
        let pool = pool(CONNECTIONS).connect_with(options).await?;
        let database = Self {
            write: pool.clone(),
            read: pool,
            is_shared: url.starts_with("postgres"),
        };
        database.prepared().await
    }

    /// Opens SQLite in a folder, and brings its schema up to date.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn in_folder(folder: &Path) -> Result<Self, DatabaseError> {
        sqlx::any::install_default_drivers();
        let database = Self::sqlite(&folder.join(FILE)).await?;
        database.prepared().await
    }

    /// Whether other servers may use it.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Whether a folder has a database.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    async fn prepared(self) -> Result<Self, DatabaseError> {
        migrator().run(&self.write).await?;
        Ok(self)
    }

    async fn sqlite(file: &Path) -> Result<Self, DatabaseError> {
        // The driver reads a URL, in which a name may have any character if it is escaped.
        let name: String = file
            .to_string_lossy()
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect();
        let options: AnyConnectOptions = format!("sqlite:{name}?mode=rwc").parse()?;
        let prepared = |most: u32| {
            let pool = pool(most).after_connect(|connection, _| {
                Box::pin(async move { connection.execute(PRAGMAS).await.map(drop) })
            });
            // On a full disk SQLite ends a transaction by itself. The driver still counts it, and would take the next ones
            // for parts of it, which are never committed. Such a connection is closed. The ping comes back after a rollback
            // that is under way.
            pool.after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
        };
        Ok(Self {
            write: prepared(1).connect_with(options.clone()).await?,
            read: prepared(CONNECTIONS).connect_with(options).await?,
            is_shared: false,
        })
    }
}

fn pool(most: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(PATIENCE)
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
        let kind = MigrationType::Simple;
        Migration::new(*version, (*name).into(), kind, (*sql).into(), false)
    });
    Migrator {
        migrations: migrations.collect(),
        ..Migrator::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn every_file_of_the_folder_is_a_migration_in_its_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/database/migrations");
        let files = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed = MIGRATIONS
            .iter()
            .map(|(number, name, _)| format!("{number:04}_{name}.sql"));
        assert_eq!(listed.collect::<Vec<_>>(), files);
    }
}
