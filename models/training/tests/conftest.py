"""Architectures small enough to test with: every file in `models/` is one of open_clip's by its name."""

from pathlib import Path

import open_clip

open_clip.add_model_config(Path(__file__).with_name("models"))
