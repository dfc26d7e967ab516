"""`clip-in eval` against numpy, on the embeddings that transformers computes for the same files.

The model is a small CLIP with random weights: its results are arbitrary, but the same on both sides.
"""

import csv
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer

from tests.python import hub_layout
from tests.python.conftest import environment, server_binary
from tests.python.test_import import PHOTOGRAPHS, model_import

SUBSETS = ["add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"]
CLEAR = 2e-6
"""Cosines that differ by less may be ordered either way after rounding."""

WORDS = [
    "cat",
    "astronaut",
    "cup of coffee",
    "rocket, taking off",
    'sign that says "no"',
    "galaxy",
    "bike",
    "eye",
]


def pictures() -> list[Image.Image]:
    """Photographs of scikit-image, whole and in quarters: 40 different ones."""
    folder = Path(importlib.util.find_spec("skimage").submodule_search_locations[0]) / "data"
    found = []
    for name in PHOTOGRAPHS[:8]:
        image = Image.open(folder / name).convert("RGB")
        image.thumbnail((400, 400))
        w, h = image.width // 2, image.height // 2
        found += [image, *(image.crop((x, y, x + w, y + h)) for x in (0, w) for y in (0, h))]
    return found


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """A bundle, a folder for data, and transformers' unit vectors of files and texts."""
    base = tmp_path_factory.mktemp("eval")
    layout, bundle = base / "layout", base / "bundle"
    layout.mkdir()
    model = hub_layout.write_clip(layout, hub_layout.small_clip())
    processor, tokenizer = AutoImageProcessor.from_pretrained(layout), AutoTokenizer.from_pretrained(layout)
    model_import(str(layout), bundle)
    shutil.rmtree(layout)
    known = {}

    @torch.inference_mode()
    def image(path: Path) -> np.ndarray:
        if path not in known:
            pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt")
            known[path] = unit(model.get_image_features(**pixels).pooler_output[0])
        return known[path]

    @torch.inference_mode()
    def text(words: str) -> np.ndarray:
        if words not in known:
            tokens = tokenizer([words], return_tensors="pt", truncation=True)
            known[words] = unit(model.get_text_features(**tokens).pooler_output[0])
        return known[words]

    yield SimpleNamespace(base=base, bundle=bundle, image=image, text=text, pictures=pictures())
    shutil.rmtree(base, ignore_errors=True)


def unit(vector: torch.Tensor) -> np.ndarray:
    vector = vector.double().numpy()
    return vector / np.linalg.norm(vector)


