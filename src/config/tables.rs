//! The file's tables and their keys.

pub use super::settings::TABLES;

/// A table of the file.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The name between the brackets.
    pub name: &'static str,
    /// The subject of its keys.
    pub about: &'static str,
    /// Its keys. No key is in two tables, because names in the environment do not include the table.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The smallest and largest permitted number; empty unless it is an integer.
    pub range: &'static [(i64, i64)],
}

/// The table of a key.
pub fn table_of(key: &str) -> Option<&'static Table> {
    let has = |table: &&Table| table.keys.iter().any(|found| found.name == key);
    TABLES.iter().find(has)
}
