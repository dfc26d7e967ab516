"""`make loop` refuses to measure on parts that it has learnt from."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.loop.parts import series
from tests.loop.run import Parts
from tests.loop.training import Training


def written(folder: Path, names: list[str]) -> Training:
    (folder / "pairs").mkdir()
    pq.write_table(pa.table({"part": names}), folder / "pairs" / "train.parquet")
    return Training(folder, folder, 0, 1)


def test_a_measured_part_in_the_pairs_ends_the_run(tmp_path):
    measured = series("measured", 20, 0.5)
    training = written(tmp_path, ["stream-00001", measured[3].label])
    with pytest.raises(
        SystemExit, match=r"train\.parquet: 1 measured parts are in it, such as measured-00003"
    ):
        training.check_unseen("pairs", measured)


def test_other_parts_may_be_learnt_from(tmp_path):
    parts = Parts.of(0.1)
    written(tmp_path, [part.label for part in parts.stream]).check_unseen("pairs", parts.measured)
    names = [
        {part.label for part in some}
        for some in (parts.stream, parts.measured, parts.labelled, parts.shadowed)
    ]
    assert sum(map(len, names)) == len(set().union(*names))
