"""Which named pictures training never sees, so that evaluation can ask for things that are new."""

SUBGROUPS = frozenset(
    {"animal-reptile", "food-vegetable", "musical-instrument", "transport-water", "lock", "animal-bird"}
)
"""Subgroups of Unicode that are held out as a whole: everything of the kind is new."""

NAMES = frozenset(
    {
        "tiger", "elephant", "polar bear", "ant", "dolphin",
        "banana", "pear", "hamburger", "doughnut", "teapot",
        "ambulance", "bicycle", "helicopter", "castle", "alarm clock",
        "soccer ball", "teddy bear", "kite", "trophy",
        "umbrella", "snowman", "scissors", "hammer", "laptop", "chair", "backpack", "light bulb", "syringe",
        "sunflower", "cactus", "blue heart", "sleeping face", "firefighter",
    }
)  # fmt: skip
"""Single pictures that are held out of groups whose other members are seen."""


def is_held_out(subgroup: str, name: str) -> bool:
    """Whether a picture is kept for evaluation."""
    return subgroup in SUBGROUPS or name in NAMES
