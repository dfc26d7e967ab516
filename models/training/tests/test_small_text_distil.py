"""Stage 1 with a teacher's vectors in place of a teacher: a tiny text tower learns those of another."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from clip_in_training.common import checkpoint
from clip_in_training.common.errors import BackboneError, DataError, TrainingError
from clip_in_training.common.step_log import read_steps
from clip_in_training.export.towers import export_text_tower
from clip_in_training.finetune.backbone.load import load_original
from clip_in_training.finetune.backbone.text_backbone import TextBackbone, load_text_backbone, text_rules
from clip_in_training.finetune.readers.reader import RecordError
from clip_in_training.finetune.readers.sources import open_source
from clip_in_training.finetune.recipe import SourceRecipe, parse_tuning_recipe
from clip_in_training.finetune.stages.distil import distil
from clip_in_training.finetune.stages.run import load_tuned
from clip_in_training.finetune.variant import changed, to_toml
from clip_in_training.small.text.encoder import Encoder, Shape
from clip_in_training.small.text.folder import save_tower

WORDS = "red blue green bolt nut mug on under beside a two three rusty clean box table".split()
TINY = Shape(len(WORDS) + 4, layers=1, table=None, width=16, heads=2, hidden=32, projected=True)
STEPS = 30

RECIPE = """
name = "tiny-text"
description = "A tiny text tower"
seed = 3
threads = 1
precision = "fp32"
device = "cpu"
workers = 0
log_every = 10
checkpoint_every = 10
[backbone]
name = "text:{data}/start"
context_length = 24
[[sources]]
kind = "texts"
path = "{data}"
[distil]
steps = 30
batch = 24
[distil.optimiser]
learning_rate = 0.01
[finetune]
steps = 0
"""


def tokenizer():
    vocabulary = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    return made


def write(folder, vectors=True, width=16):
    """400 texts of one to twenty words, with the vectors of a teacher that has a table of positions."""
    random = np.random.default_rng(0)
    some = [" ".join(random.choice(WORDS, random.integers(1, 20))) for _ in range(400)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.txt").write_text("".join(f"{text}\n" for text in some))
    torch.manual_seed(1)
    save_tower(Encoder(TINY), tokenizer(), folder / "start")
    if vectors:
        torch.manual_seed(2)
        teacher = Encoder(Shape(len(WORDS) + 4, layers=2, table=32, width=width, heads=2, hidden=32)).eval()
        with torch.no_grad():
            teacher.positions.normal_(std=0.5)
            backbone = TextBackbone(teacher, text_rules(tokenizer(), 24), "teacher")
            np.save(folder / "vectors.npy", backbone.encode_text(backbone.text_rules(some)).half().numpy())
    return some


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def recipe(data):
    return parse_tuning_recipe(RECIPE.format(data=data.as_posix()))


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    run = tmp_path_factory.mktemp("whole")
    distil(recipe, to_toml(recipe), run)
    return run


def losses(run):
    return [entry["loss"] for entry in read_steps(run / "distil.jsonl")]


def test_the_student_comes_nearer_on_texts_that_it_never_saw(whole):
    found = json.loads((whole / "distil.json").read_text())["agreement"]
    assert found["before"]["all"]["texts"] == found["after"]["all"]["texts"] == 40
    assert found["after"]["all"]["mean"] > found["before"]["all"]["mean"] + 0.3
    assert found["after"]["all"]["mean"] > 0.6


def test_texts_that_are_held_out_are_not_learnt(recipe, whole, tmp_path):
    """With wrong vectors for every held-out text the same weights are learnt."""
    from clip_in_training.common.processes import start
    from clip_in_training.finetune.backbone.load import load_backbone
    from clip_in_training.finetune.stages.distil import Distillation
    from clip_in_training.finetune.stages.run import data_of

    folder = tmp_path / "data"
    some = write(folder)
    other = parse_tuning_recipe(RECIPE.format(data=folder.as_posix()))
    student = load_backbone(other.backbone, 3)
    processes = start("cpu")
    stage = Distillation(other, student, None, data_of(other, student, tmp_path, processes), processes)
    held = {tuple(row[: row.index(3) + 1]) for row in stage.held_out.tolist()}
    wrong = [i for i, text in enumerate(some) if tuple(student.text_rules.ids(text)) in held]
    vectors = np.load(folder / "vectors.npy")
    vectors[wrong] *= -1
    np.save(folder / "vectors.npy", vectors)
    distil(other, to_toml(other), tmp_path / "run")
    assert len(wrong) >= 40
    assert losses(tmp_path / "run") == pytest.approx(losses(whole), rel=1e-6)


def test_chunks_and_a_break_change_nothing(recipe, whole, tmp_path):
    small = changed(recipe, {"distil.chunk": 5})
    distil(small, to_toml(small), tmp_path, stop_at=12)
    assert checkpoint.load(tmp_path / "distil.pt")["step"] == 12
    distil(small, to_toml(small), tmp_path, resume=True)
    assert losses(tmp_path) == pytest.approx(losses(whole), rel=1e-3) and len(losses(tmp_path)) == STEPS


def test_the_graph_of_a_trained_tower_answers_as_pytorch_does(whole, tmp_path):
    backbone = load_tuned(whole)
    export_text_tower(backbone, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "text.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(int64)"
    for texts in (["a red bolt"], ["two rusty nut on a box", "mug", "a " * 40]):
        ids = backbone.text_rules(texts)
        (graph,) = session.run(None, {"token_ids": ids.numpy()})
        with torch.inference_mode():
            assert np.allclose(graph, backbone.encode_text(ids).numpy(), atol=1e-5)
    assert graph.shape == (3, 16)


def test_sources_without_vectors_need_a_teacher(tmp_path):
    write(tmp_path, vectors=False)
    recipe = parse_tuning_recipe(RECIPE.format(data=tmp_path.as_posix()))
    with pytest.raises(BackboneError, match="student without its teacher"):
        distil(recipe, to_toml(recipe), tmp_path / "run")
    with pytest.raises(BackboneError, match="give stage 1 the teacher's vectors"):
        load_original(recipe.backbone, 1)


def test_vectors_of_another_width_are_refused(tmp_path):
    write(tmp_path, width=8)
    recipe = parse_tuning_recipe(RECIPE.format(data=tmp_path.as_posix()))
    with pytest.raises(TrainingError, match="vectors of 8 numbers, but the student's have 16"):
        distil(recipe, to_toml(recipe), tmp_path / "run")


def test_vectors_belong_to_the_lines(data, tmp_path):
    source = open_source(SourceRecipe("texts", str(data)))
    assert len(source) == 400 and source.role == "singles"
    stored = np.load(data / "vectors.npy")
    assert np.array_equal(source.taught(7), stored[7].astype(np.float32))
    with pytest.raises(RecordError, match="no images"):
        source.read(0)
    with pytest.raises(IndexError):
        source.captions(400)
    (tmp_path / "texts.txt").write_text("one\ntwo\n\nfour")
    np.save(tmp_path / "vectors.npy", stored[:3])
    with pytest.raises(DataError, match=r"row of floats for each of the 4 lines .* float16 \[3, 16\]"):
        open_source(SourceRecipe("texts", str(tmp_path)))
    (tmp_path / "vectors.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match="no array of NumPy"):
        open_source(SourceRecipe("texts", str(tmp_path)))
    (tmp_path / "vectors.npy").unlink()
    bare = open_source(SourceRecipe("texts", str(tmp_path)))
    assert bare.taught(0) is None and bare.captions(3) == ["four"]
    with pytest.raises(RecordError, match="no caption"):
        bare.captions(2)


def test_a_student_of_a_folder_reads_no_longer_than_its_recipe_says(data):
    backbone = load_text_backbone(data / "start", 12)
    assert len(backbone.text_rules.ids("a " * 50)) == 12 and backbone.positions == "rope"
