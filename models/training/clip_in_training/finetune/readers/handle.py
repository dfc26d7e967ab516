"""An open file for reading at given places."""

import os
from pathlib import Path


class Handle:
    """Closes with its last user."""

    def __init__(self, path: Path):
        self.number = os.open(path, os.O_RDONLY)
        """For os.pread, which moves no shared position."""

    def __del__(self):
        number, self.number = getattr(self, "number", -1), -1
        if number >= 0:
            os.close(number)