def evaluate(setting, benchmark: str, data: Path, *arguments) -> dict:
    out = setting.base / "out.json"
    out.unlink(missing_ok=True)
    command = [server_binary(), "eval", benchmark, "--model", setting.bundle, "--precision", "fp32"]
    command += ["--data", data, "--json", out, "--resamples", "200", *arguments]
    result = subprocess.run(
        [str(it) for it in command], env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(out.read_text(encoding="utf-8"))


def agree(report: dict, expected: dict[str, dict[str, tuple[bool, float]]]) -> None:
    """Every outcome is the expected one if its margin (the smallest difference of cosines) is large enough."""
    found = {item["id"]: item["outcomes"] for item in report["items"]}
    assert set(found) == set(expected)
    unclear = 0
    for name, outcomes in expected.items():
        for outcome, (right, margin) in outcomes.items():
            if margin < CLEAR:
                unclear += 1
            else:
                assert found[name][outcome] == int(right), (name, outcome, margin)
    total = sum(map(len, expected.values()))
    print(f"{report['benchmark']}: {total} outcomes, {unclear} of them too close to tell")
    assert unclear <= total // 20
    kinds = {outcome for outcomes in expected.values() for outcome in outcomes}
    for outcome in kinds:
        rights = {items[outcome][0] for items in expected.values()}
        assert rights == {True, False}, f"{outcome} is never right, or always: nothing is tested"


def share(report: dict, outcome: str, group: str | None = None) -> float:
    """Percentage of correct items, computed from the items themselves."""
    hits = [it["outcomes"][outcome] for it in report["items"] if group in (None, it["group"])]
    return 100 * sum(hits) / len(hits)


def over_groups(report: dict, outcome: str) -> float:
    groups = {item["group"] for item in report["items"]}
    return sum(share(report, outcome, group) for group in groups) / len(groups)


def value(report: dict, metric: str) -> float:
    found = report["metrics"][metric]
    assert found["low"] <= found["value"] <= found["high"]
    return found["value"]


def quad(setting, images: list[Path], texts: list[str]) -> dict[str, tuple[bool, float]]:
    """MMVP's and Winoground's rules on S[image, text]."""
    s = np.array([[setting.image(i) @ setting.text(t) for t in texts] for i in images])
    to_image = (s[0, 0] - s[1, 0], s[1, 1] - s[0, 1])
    to_text = (s[0, 0] - s[0, 1], s[1, 1] - s[1, 0])
    margin = {"t2i": min(map(abs, to_image)), "i2t": min(map(abs, to_text))}
    right = {"t2i": min(to_image) > 0, "i2t": min(to_text) > 0}
    both = (right["t2i"] and right["i2t"], min(margin.values()))
    return {"t2i": (right["t2i"], margin["t2i"]), "i2t": (right["i2t"], margin["i2t"]), "both": both}


def best_told_apart(setting, paths: list[Path], prefix: str = "") -> list[str]:
    """The two texts that separate two images best, in both directions: random texts would rarely do so."""
    pool = [f"a {one} above a {other}" for one in WORDS for other in WORDS if one != other]
    vectors = [setting.text(prefix + text) for text in pool]
    first, second = (np.array([setting.image(path) @ vector for vector in vectors]) for path in paths)
    closer = first - second
    to_image = np.minimum(closer[:, None], -closer)
    to_text = np.minimum(first[:, None] - first, second - second[:, None])
    margin = np.minimum(to_image, to_text)
    i, k = np.unravel_index(margin.argmax(), margin.shape)
    return [pool[i], pool[k]]


def test_mmvp(setting):
    data = setting.base / "mmvp"
    types = ["Color", "Structural Character", "Camera Perspective"]
    expected, rows = {}, []
    for pair in range(18):
        kind, first = types[pair * 3 // 18], 2 * pair + 1
        folder = data / "MLLM_VLM Images" / kind
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{first}.jpg", folder / f"{first + 1}.jpg"]
        statements = [f"a {WORDS[pair % 8]}, {pair} times", f"a {WORDS[(pair * 3 + 1) % 8]}"]
        for i, path in enumerate(paths):
            setting.pictures[(2 * pair + i) % 40].save(path, quality=95)
        if pair % 4 == 0:
            statements = best_told_apart(setting, paths, "a photo of ")
        rows += [[first + i, kind, statements[i]] for i in (0, 1)]
        found = quad(setting, paths, [f"a photo of {it}" for it in statements])
        expected[f"{first}-{first + 1}"] = {
            "text_to_image": found["t2i"],
            "image_to_text": found["i2t"],
            "both_ways": found["both"],
        }
    with open(data / "Questions.csv", "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([["Question ID", "Type", "Statement"], *rows])
    report = evaluate(setting, "mmvp", data)
    agree(report, {k: {n: v for n, v in o.items() if n != "both_ways"} for k, o in expected.items()})
    assert value(report, "text_to_image") == pytest.approx(over_groups(report, "text_to_image"))
    assert value(report, "image_to_text/Color") == pytest.approx(share(report, "image_to_text", "Color"))
    assert report["records"] == report["scored"] == 18 and not report["broken"]


def test_winoground_in_both_layouts(setting):
    data = setting.base / "winoground"
    (data / "images").mkdir(parents=True)
    examples, expected = [], {}
    for n in range(20):
        names = [f"ex_{n}_img_{i}" for i in (0, 1)]
        paths = [data / "images" / f"{name}.png" for name in names]
        for i, path in enumerate(paths):
            setting.pictures[(2 * n + i) % 40].save(path)
        captions = [
            f"a {WORDS[n % 8]} above a {WORDS[(n + 3) % 8]} {n}",
            f"a {WORDS[(n + 3) % 8]} above a {WORDS[n % 8]} {n}",
        ]
        if n % 4 == 0:
            captions = best_told_apart(setting, paths)
        tag = ["Object", "Adjective-Size", "Relation"][n % 3]
        example = {"id": n, "image_0": names[0], "image_1": names[1]}
        example |= {"caption_0": captions[0], "caption_1": captions[1], "tag": tag, "secondary_tag": ""}
        examples.append(example)
        found = quad(setting, paths, captions)
        expected[str(n)] = {"image": found["t2i"], "text": found["i2t"]}
    lines = [json.dumps(example) + "\n" for example in examples]
    (data / "examples.jsonl").write_text("".join(lines), encoding="utf-8")
    report = evaluate(setting, "winoground", data)
    agree(report, expected)
    assert value(report, "text") == pytest.approx(share(report, "text"))
    assert value(report, "image/Relation") == pytest.approx(share(report, "image", "Relation"))
    for item in report["items"]:
        outcomes = item["outcomes"]
        assert outcomes["group"] == outcomes["text"] * outcomes["image"]

    hub = setting.base / "winoground-hub"
    hub.mkdir()
    for example in examples:
        for name in ("image_0", "image_1"):
            file = f"{example[name]}.png"
            example[name] = {"bytes": (data / "images" / file).read_bytes(), "path": file}
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        name: pa.array([it[name] for it in examples], struct if "image" in name else None)
        for name in examples[0]
    }
    pq.write_table(pa.table(columns), hub / "test-00000-of-00001.parquet", row_group_size=8)
    same = evaluate(setting, "winoground", hub)
    for part in ("items", "metrics", "data_fingerprint"):
        assert same[part] == report[part], part


def test_sugarcrepe(setting):
    data, images = setting.base / "sugarcrepe", setting.base / "val2017"
    data.mkdir()
    images.mkdir()
    names = [f"{n * 37:012}.jpg" for n in range(40)]
    for name, picture in zip(names, setting.pictures, strict=True):
        picture.save(images / name, quality=95)
    expected = {}
    for number, subset in enumerate(SUBSETS):
        entries = {}
        for n in range(5 + 2 * number):
            caption = f"A {WORDS[n % 8]} and a {WORDS[number]} on a table {n}."
            negative = f"A {WORDS[number]} and a {WORDS[(n + 1) % 8]} under a table {n}."
            name = names[(7 * n + number) % 40]
            entries[str(n)] = {"filename": name, "caption": caption, "negative_caption": negative}
            margin = setting.image(images / name) @ (setting.text(caption) - setting.text(negative))
            expected[f"{subset}/{n}"] = {"right": (margin > 0, abs(margin))}
        (data / f"{subset}.json").write_text(json.dumps(entries), encoding="utf-8")
    report = evaluate(setting, "sugarcrepe", data, "--images", images)
    agree(report, expected)
    assert value(report, "macro") == pytest.approx(over_groups(report, "right"))
    assert value(report, "micro") == pytest.approx(share(report, "right"))
    assert value(report, "macro") != pytest.approx(value(report, "micro")), "subsets of one size test nothing"


def test_retrieval_with_several_captions_an_image(setting):
    folder = setting.base / "coco"
    (folder / "val2014").mkdir(parents=True)
    entries, images, captions, owners = [], [], [], []
    for n in range(40):
        name = f"COCO_val2014_{n:012}.jpg"
        setting.pictures[n].save(folder / "val2014" / name, quality=95)
        sentences = [f"{WORDS[(n + i) % 8]} number {n}, seen {i} times" for i in range(1 + n % 5)]
        entries.append(
            {
                "filepath": "val2014",
                "filename": name,
                "split": "train" if n % 10 == 9 else "test",
                "sentences": [{"raw": it, "tokens": it.split()} for it in sentences],
                "cocoid": n,
            }
        )
        if n % 10 != 9:
            captions += [setting.text(it) for it in sentences]
            owners += [len(images)] * len(sentences)
            images.append(setting.image(folder / "val2014" / name))
    path = folder / "dataset_coco.json"
    path.write_text(json.dumps({"images": entries, "dataset": "coco"}), encoding="utf-8")
    report = evaluate(setting, "retrieval", path, "--layout", "karpathy", "--images", folder)
    scores, owners = np.array(images) @ np.array(captions).T, np.array(owners)
    own = scores[owners, np.arange(len(owners))]
    to_image = (scores >= own).sum(axis=0) - 1
    best = np.array([own[owners == i].max() for i in range(len(images))])
    to_text = np.array([(scores[i, owners != i] >= best[i]).sum() for i in range(len(images))])
    for k in (1, 5, 10):
        # A tie within rounding may change one of them.
        assert value(report, f"text_to_image_r{k}") == pytest.approx(100 * (to_image < k).mean(), abs=1.2)
        assert value(report, f"image_to_text_r{k}") == pytest.approx(100 * (to_text < k).mean(), abs=3)
    assert report["scored"] == 36 and report["texts"] == len(captions)


def test_zeroshot_averages_templates(setting):
    folder, expected = setting.base / "classes", {}
    templates = ["a photo of a {}.", "the {} in my kitchen", "art of {}"]
    wording = setting.base / "templates.txt"
    wording.write_text("\n".join(templates) + "\n\n", encoding="utf-8")
    classes = [f"class_{word.split()[0].strip(',')}" for word in WORDS]
    prototypes = {}
    for name in classes:
        vectors = [setting.text(it.replace("{}", name.replace("_", " "))) for it in templates]
        mean = np.mean(vectors, axis=0)
        prototypes[name] = mean / np.linalg.norm(mean)
    for n, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(5):
            path = folder / name / f"{i}.jpeg"
            setting.pictures[5 * n + i].save(path, "JPEG", quality=95)
            scores = {other: setting.image(path) @ vector for other, vector in prototypes.items()}
            margins = sorted(abs(s - scores[name]) for other, s in scores.items() if other != name)
            before = sum(s >= scores[name] for other, s in scores.items() if other != name)
            expected[f"{name}/{i}.jpeg"] = {
                "top1": (before < 1, margins[0]),
                "top5": (before < 5, margins[0]),
            }
    report = evaluate(setting, "zeroshot", folder, "--templates", wording)
    agree(report, expected)
    assert value(report, "top1") == pytest.approx(share(report, "top1"))


def standardised(scores: np.ndarray) -> np.ndarray:
    return (scores - scores.mean()) / scores.std()


def first(scores: np.ndarray, true: int) -> tuple[bool, float]:
    """Whether a statement is before all others, and by how much."""
    ahead = scores[true] - np.delete(scores, true).max()
    return bool(ahead > 0), abs(ahead)


@pytest.mark.parametrize("written", [True, False], ids=["with statements", "UltraEdit's columns"])
def test_changes_are_judged_by_the_formulas_of_compare(setting, written):
    """Top-1 by every formula, against numpy; statements of the data, or other edits' captions."""
    folder = setting.base / f"changes-{written}"
    folder.mkdir()
    count, others = 30, 3
    paths, rows = [], []
    for number in range(count + 1):
        paths.append(folder / f"{number}.png")
        setting.pictures[number % len(setting.pictures)].rotate(2 * number).save(paths[-1])
    for number in range(count):
        said = [WORDS[(number + step) % len(WORDS)] for step in range(1, 2 + others)]
        row = {
            "source_image": {"bytes": paths[number].read_bytes(), "path": None},
            "edited_image": {"bytes": paths[number + 1].read_bytes(), "path": None},
            "category": "odd" if number % 2 else "even",
        }
        before = f"a picture of {WORDS[number % len(WORDS)]}"
        if written:
            texts = [{"text": f"number {number}: {text}", "reference_text": before} for text in said]
            row |= {"statements": json.dumps(texts), "true_statement": number % len(said)}
        else:
            row |= {"source_caption": before, "target_caption": f"number {number}: {said[0]}"}
        rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows), folder / "edits.parquet")
    report = evaluate(
        setting, "changes", folder / "edits.parquet", *([] if written else ["--others", str(others)])
    )

    expected = {}
    for number, row in enumerate(rows):
        if written:
            said = [each["text"] for each in json.loads(row["statements"])]
            before, true = json.loads(row["statements"])[0]["reference_text"], row["true_statement"]
        else:
            said = [rows[(number + step) % count]["target_caption"] for step in range(1 + others)]
            before, true = row["source_caption"], 0
        reference, picture = (setting.image(paths[number + step]) for step in (0, 1))
        texts = np.stack([setting.text(text) for text in said])
        along, change = texts - setting.text(before), picture - reference
        nearer = along @ picture
        direction = along @ change / (np.linalg.norm(along, axis=1) * np.linalg.norm(change))
        scores = {
            # The bundle has no weights.
            "top_1": standardised(nearer) + standardised(direction),
            "without_weights": standardised(nearer) + standardised(direction),
            "without_reference": texts @ picture,
            "text_difference": nearer,
            "direction": direction,
            "change_along": along @ change / np.linalg.norm(along, axis=1),
            "not_of_reference": -along @ reference,
        }
        expected[f"edits.parquet:{number}"] = {name: first(values, true) for name, values in scores.items()}
    agree(report, expected)
    for name in scores:
        assert value(report, name) == pytest.approx(share(report, name))
    assert value(report, "top_1/odd") == pytest.approx(share(report, "top_1", "odd"))
