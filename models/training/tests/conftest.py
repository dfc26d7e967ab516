"""Registers architectures small enough for tests: open_clip knows every file in `models/` by its name."""

from pathlib import Path

import open_clip

open_clip.add_model_config(Path(__file__).with_name("models"))
