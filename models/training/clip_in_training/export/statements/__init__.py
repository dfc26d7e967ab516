"""Statements about a change: their features, and the golden scores that a bundle's manifest has."""
