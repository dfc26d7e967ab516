"""Variants of a bundle's towers at other precisions, with measured losses and gains."""
