//! What is said of the two sides of a pair.

use super::corrections::Said;
use crate::lines::Statement;

/// The texts of a line.
pub struct Texts<'a> {
    /// Its statements about changes.
    pub statements: &'a [Statement],
    /// What is true of a good part, where no statement says it.
    pub ok_text: Option<&'a str>,
}

/// The texts of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captions {
    /// What is true of the good part.
    pub source: String,
    /// What is true of the NG part.
    pub target: String,
    /// The kind of the defect.
    pub kind: Option<String>,
}

impl Texts<'_> {
    /// The texts of an NG part and of the good part beside it; the error says which one is missing.
    pub fn of(&self, said: &Said) -> Result<Captions, &'static str> {
        let of_kind = |kind: &str| {
            let mut statements = self.statements.iter();
            statements.find(|statement| statement.kind.as_deref() == Some(kind))
        };
        let caption = said.caption.as_deref().map(str::trim);
        let caption = caption.filter(|caption| !caption.is_empty());
        let same = caption.and_then(|caption| {
            let mut statements = self.statements.iter();
            statements.find(|statement| statement.text == caption)
        });
        let statement = same.or_else(|| of_kind(said.kind.as_deref()?));
        let target = caption.or_else(|| Some(statement?.text.as_str()));
        let target = target.ok_or(NO_CAPTION)?;
        let source = statement.and_then(|statement| statement.reference_text.as_deref());
        let source = source.or(self.ok_text).ok_or(NO_GOOD_TEXT)?;
        let kind = said.kind.clone().or_else(|| statement?.kind.clone());
        Ok(Captions {
            source: source.to_owned(),
            target: target.to_owned(),
            kind,
        })
    }
}

/// Neither the verdict nor a statement of its kind describes the change.
pub const NO_CAPTION: &str = "no caption";

/// Nothing says what is true of a good part.
pub const NO_GOOD_TEXT: &str = "no text about a good part";

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: Option<&str>, caption: Option<&str>) -> Said {
        Said {
            verdict: "ng".to_owned(),
            kind: kind.map(str::to_owned),
            caption: caption.map(str::to_owned),
            who: "ann".to_owned(),
        }
    }

    #[test]
    fn a_caption_comes_before_the_statement_of_its_kind() {
        let statement = |text: &str, good: Option<&str>, kind: &str| Statement {
            text: text.to_owned(),
            reference_text: good.map(str::to_owned),
            kind: Some(kind.to_owned()),
        };
        let statements = [
            statement("a scratched board", Some("a clean board"), "scratch"),
            statement(
                "a board with a deep scratch",
                Some("a smooth board"),
                "scratch",
            ),
            statement("a hole", None, "hole"),
        ];
        let texts = |ok_text| Texts {
            statements: &statements,
            ok_text,
        };
        let of = |kind, caption| {
            let found = texts(None).of(&said(kind, caption))?;
            Ok((found.source, found.target, found.kind.unwrap_or_default()))
        };
        let is = |source: &str, target: &str, kind: &str| {
            Ok::<_, &'static str>((source.to_owned(), target.to_owned(), kind.to_owned()))
        };
        assert_eq!(
            of(Some("scratch"), None),
            is("a clean board", "a scratched board", "scratch")
        );
        let deep = "a board with a deep scratch";
        assert_eq!(of(None, Some(deep)), is("a smooth board", deep, "scratch"));
        assert_eq!(
            of(Some("scratch"), Some(" two lines ")),
            is("a clean board", "two lines", "scratch")
        );
        assert_eq!(of(None, Some("  ")), Err(NO_CAPTION));
        assert_eq!(of(Some("dent"), None), Err(NO_CAPTION));
        assert_eq!(of(Some("hole"), None), Err(NO_GOOD_TEXT));
        let with = texts(Some("a good board"))
            .of(&said(Some("hole"), None))
            .unwrap();
        assert_eq!(
            (with.source.as_str(), with.target.as_str()),
            ("a good board", "a hole")
        );
    }
}
