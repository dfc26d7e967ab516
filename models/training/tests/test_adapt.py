"""`adapt` over its command, with a toy bundle: what is learnt, written, repeated and refused."""

import json
import shutil

import numpy as np
import pytest
from adapt_toy import correction, write_corrections, write_toy
from safetensors.numpy import load_file

from clip_in_training.adapt.encoders import Encoders, fp32_encoders, unit
from clip_in_training.adapt.pairs import Broken, PairFolder
from clip_in_training.adapt.replay import FILE, load_replay
from clip_in_training.cli import main
from clip_in_training.export.files import checksums

COUNTS = {"train": 24, "validation": 15, "test": 12}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_corrections(tmp_path_factory.mktemp("pairs"), **COUNTS)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = write_toy(tmp_path_factory.mktemp("toy") / "bundle", patches=True)
    assert main(["replay", "--bundle", str(folder), "--edits", "100", "--threads", "1"]) == 0
    return folder


@pytest.fixture(scope="module")
def adapted(bundle, pairs):
    out = bundle.with_name("adapted")
    assert adapt(pairs, bundle, out, "--json", str(out.with_suffix(".json")), "--name", "toy-2") == 0
    return out


def adapt(pairs, bundle, out, *more) -> int:
    # A toy of random graphs knows nothing of drawn scenes that would have to be kept.
    arguments = ["--pairs", pairs, "--from", bundle, "--out", out, "--threads", "1", "--keep", "10"]
    return main(["adapt", *map(str, arguments), *more])


def manifest(folder) -> dict:
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


def entry(folder) -> dict:
    return manifest(folder)["provenance"]["adapted"][-1]


def inputs(pairs, encoders):
    rows = list(PairFolder(pairs).read("test", Broken()))
    pixels = np.stack([encoders.pixels(picture.image) for row in rows for picture in row.pictures])
    return pixels, [text for row in rows for text in row.captions]


def test_the_new_vectors_are_the_product_of_the_old_ones(adapted, bundle, pairs):
    """Of each variant, and of patches; computed from `adapters.safetensors` in float64."""
    products = {
        name: matrix.astype(float) for name, matrix in load_file(adapted / "adapters.safetensors").items()
    }
    old = fp32_encoders(bundle, manifest(bundle), 1)
    pixels, texts = inputs(pairs, old)
    content = manifest(adapted)
    assert [variant["precision"] for variant in content["variants"]] == ["fp32", "fp16"]
    for variant in content["variants"]:
        new = Encoders(adapted, content, variant, 1)
        expected = unit(old.images(pixels) @ products["image"].T)
        np.testing.assert_allclose(new.images(pixels), expected, atol=1e-5)
        raw = new.raw_images(pixels, "embedding")
        np.testing.assert_allclose(np.linalg.norm(raw, axis=-1), 1, atol=1e-6)
        np.testing.assert_allclose(new.texts(texts), unit(old.texts(texts) @ products["text"].T), atol=1e-5)
        patches = old.raw_images(pixels, "patch_embeddings").astype(float)
        moved = new.raw_images(pixels, "patch_embeddings")
        np.testing.assert_allclose(moved, unit(patches @ products["image"].T), atol=1e-5)
    assert np.abs(products["image"] - np.eye(12)).max() > 0.01, "something was learnt"


def test_pairs_are_right_that_were_wrong(adapted, capsys):
    record = entry(adapted)
    assert record["pairs"] == {**COUNTS, "broken": 0}
    assert record["held_out"]["pairs"] == 15 and record["test"]["pairs"] == 12
    assert record["held_out"]["after"] > record["held_out"]["before"] + 20
    assert record["test"]["after"] > record["test"]["before"] + 20
    assert 0 < record["strength"] <= 1 and record["chosen_on"] == "validation"
    assert [fact["name"] for fact in record["facts"]] == ["blue", "green", "red"]
    assert {fact["train"] for fact in record["facts"]} == {8}
    assert all("few: 8 pairs" in fact["verdict"] for fact in record["facts"])
    kept = record["protected"]
    assert kept["after"] >= kept["before"] - 10 and kept["pairs"] == 50
    assert json.loads(adapted.with_suffix(".json").read_text()) == record


