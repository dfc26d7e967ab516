"""The wide language: many more templates and synonyms, digits, keywords, typing errors, bare labels, Japanese."""
