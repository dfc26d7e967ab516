"""What the heads of `clip-in-small` learn from: edits of drawn and composed scenes as maps of the frozen tower."""
