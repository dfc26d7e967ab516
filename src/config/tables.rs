//! The file's tables, and which keys stand together.

pub use super::settings::TABLES;

/// A table of the file.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The name between the brackets.
    pub name: &'static str,
    /// What its keys are about.
    pub about: &'static str,
    /// Its keys. No key is in two tables, since names in the environment leave the table out.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Smallest and largest number that it may be; empty unless it is a whole number.
    pub range: &'static [(i64, i64)],
}

/// The table of a key.
pub fn table_of(key: &str) -> Option<&'static Table> {
    let has = |table: &&Table| table.keys.iter().any(|found| found.name == key);
    TABLES.iter().find(has)
}
