"""Ten hand-written triples: a text, another wording of it, and a text with nearly the same words that says other."""

TRIPLES = (
    (
        "a cracked bolt on a workbench",
        "a screw with a fissure lying on a work table",
        "an intact bolt on a workbench",
    ),
    (
        "two cats are sleeping on a sofa",
        "a pair of kittens nap on the couch",
        "two dogs are running on a beach",
    ),
    (
        "a red car in front of a house",
        "a crimson automobile parked outside a home",
        "a red bird in front of a house",
    ),
    ("the bottle is empty", "there is nothing left in the bottle", "the bottle is full to the top"),
    ("a child is riding a bicycle", "a kid cycles", "a child is riding a horse"),
    ("rust on a metal pipe", "a corroded steel tube", "fresh paint on a metal pipe"),
    ("a cup of hot coffee", "a steaming mug of espresso", "a cup of cold orange juice"),
    ("the street at night", "a road after dark", "the street at noon in bright sunshine"),
    (
        "an old man plays the guitar",
        "an elderly gentleman strums a string instrument",
        "an old man repairs the roof",
    ),
    ("a broken window pane", "shattered glass in a window frame", "a clean window pane with flowers"),
)
"""Right where the first text's cosine to the second is larger than that to the third."""
