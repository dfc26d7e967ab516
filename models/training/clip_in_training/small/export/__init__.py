"""Writes `clip-in-small` as a bundle: graphs, golden values, card with licences, NOTICE."""
