"""Texts to token ids: a small byte-level BPE, trained on the captions, that reads codes character by
character.
"""
