"""`python -m clip_in_training`: runs the command line."""

import os
import sys

# Before PyTorch is loaded: threads that wait by spinning lose most of their speed as soon as anything else runs
# on the machine, and sleeping costs nothing when it is idle.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from clip_in_training.cli import main

if __name__ == "__main__":
    sys.exit(main())
