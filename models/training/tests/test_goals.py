"""The goals of the shipped model: rows against numbers worked out by hand, other words, worse pictures, the page."""

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest

from clip_in_training.cli import main
from clip_in_training.export.evaluate.drawn import card
from clip_in_training.export.evaluate.drawn.interval import difference
from clip_in_training.export.evaluate.goals import page
from clip_in_training.export.evaluate.goals.measure import HELD_OUT, Measured, Share, together
from clip_in_training.export.evaluate.goals.page import BY_HAND, HEAD
from clip_in_training.export.evaluate.goals.rows import ELSEWHERE, Goal, rows
from clip_in_training.export.evaluate.goals.wordings import WORDINGS, letter_doubled, letter_missing
from clip_in_training.export.evaluate.goals.worse_pictures import SHIFTS, occluded
from clip_in_training.export.evaluate.graphs import bundle_graphs
from clip_in_training.scratch.model.bundle import read_manifest
from clip_in_training.scratch.scenes.attributes import CATEGORIES, code_of
from clip_in_training.scratch.scenes.generate import edit_pair, stream

REPOSITORY = Path(__file__).resolve().parents[3]
DEMO = REPOSITORY / "models" / "demo"


def _measured():
    """Two seeds of 100 each; every share is 95 % but for what is set below."""

    def good():
        return Share([95, 95], [100, 100])

    found = Measured(
        {name: good() for name in CATEGORIES},
        good(),
        {group: {name: good() for name in wordings} for group, wordings in WORDINGS.items()},
        {name: good() for name in SHIFTS},
        good(),
        {kind: good() for kind in HELD_OUT},
        {"item_color": good(), "light": Share([50, 58], [100, 100])},
        Share([98, 97], [100, 100]),
        Share([4, 6], [100, 100]),
    )
    found.categories["text"] = Share([80, 90], [100, 100])
    found.wordings["digits"] = {"counts in digits": Share([71, 79], [100, 100])}
    found.held_out["object"] = Share([90, 90], [100, 100])
    return found


def test_rows_say_value_interval_and_whether_the_goal_is_held():
    table = {row.what: row for row in rows(_measured())}
    mean = table["pairs, text → image, mean of nine"]
    assert mean.value == pytest.approx((8 * 95 + 85) / 9) and mean.held is False
    low, high = mean.interval
    assert 92 < low < mean.value < high < 96
    worst = table["pairs, text → image, worst category"]
    assert (worst.value, worst.note, worst.held) == (85, "text", False)
    assert table["pairs, both directions at once"].held is True
    assert table["… digits"].value == 75 and table["… keywords"].value == 95
    # Four groups count the same, although there are seven wordings.
    assert table["other wording, mean of the four below"].value == pytest.approx((3 * 95 + 75) / 4)
    lost = table["lost on the held-out object"]
    assert lost.value == 5 and lost.held is False and lost.interval[0] < 5 < lost.interval[1]
    assert table["lost on the held-out surface"].value == 0 and table["lost on the held-out surface"].held
    light = table["x ↔ y of each attribute, own caption, worst"]
    assert (light.value, light.note, light.held) == (54, "light", False)
    assert table["defective or not: found"].held and table["defective or not: false alarms"].held
    assert light.cells() == [
        "x ↔ y of each attribute, own caption, worst (light)",
        "54.0",
        "47.1 to 60.8",
        "≥ 93",
        "**no**",
    ]
    assert ELSEWHERE[1].cells()[1:] == ["–", "–", "≥ 75", "–"]


def test_a_goal_is_held_at_its_limit_and_never_by_nothing():
    assert Goal(4, at_least=False).held(4.0) and not Goal(4, at_least=False).held(4.1)
    assert Goal(90).held(90.0) and not Goal(90).held(89.9) and not Goal(90).held(float("nan"))


def test_newcombes_interval():
    # Newcombe (1998), table II, example (a), method 10: 56 of 70 and 48 of 80.
    assert difference((56, 70), (48, 80)) == pytest.approx((5.24, 33.39), abs=0.01)


def test_shares_of_seeds_are_added_up():
    share = Share()
    share.add(np.array([True, False, True]))
    share.add(1, 2)
    assert share.all == (3, 5) and share.percent == 60
    assert share.by_seed == pytest.approx([66.67, 50], abs=0.01)
    assert together([share, share]).all == (6, 10)


@pytest.fixture(scope="module")
def pairs():
    return [edit_pair(name, stream(9, "test", name, index), 96) for name in CATEGORIES for index in range(12)]


@pytest.mark.parametrize("name", [name for group in WORDINGS.values() for name in group])
def test_other_words_keep_codes_and_tell_the_sides_apart(name, pairs):
    wording = next(group[name] for group in WORDINGS.values() if name in group)
    changed = 0
    for index, pair in enumerate(pairs):
        texts = wording(pair, Random(index))
        assert texts[0] != texts[1]
        for text, side in zip(texts, (pair.source, pair.target), strict=True):
            changed += text != side.caption
            if "code" in side.said:
                assert code_of(side.attributes) in text
    assert changed > (0.3 if name == "counts in digits" else 0.95) * 2 * len(pairs)


