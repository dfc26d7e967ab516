"""Weights of statements: the features as the server has them, the fit of known weights, and the command."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundle_server import clip_in

from clip_in_training.adapt.encoders import fp32_encoders
from clip_in_training.cli import main
from clip_in_training.common.errors import DataError
from clip_in_training.export.files import checksums
from clip_in_training.export.statements.features import FEATURES, features
from clip_in_training.scratch.data.changes import write_changes
from clip_in_training.scratch.scenes.setting import TODAY
from clip_in_training.statements.questions import Question, read_questions
from clip_in_training.statements.weights import fit, top_1

DEMO = Path(__file__).resolve().parents[2] / "demo"


def bundle(folder: Path) -> Path:
    """The shipped bundle without weights."""
    shutil.copytree(DEMO, folder)
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    manifest.pop("statements", None)
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_features_by_hand():
    picture, reference = np.array([3.0, 4.0]), np.array([2.0, 0.0])
    texts, others = np.array([[0.0, 5.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    found = features(picture, reference, texts, others)
    # I = (.6, .8), I' = (1, 0), D = (-1, 1): I·D = .2, (I - I')·D = 1.2, |D| = √2, |I - I'| = √.8, -I'·D = 1.
    by_hand = [0.2, 1.2 / (np.sqrt(2) * np.sqrt(0.8)), 1.2 / np.sqrt(2), 1.0, 0.0]
    np.testing.assert_allclose(found, [by_hand, [0, 0, 0, 0, 1]], atol=1e-12)
    # The mean of both texts takes the place of what is true of the golden sample.
    np.testing.assert_allclose(features(picture, reference, texts, None)[:, 0], [0.1, -0.1], atol=1e-12)
    # A picture that is the golden sample itself has moved nowhere.
    assert features(reference, reference, texts, others)[0, 1] == 0


def asked(count: int, weights: np.ndarray, seed: int) -> list[Question]:
    """Questions of five statements, whose true one is drawn with probabilities that follow from `weights`."""
    random, found = np.random.default_rng(seed), []
    for _ in range(count):
        rows = random.normal(size=(5, len(weights))) * [1, 0.2, 3, 1, 1]
        chances = np.exp(rows @ weights)
        found.append(Question(rows, int(random.choice(5, p=chances / chances.sum()))))
    return found


def test_known_weights_are_found_again():
    weights = np.array([1.5, 4.0, 0.0, -1.0, 0.5])
    found = fit(asked(4000, weights, 1))
    # Standard errors are about .03 in units of a standard deviation, which is .2 for the second and 3 for the third.
    assert (np.abs(found - weights) < [0.15, 0.8, 0.05, 0.15, 0.15]).all(), found
    # On other questions they are as good as the true weights, and better than one feature alone.
    others = asked(2000, weights, 2)
    assert abs(top_1(others, found) - top_1(others, weights)) < 2
    assert top_1(others, found) > top_1(others, np.array([1.0, 0, 0, 0, 0])) + 5


def test_a_tie_is_wrong_and_one_statement_is_no_choice():
    same = Question(np.ones((2, 5)), 0)
    assert top_1([same], np.ones(5)) == 0
    with pytest.raises(DataError, match="two statements"):
        fit([Question(np.ones((1, 5)), 0)])


def test_the_server_ranks_as_the_fitted_weights_do(tmp_path, capsys):
    """`statements` on the shipped bundle, and `clip-in eval changes` on parts that it was not fitted on."""
    folder, data = bundle(tmp_path / "bundle"), tmp_path / "data"
    before = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    main(["statements", "--bundle", str(folder), "--count", "12", "--language", "narrow", "--threads", "2"])
    assert "weights of 96 questions (drawn: narrow)" in capsys.readouterr().out
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    assert manifest["files"] == before["files"] == checksums(folder)
    assert manifest["provenance"]["statements"]["questions"] == 96
    weights = np.array([manifest["statements"]["weights"][name] for name in FEATURES])
    assert np.isfinite(weights).all() and len(manifest["statements"]["weights"]) == len(FEATURES)

    write_changes(data, 40, 9, 128, "all", True, TODAY)
    questions = read_questions(data, fp32_encoders(folder, manifest, 2))
    out = tmp_path / "out.json"
    clip_in("eval", "changes", "--model", folder, "--data", data, "--precision", "fp32", "--json", out)
    report = json.loads(out.read_text(encoding="utf-8"))
    # Short and long statements take turns; the command asks for the short ones.
    short = questions[::2]
    items = {item["id"]: item["outcomes"] for item in report["items"]}
    assert len(items) == len(short) == 40
    for question, outcomes in zip(short, items.values(), strict=True):
        for name, scores in (("top_1", question.features @ weights), ("direction", question.features[:, 1])):
            ahead = scores[question.true] - np.delete(scores, question.true).max()
            if abs(ahead) > 1e-4 * np.abs(scores).max():
                assert outcomes[name] == int(ahead > 0), name
    assert any(one["top_1"] != one["without_weights"] for one in items.values()), "the weights change nothing"
