"""Objects of a JSON list or of JSON lines by number: only where they lie in the file is kept in memory."""

import json
import mmap
import os
import re
from array import array
from pathlib import Path

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.files import Recent
from clip_in_training.finetune.readers.handle import Handle
from clip_in_training.finetune.readers.reader import RecordError

LARGEST_RECORD = 16 << 20
"""Bytes of one object's text."""
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]', re.DOTALL)
"""A whole string, or a bracket outside of one."""


class JsonRecords:
    """The objects of one file: 12 bytes of memory each.

    Raises `DataError` if the file is empty, or is a list that is cut short.
    """

    def __init__(self, path: Path):
        self.path = path
        starts, lengths = array("q"), array("i")
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                first = re.search(rb"[^\s\xef\xbb\xbf]", text)
                if first and first.group() == b"[":
                    _scan_list(text, path, starts, lengths)
                else:
                    _scan_lines(text, path, starts, lengths)
        except ValueError as error:  # An empty file cannot be mapped.
            raise DataError(f"{path} is empty") from error
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        self.starts = np.array(starts, dtype=np.int64)
        self.lengths = np.array(lengths, dtype=np.int32)
        self._handle: Recent[Handle] = Recent(1)

    def __len__(self) -> int:
        return len(self.starts)

    def read(self, row: int) -> dict:
        """The object of this number, counted from 0. Raises `RecordError` if it is none."""
        try:
            handle = self._handle.get(None, lambda: Handle(self.path))
            text = os.pread(handle.number, int(self.lengths[row]), int(self.starts[row]))
        except OSError as error:
            raise RecordError(self.path, row, "file unreadable", str(error)) from error
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecordError(self.path, row, "not JSON", str(error)[:200]) from error
        if not isinstance(record, dict):
            raise RecordError(self.path, row, "not a JSON object")
        return record


def _note(starts: array, lengths: array, start: int, end: int, path: Path) -> None:
    if end - start > LARGEST_RECORD:
        what = f"record {len(starts)}, at byte {start}"
        raise DataError(f"{path}: {what}, is longer than {LARGEST_RECORD} bytes")
    starts.append(start)
    lengths.append(end - start)


def _scan_lines(text: mmap.mmap, path: Path, starts: array, lengths: array) -> None:
    start = 3 if text[:3] == b"\xef\xbb\xbf" else 0
    while start < len(text):
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        if end - start > LARGEST_RECORD or text[start:end].strip():
            _note(starts, lengths, start, end, path)
        start = end + 1


def _scan_list(text: mmap.mmap, path: Path, starts: array, lengths: array) -> None:
    depth = start = 0
    for token in _TOKEN.finditer(text):
        sign = text[token.start()]
        if sign in b"{[":
            if depth == 1:
                start = token.start()
            depth += 1
        elif sign in b"}]":
            depth -= 1
            if depth == 1:
                _note(starts, lengths, start, token.end(), path)
            elif depth == 0:
                return
    raise DataError(f"{path} is cut short: its list does not end after {len(starts)} records; fetch it again")
