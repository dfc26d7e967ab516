//! A text of headings, lines and tables: aligned columns, or Markdown.

use std::fmt::Write;

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Aligned columns for a terminal.
    Plain,
    /// Markdown tables.
    Markdown,
}

/// A text that is built section by section.
pub(super) struct Page {
    pub(super) style: Style,
    pub(super) text: String,
}

impl Page {
    pub(super) fn heading(&mut self, title: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let _ = match self.style {
            Style::Plain => writeln!(self.text, "{gap}{}", title.to_uppercase()),
            Style::Markdown => writeln!(self.text, "{gap}## {title}\n"),
        };
    }

    pub(super) fn line(&mut self, line: &str) {
        let end = if self.style == Style::Markdown {
            "\n"
        } else {
            ""
        };
        let _ = writeln!(self.text, "{}{end}", self.safe(line));
    }

    /// Text from files must not become markup, and must not move the terminal's cursor.
    fn safe(&self, text: &str) -> String {
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        match self.style {
            Style::Plain => text,
            Style::Markdown => text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('|', "\\|"),
        }
    }

    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| self.safe(cell)).collect())
            .collect();
        if self.style == Style::Markdown {
            let _ = writeln!(self.text, "| {} |", head.join(" | "));
            let _ = writeln!(self.text, "|{}", "---|".repeat(head.len()));
            for row in &rows {
                let _ = writeln!(self.text, "| {} |", row.join(" | "));
            }
            self.text.push('\n');
            return;
        }
        let head: Vec<_> = head.iter().map(|&it| it.to_owned()).collect();
        let wide = |column: usize| {
            let cells = std::iter::once(&head).chain(&rows);
            let widths = cells
                .filter_map(|row| row.get(column))
                .map(|it| it.chars().count());
            widths.max().unwrap_or(0)
        };
        for row in std::iter::once(&head).chain(&rows) {
            let cells = row.iter().enumerate();
            let cells: Vec<_> = cells
                .map(|(i, cell)| format!("{cell:<0$}", wide(i)))
                .collect();
            let _ = writeln!(self.text, "  {}", cells.join("  ").trim_end());
        }
    }
}
