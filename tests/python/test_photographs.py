"""The photographs and statements that a model for real pictures is tested with."""

import json

import pytest
from PIL import Image

from tests.python import photographs

TABLE = json.loads(photographs.FIXTURE.read_text(encoding="utf-8"))
FREE = {"CC0-1.0", "public domain"}


def test_every_photograph_is_in_the_package_and_has_ten_statements():
    found = photographs.photographs()
    assert len(found) == 10
    for photograph in found:
        with Image.open(photograph.path) as image:
            assert min(image.size) >= 150
        assert len(photograph.statements) == len(set(photograph.statements)) == 10
        assert 2 <= len(photograph.true) <= 3


def test_only_free_pictures_may_be_shipped():
    assert sum(entry["may_be_shipped"] for entry in TABLE["photographs"]) >= 7
    for entry in TABLE["photographs"]:
        assert entry["may_be_shipped"] == (entry["licence"] in FREE)
    for sample in TABLE["samples"]:
        assert sample["licence"] in FREE
        assert (photographs.folder() / sample["file"]).is_file()


@pytest.mark.parametrize(
    ("best", "sensible"),
    [(["t1", "t2", "f1", "f2", "f3", "f4"], True), (["f1", "t1", "t2", "f2", "f3", "f4"], False),
     (["t1", "f1", "f2", "f3", "t2", "f4"], False), (["t2", "f1", "t1", "f2", "f3", "f4"], True)],
)  # fmt: skip
def test_a_sensible_order_has_a_true_statement_first_and_no_true_one_late(best, sensible):
    photograph = photographs.Photograph(photographs.FIXTURE, ["t1", "t2"], ["f1", "f2", "f3", "f4"])
    scores = {text: -float(place) for place, text in enumerate(best)}
    assert photograph.sensibly_ordered(scores) == sensible
