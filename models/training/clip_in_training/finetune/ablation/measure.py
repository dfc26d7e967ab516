"""What one run of the ablation has learnt, measured on its exported graphs and on held-out scenes."""

import tempfile
from pathlib import Path

import torch

from clip_in_training.common.errors import TrainingError
from clip_in_training.export.evaluate.benchmark import edit_pair_accuracies
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.evaluate.retrieval import retrieval_table
from clip_in_training.export.graph import export_graphs
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.bundle_backbone import BundleBackbone
from clip_in_training.finetune.stages.run import load_tuned, run_recipe
from clip_in_training.scratch.data.examples import load_edits, load_scenes
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES


def measure(run: Path) -> dict:
    """The benchmarks of a finished run; see `measure_backbone`. The test split lies beside the training data."""
    sources = [source for source in run_recipe(run).sources if source.kind == "ultraedit"]
    if not sources:
        raise TrainingError(f"{run}: no source of kind ultraedit, whose test split could be measured on")
    return measure_backbone(load_tuned(run), Path(sources[0].path).parent / "test")


def measure_backbone(backbone: Backbone, test: Path) -> dict:
    """Percentages of a model of the drawn scenes: "pairs" and "pairs_long" (MMVP's rule by category and "mean",
    with short and with long captions), "retrieval_short" and "retrieval_long" among single scenes.

    Raises `TrainingError` if the backbone is none of the drawn scenes, and `DataError` if `test` is not there.
    """
    if not isinstance(backbone, BundleBackbone):
        raise TrainingError(
            "the ablation's benchmarks are those of the drawn scenes: name a bundle: backbone"
        )
    size = backbone.image_rules.size
    edits, scenes = load_edits(test, size, ATTRIBUTES), load_scenes(test, size, ATTRIBUTES)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        export_graphs(backbone.model, Path(folder))
        graphs = Graphs(
            Path(folder) / "image.onnx", Path(folder) / "text.onnx", backbone.text_rules, threads=1
        )
        pairs = edit_pair_accuracies(graphs, edits)
        found = graphs.encode_images(scenes.pixels[:, 0])
        return {
            "pairs": pairs["short"],
            "pairs_long": pairs["long"],
            "retrieval_short": retrieval_table(found, graphs.encode_texts([r[0] for r in scenes.short])),
            "retrieval_long": retrieval_table(found, graphs.encode_texts([r[0] for r in scenes.long])),
            "counts": {"pairs": len(edits), "scenes": len(scenes)},
        }
