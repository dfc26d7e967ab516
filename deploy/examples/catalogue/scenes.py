"""Draws scenes with captions to fill a catalogue, in place of your own pictures.

python scenes.py --count 5000 --out scenes
"""

import argparse
from pathlib import Path

from clip_in_training.scratch.scenes.generate import generate_scenes

# Drawn from random numbers that the demo model was not trained on.
SPLIT, SEED, SIZE = "test", 2024, 128

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=5000, help="scenes to draw (default: 5000)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the Parquet files")
    options = parser.parse_args()
    generate_scenes(options.out, options.count, seed=SEED, size=SIZE, split=SPLIT)
