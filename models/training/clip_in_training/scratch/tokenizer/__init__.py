"""Converts texts to token ids: a small byte-level BPE, trained on the captions, that splits codes into
characters.
"""
