"""`python -m clip_in_training` with the test architectures registered in open_clip."""

import sys
from pathlib import Path

import open_clip

from clip_in_training.cli import main

open_clip.add_model_config(Path(__file__).with_name("models"))

if __name__ == "__main__":
    sys.exit(main())