def test_letters():
    text = 'A red bolt labelled "ABC".'
    for seed in range(20):
        missing, doubled = letter_missing(text, Random(seed)), letter_doubled(text, Random(seed))
        assert len(missing) == len(text) - 1 and len(doubled) == len(text) + 1
        assert '"ABC".' in missing and '"ABC".' in doubled and missing.startswith("A red ")


def test_the_occluder_leaves_what_the_edit_changes(pairs):
    met = 0
    for index, pair in enumerate(pairs):
        covered = [np.asarray(image, dtype=int) for image in occluded(pair, Random(index))]
        plain = [np.asarray(side.image.convert("RGB"), dtype=int) for side in (pair.source, pair.target)]
        for before, after in zip(plain, covered, strict=True):
            assert 0.02 < (np.abs(before - after).max(axis=2) > 0).mean() < 0.06
        if pair.rejittered or pair.edited in ("viewpoint", "surface", "light"):
            continue
        changed = [(np.abs(a - b).max(axis=2) > 20).sum() for a, b in (plain, covered)]
        assert changed[1] > 0.85 * changed[0], (pair.edited, changed, pair.source.attributes["position"])
        met += 1
    assert met > 20


def test_any_bundle_is_read_by_its_manifest(tmp_path):
    manifest = read_manifest(DEMO)
    graphs = bundle_graphs(DEMO, manifest, threads=1)
    assert graphs.tokenize(["a red bolt"])[0, 0] == manifest["text"]["sot_id"]
    assert np.linalg.norm(graphs.encode_texts(["a red bolt"]), axis=1) == pytest.approx(1, abs=1e-5)


def test_the_command_prints_the_page_and_writes_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(card, "SEEDS", (101,))
    out = tmp_path / "page.md"
    out.write_text(f"an earlier page\n\n{BY_HAND}\n\nBy hand.\n", encoding="utf-8")
    options = ["--pairs", "1", "--scenes", "6", "--out", str(out)]
    assert main(["goals", "--bundle", str(DEMO), *options]) == 0
    text, _, by_hand = out.read_text(encoding="utf-8").partition(f"\n{BY_HAND}")
    assert "an earlier page" not in text and by_hand == "\n\nBy hand.\n"
    assert text in capsys.readouterr().out
    measured = [
        line for line in text.splitlines() if line.startswith("| ") and line.endswith(("yes |", "**no** |"))
    ]
    # models/demo was trained on what is held out, so these rows have a value and no verdict.
    seen = [line for line in text.splitlines() if "it was trained on them" in line]
    assert len(seen) == 3 and all(line.endswith("≤ 4 | – |") for line in seen)
    assert len(measured) + len(seen) == len(rows(_measured()))
    assert main(["goals", "--bundle", str(tmp_path), "--pairs", "1"]) == 1
    assert "bundle.json" in capsys.readouterr().err


def test_another_bundle_has_a_column_beside_it(monkeypatch):
    better = _measured()
    better.found = Share([100, 100], [100, 100])
    monkeypatch.setattr(page, "measure", lambda bundle, *_: better if bundle == Path("b") else _measured())
    lines = page.page([Path("a"), Path("b")], (1, 2), 100, 100).splitlines()
    assert "| what, in % | value | 95 % interval | goal | held | `b` |" in lines
    assert "| defective or not: found | 97.5 | 94.3 to 98.9 | ≥ 97 | yes | 100.0 |" in lines
    assert "| solar cells, linear probe, ROC AUC | – | – | ≥ .91 | – | – |" in lines
    assert "for `a`: 9 of the 15 goals that it measures are held" in lines[2]


def test_the_documentation_has_the_page_of_this_command():
    """The page is printed, not written by hand: its rows and goals are those of the code, and its verdicts follow."""
    text = (REPOSITORY / "docs/src/results/shipped-model.md").read_text(encoding="utf-8")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    start = next(index for index, cells in enumerate(lines) if cells[: len(HEAD)] == HEAD)
    expected = [*rows(_measured()), *ELSEWHERE]
    shown = lines[start + 2 : start + 2 + len(expected)]
    for cells, row in zip(shown, expected, strict=True):
        assert cells[0].startswith(row.what) and cells[3] == row.goal
        if row.held is None or cells[1] == "–":
            assert cells[1] == cells[4] == "–"
            continue
        if "it was trained on them" in cells[0]:
            assert cells[4] == "–"
            continue
        at_least, limit = re.fullmatch("([≥≤]) ([0-9.]+)", cells[3]).groups()
        goal = Goal(float(limit), at_least == "≥")
        # A value that was rounded to its limit may be on either side of it.
        assert abs(float(cells[1]) - goal.limit) < 0.05 or (cells[4] == "yes") == goal.held(float(cells[1]))
