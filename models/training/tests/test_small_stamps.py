"""Recall on the stamps: which files count, and how equal captions are counted."""

import numpy as np
import pytest
from PIL import Image

from clip_in_training.common.errors import DataError
from clip_in_training.small.stamps import pixels, recalls, stamps


def test_which_pictures_count(tmp_path):
    for name, caption in (
        ("animals/cat.png", "A cat.\nfr.utf8=Un chat."),
        ("animals/cat_mirror.png", "A cat."),
        ("animals/cartoon/dog.png", "A dog."),
        ("symbols/plus.png", "Plus."),
        ("food/bread.png", None),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", (40, 20), (255, 0, 0, 255)).save(path)
        if caption:
            path.with_suffix(".txt").write_text(caption)
    found = stamps(tmp_path)
    assert found == [(tmp_path / "animals/cat.png", "A cat.")]
    picture = pixels([path for path, _ in found], 32)[0]
    assert picture[0, 0].tolist() == [255] * 3 and picture[16, 16].tolist() == [255, 0, 0]
    with pytest.raises(DataError, match="tuxpaint"):
        stamps(tmp_path / "food")


def test_a_caption_of_two_pictures_is_right_with_either():
    cosines = np.array([[0.9, 0.1], [0.2, 0.3], [0.4, 0.5]])
    found = recalls(cosines, np.array([0, 0, 1]))
    assert found["image → text"][1] == (2, 3) and found["image → text"][10] == (3, 3)
    assert found["text → image"][1] == (2, 2)
