"""Bundles of open_clip architectures with random weights, for measuring speed, which does not depend on the
weights.
"""