def test_the_new_bundle_is_whole(adapted, bundle):
    content, before = manifest(adapted), manifest(bundle)
    assert content["files"] == checksums(adapted)
    assert content["name"] == "toy-2" and before["name"] == "toy"
    encoders = fp32_encoders(adapted, content, 1)
    from clip_in_training.adapt.export import golden_distance

    assert golden_distance(adapted, content, encoders) < content["variants"][0]["golden_tolerance"]
    for variant in content["variants"]:
        assert variant["parity"]["image"]["max_abs"] < 1e-5
    assert "right both ways" in (adapted / "model-card.md").read_text()
    assert set(content) == set(before), "the server refuses keys that it does not know"


def test_the_replay_file_is_that_of_the_new_bundle(adapted, bundle):
    """The next adaptation is anchored to the adapted vectors; what it is checked against stays."""
    old, new = (load_replay(folder, manifest(folder)) for folder in (bundle, adapted))
    product = load_file(adapted / "adapters.safetensors")["image"].astype(float)
    np.testing.assert_allclose(new.images, unit(old.images @ product.T), atol=2e-3)
    assert new.reference == old.reference == pytest.approx(old.right())
    assert new.right() == pytest.approx(entry(adapted)["protected"]["after"], abs=2.1)


def test_two_runs_give_the_same_files(adapted, bundle, pairs, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    outs = [bundle.with_name(name) for name in ("again-1", "again-2")]
    for out in outs:
        assert adapt(pairs, bundle, out, "--name", "toy-2") == 0
    assert checksums(outs[0]) == checksums(outs[1]) == checksums(adapted)
    one, other = ((out / "bundle.json").read_bytes() for out in outs)
    assert one == other


def test_a_killed_run_leaves_nothing_that_counts(bundle, pairs, adapted, monkeypatch):
    """What a kill leaves is a folder beside --out; the same command gives the same bundle."""
    from clip_in_training.adapt import export

    out = bundle.with_name("killed")

    def killed(*_):
        raise SystemExit(137)  # leaves the folder's block like an exception

    with monkeypatch.context() as patch:
        patch.setattr(export, "put_adaptation", killed)
        with pytest.raises(SystemExit):
            adapt(pairs, bundle, out, "--name", "toy-2")
    assert not out.exists()
    shutil.copytree(adapted, out.with_name("killed.partial"))  # as kill -9 leaves it, half-written
    (out.with_name("killed.partial") / "image.onnx").write_bytes(b"half")
    assert adapt(pairs, bundle, out, "--name", "toy-2") == 0
    assert checksums(out) == checksums(adapted)
    assert not out.with_name("killed.partial").exists()


def test_the_same_command_again_has_nothing_to_do(adapted, bundle, pairs, capsys):
    before = checksums(adapted)
    assert adapt(pairs, bundle, adapted, "--name", "toy-2") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert adapt(pairs, bundle, adapted, "--name", "other") == 1
    message = capsys.readouterr().err
    assert "exists and was not made from these pairs" in message and "--force" in message
    assert checksums(adapted) == before


def test_force_replaces_what_is_there(bundle, pairs, adapted):
    out = bundle.with_name("forced")
    shutil.copytree(bundle, out)
    assert adapt(pairs, bundle, out, "--name", "toy-2") == 1
    assert adapt(pairs, bundle, out, "--name", "toy-2", "--force") == 0
    assert checksums(out) == checksums(adapted)


def test_nothing_gained_is_an_error_without_a_bundle(adapted, pairs, tmp_path, capsys):
    """Adapted once, the toy is right on all of these pairs."""
    out = tmp_path / "out"
    record = tmp_path / "out.json"
    easy = write_corrections(
        tmp_path / "easy",
        train=12,
        validation=[correction(n, "validation") for n in range(30)][:12],
    )
    while adapt(easy, adapted, out, "--replay", "none", "--json", str(record)) == 0:
        shutil.rmtree(tmp_path / "from", ignore_errors=True)
        adapted = out.rename(tmp_path / "from")
    assert not out.exists() and not out.with_name("out.partial").exists()
    said = capsys.readouterr()
    assert "nothing was gained" in said.err and "no bundle was written" in said.err
    assert "what the model knew is neither kept nor checked" in said.out


def test_two_adaptations_compose(adapted, pairs, tmp_path):
    """The graph has one product still, and the adapters are those of both."""
    import onnx

    first, out = manifest(adapted), tmp_path / "second"
    new = [correction(n, "late") for n in range(60)]
    for row in new:  # other words for the same spots
        row["target_caption"] = row["target_caption"].replace("a part with a", "no clean part")
    folder = write_corrections(tmp_path / "late", train=new[:30], validation=new[30:])
    assert adapt(folder, adapted, out) == 0
    content = manifest(out)
    assert [each["from"]["name"] for each in content["provenance"]["adapted"]] == ["toy", "toy-2"]
    nodes = [node.op_type for node in onnx.load(out / "text.onnx").graph.node]
    assert nodes.count("MatMul") == 1
    total = load_file(out / "adapters.safetensors")["text"].astype(float)
    texts = ["a part with a red spot", "a clean part"]
    source = adapted.with_name("bundle")
    start = fp32_encoders(source, manifest(source), 1).texts(texts)
    np.testing.assert_allclose(fp32_encoders(out, content, 1).texts(texts), unit(start @ total.T), atol=1e-5)
    assert content["provenance"]["replay"]["right"] == first["provenance"]["replay"]["right"], (
        "checked against the first bundle"
    )
    assert load_replay(out, content) is not None
    assert (out / "model-card.md").read_text().count("## Adapted") == 1


def test_few_validation_pairs_take_turns(bundle, tmp_path):
    folder = write_corrections(tmp_path / "pairs", train=20, validation=4)
    assert adapt(folder, bundle, tmp_path / "out") == 0
    record = entry(tmp_path / "out")
    assert record["chosen_on"] == "5 parts of train and validation in turn"
    assert record["held_out"]["pairs"] == 24 and record["test"] is None


@pytest.mark.parametrize("sigmoid", [False, True])
def test_an_imported_bundle_is_adapted(tmp_path, pairs, sigmoid, capsys):
    """As the Hub's exports are: no replay file, NCHW, a mask, vectors of any length, an older opset."""
    hub = write_toy(tmp_path / "hub", hub=True, sigmoid=sigmoid)
    out = tmp_path / "out"
    assert adapt(pairs, hub, out) == 0
    assert "has no replay.safetensors: 300 edits are drawn" in capsys.readouterr().out
    products = {
        name: matrix.astype(float) for name, matrix in load_file(out / "adapters.safetensors").items()
    }
    old, new = (fp32_encoders(folder, manifest(folder), 1) for folder in (hub, out))
    pixels, texts = inputs(pairs, old)
    np.testing.assert_allclose(new.images(pixels), unit(old.images(pixels) @ products["image"].T), atol=1e-5)
    np.testing.assert_allclose(new.texts(texts), unit(old.texts(texts) @ products["text"].T), atol=1e-5)
    assert manifest(out)["variants"][0]["parity"] is None
    assert load_replay(out, manifest(out)).source.startswith("300 drawn edits")
    assert not (hub / FILE).exists()


def test_a_bundle_without_replay_and_without_its_check(tmp_path, pairs, capsys):
    toy = write_toy(tmp_path / "toy")
    assert adapt(pairs, toy, tmp_path / "out", "--replay", "none") == 0
    said = capsys.readouterr().out
    assert "warning: nothing is replayed" in said
    assert entry(tmp_path / "out")["protected"] is None and entry(tmp_path / "out")["anchor"] == 0
    assert not (tmp_path / "out" / FILE).exists()


def test_own_edits_are_replayed(tmp_path, pairs, bundle, capsys):
    own = write_corrections(tmp_path / "own", anything=40)
    assert adapt(pairs, bundle, tmp_path / "out", "--replay", str(own)) == 0
    assert entry(tmp_path / "out")["replay"] == "40 edits of a folder"
    few = write_corrections(tmp_path / "few", anything=5)
    assert adapt(pairs, bundle, tmp_path / "out2", "--replay", str(few)) == 1
    assert "at least 20 are needed" in capsys.readouterr().err
