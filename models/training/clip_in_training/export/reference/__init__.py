"""open_clip architectures with random weights as bundles: speed does not depend on what was learnt."""
