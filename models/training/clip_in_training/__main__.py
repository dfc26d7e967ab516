"""`python -m clip_in_training`: hands over to the command line."""

import sys

from clip_in_training.cli import main

if __name__ == "__main__":
    sys.exit(main())
