"""The named pictures that scenes are made of, as English nouns: "two cups of coffee", "a pair of scissors"."""

import re
from dataclasses import dataclass
from functools import cache

from clip_in_training.small.pictures.named import NamedPicture, named_pictures

SUBGROUPS = (
    *("animal-mammal", "animal-bird", "animal-amphibian", "animal-reptile", "animal-marine", "animal-bug"),
    *("plant-flower", "plant-other", "food-fruit", "food-vegetable", "food-prepared", "food-asian", "food-marine"),
    *("food-sweet", "drink", "dishware", "place-building", "place-religious", "place-other"),
    *("transport-ground", "transport-water", "transport-air", "hotel", "time", "sky & weather", "event"),
    *("award-medal", "sport", "game", "arts & crafts", "clothing", "sound", "music", "musical-instrument", "phone"),
    *("computer", "light & video", "book-paper", "money", "mail", "writing", "office", "lock", "tool", "science"),
    *("medical", "household", "other-object", "heart", "face-smiling", "face-costume", "face-hat", "person-role"),
)  # fmt: skip
"""Subgroups of things that can lie in a scene; signs, letters, flags, gestures and families are left out."""

_LEFT_OUT = re.compile(
    r"o’clock|-thirty|^(man|woman) |moon$|^(new|full|first|last) |button|suit$|love hotel|^cityscape|^night "
    r"|^sunrise|^sunset|^foggy$|^fog$|^bridge at|^pouring|^cooking$|^wedding$|^construction$"
    r"|^building construction|^milky way|^rock$|^wood$|^ice$|^water wave|^performing arts|^mahjong"
    r"|^hot springs|^closed umbrella|^sparkles$|^clinking|^high voltage|^moon viewing|^locked with"
    r"|^musical notes?$|^money with|^incoming|^e-mail|^piñata|^station$|^motorway|^mountain railway|^chart "
    r"|^mobile phone with|^low battery|^mate$|^fork and knife$|sad but|^beating|^growing|^revolving"
    r"|^heart (exclamation|with|on|decoration)|^broken|^mending|^sparkling|^smiling face with hearts"
    r"|^airplane (departure|arrival)|^(open|closed) mailbox|^speaker |^muted|^bell with|^face with|^person "
    r"|^sun behind|^pig nose|^paw prints|^wing$|^feather$|^anger|^cyclone|^tornado|^comet$|^collision|^mx "
    r"|^family|^alien monster|^front-facing|^upside|^melting|^rolling|^winking|^oncoming|^umbrella (on|with)"
    r"|^video game$|^cricket game|^railway car|^breast|^pregnant|^metro$|^light rail|^crossed sw|^flower play"
    r"|tilted right$|^hourglass not|^link$|^hole$|^tram car$|^thermometer$|^tear-off|^leaf flutt|^people "
    r"|^two hearts|^hammer and|^Japanese (post|dolls)"
)
"""Names that do not name a thing to be counted, or a thing that another picture shows as well."""

_NOUNS: dict[str, tuple[str, str]] = {
    "hot beverage": ("cup of coffee", "cups of coffee"),
    "glass of milk": ("glass of milk", "glasses of milk"),
    "automobile": ("car", "cars"),
    "sport utility vehicle": ("off-road car", "off-road cars"),
    "articulated lorry": ("lorry", "lorries"),
    "ear of corn": ("ear of corn", "ears of corn"),
    "sheaf of rice": ("sheaf of rice", "sheaves of rice"),
    "pot of food": ("pot of food", "pots of food"),
    "shallow pan of food": ("pan of food", "pans of food"),
    "bowl with spoon": ("bowl with a spoon", "bowls with spoons"),
    "cup with straw": ("cup with a straw", "cups with straws"),
    "bottle with popping cork": ("bottle with a popping cork", "bottles with popping corks"),
    "teacup without handle": ("teacup without a handle", "teacups without handles"),
    "fork and knife with plate": ("plate with a fork and a knife", "plates with forks and knives"),
    "fish cake with swirl": ("fish cake with a swirl", "fish cakes with swirls"),
    "meat on bone": ("piece of meat on a bone", "pieces of meat on bones"),
    "cut of meat": ("cut of meat", "cuts of meat"),
    "roll of paper": ("roll of paper", "rolls of paper"),
    "drop of blood": ("drop of blood", "drops of blood"),
    "nest with eggs": ("nest with eggs", "nests with eggs"),
    "sun with face": ("sun with a face", "suns with faces"),
    "house with garden": ("house with a garden", "houses with gardens"),
    "cloud with rain": ("rain cloud", "rain clouds"),
    "cloud with snow": ("snow cloud", "snow clouds"),
    "cloud with lightning": ("thundercloud", "thunderclouds"),
    "cloud with lightning and rain": ("thundercloud with rain", "thunderclouds with rain"),
    "flag in hole": ("golf flag", "golf flags"),
    "couch and lamp": ("couch with a lamp", "couches with lamps"),
    "nut and bolt": ("nut and bolt", "nuts and bolts"),
    "bow and arrow": ("bow and arrow", "bows and arrows"),
    "page with curl": ("curled page", "curled pages"),
    "notebook with decorative cover": ("decorated notebook", "decorated notebooks"),
    "camera with flash": ("camera with a flash", "cameras with flashes"),
    "magnifying glass tilted left": ("magnifying glass", "magnifying glasses"),
    "microphone": ("microphone", "microphones"),
    "locked": ("closed padlock", "closed padlocks"),
    "unlocked": ("open padlock", "open padlocks"),
    "ballot box with ballot": ("ballot box", "ballot boxes"),
    "snowman without snow": ("snowman", "snowmen"),
    "game die": ("die", "dice"),
    "dvd": ("DVD", "DVDs"),
    "dna": ("DNA strand", "DNA strands"),
    "x-ray": ("X-ray picture", "X-ray pictures"),
    "soccer ball": ("football", "footballs"),
    "baseball": ("baseball", "baseballs"),
    "tennis": ("tennis racket with a ball", "tennis rackets with balls"),
    "bowling": ("bowling ball with pins", "bowling balls with pins"),
    "field hockey": ("hockey stick with a ball", "hockey sticks with balls"),
    "ice hockey": ("ice hockey stick with a puck", "ice hockey sticks with pucks"),
    "lacrosse": ("lacrosse stick", "lacrosse sticks"),
    "ping pong": ("table tennis bat with a ball", "table tennis bats with balls"),
    "badminton": ("badminton racket with a shuttlecock", "badminton rackets with shuttlecocks"),
    "pile of poo": ("pile of dung", "piles of dung"),
    "knot": ("knotted rope", "knotted ropes"),
    "tumbler glass": ("tumbler", "tumblers"),
    "woman’s clothes": ("blouse", "blouses"),
    "man’s shoe": ("leather shoe", "leather shoes"),
    "woman’s sandal": ("high sandal", "high sandals"),
    "woman’s boot": ("high boot", "high boots"),
    "woman’s hat": ("sun hat", "sun hats"),
    "rescue worker’s helmet": ("rescue helmet", "rescue helmets"),
    "thong sandal": ("flip-flop", "flip-flops"),
    "eight-spoked asterisk": ("asterisk", "asterisks"),
    "pool 8 ball": ("billiard ball", "billiard balls"),
    "medical symbol": ("medical symbol", "medical symbols"),
    "1st place medal": ("gold medal", "gold medals"),
    "2nd place medal": ("silver medal", "silver medals"),
    "3rd place medal": ("bronze medal", "bronze medals"),
    "classical building": ("classical temple", "classical temples"),
    "luggage": ("suitcase", "suitcases"),
    "hourglass done": ("hourglass", "hourglasses"),
    "baguette bread": ("baguette", "baguettes"),
    "nesting dolls": ("nesting doll", "nesting dolls"),
    "page facing up": ("page of text", "pages of text"),
    "confetti ball": ("confetti ball", "confetti balls"),
    "leafy green": ("head of lettuce", "heads of lettuce"),
    "hindu temple": ("Hindu temple", "Hindu temples"),
    "shinto shrine": ("Shinto shrine", "Shinto shrines"),
    "american football": ("American football", "American footballs"),
    "fire": ("flame", "flames"),
    "Statue of Liberty": ("Statue of Liberty", "Statues of Liberty"),
}
"""Singular and plural where they do not follow from the name."""

_PAIRS = {"glasses", "sunglasses", "goggles", "jeans", "gloves", "socks", "briefs", "shorts", "scissors",
          "chopsticks",
          "ballet shoes", "skis", "headphone", "maracas"}  # fmt: skip
"""Things of which one is "a pair of …"."""

_PORTIONS: dict[str, str] = {
    "grapes": "bunch", "cherries": "pair", "blueberries": "handful", "peanuts": "handful", "beans": "handful",
    "pancakes": "stack", "bacon": "strip", "french fries": "portion", "popcorn": "bag", "butter": "piece",
    "salt": "shaker", "canned food": "tin", "bread": "loaf", "broccoli": "head", "garlic": "bulb",
    "cooked rice": "bowl",
    "curry rice": "plate", "spaghetti": "plate", "sushi": "portion", "oden": "skewer", "dango": "skewer",
    "soft ice cream": "cone", "shaved ice": "bowl", "ice cream": "bowl", "custard": "portion", "sake": "bottle",
    "green salad": "bowl", "fondue": "pot", "pizza": "slice", "books": "stack", "houses": "row", "chains": "pair",
    "shopping bags": "pair", "prayer beads": "string", "soap": "bar", "bubbles": "handful",
    "thread": "spool",
    "yarn": "ball", "linked paperclips": "pair", "fireworks": "burst", "coral": "piece", "ginger root": "piece",
    "film frames": "strip", "bookmark tabs": "set", "card index dividers": "set",
    "admission tickets": "pair", "control knobs": "set", "bubble tea": "cup",
}  # fmt: skip
"""Things that are counted in portions: "two slices of pizza"."""

_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "grey", "pink")
_IRREGULAR = {"mouse": "mice", "computer mouse": "computer mice", "goose": "geese", "sheep": "sheep", "deer": "deer",
              "ox": "oxen", "bison": "bison", "fish": "fish", "tropical fish": "tropical fish",
              "blowfish": "blowfish",
              "jellyfish": "jellyfish", "squid": "squid", "shrimp": "shrimps",
              "knife": "knives", "kitchen knife": "kitchen knives", "leaf": "leaves", "loaf": "loaves",
              "scarf": "scarves",
              "wolf": "wolves", "moose": "moose", "cactus": "cacti", "octopus": "octopuses",
              "fried shrimp": "fried shrimps",
              "snowman": "snowmen", "mango": "mangoes", "potato": "potatoes", "tomato": "tomatoes", "elf": "elves",
              "roasted sweet potato": "roasted sweet potatoes", "volcano": "volcanoes"}  # fmt: skip


@dataclass(frozen=True)
class Noun:
    """A picture with the words for one and for several of it."""

    picture: NamedPicture
    one: str
    """Without an article: "cup of coffee"."""
    many: str

    @property
    def group(self) -> str:
        """Unicode's subgroup: things in the same one are near each other."""
        return self.picture.subgroup

    @property
    def named_colour(self) -> bool:
        """Whether the name says a colour, so that the picture must keep its own."""
        return any(colour in self.one.split() for colour in _COLOURS)


@cache
def nouns() -> tuple[Noun, ...]:
    """All things that scenes are made of, each name once, in Unicode's order. Raises `DataError` without the font."""
    found: dict[str, Noun] = {}
    for picture in named_pictures():
        if picture.subgroup in SUBGROUPS and not _LEFT_OUT.search(picture.name):
            one, many = _forms(picture.name)
            found.setdefault(one, Noun(picture, one, many))
    return tuple(found.values())


def _forms(name: str) -> tuple[str, str]:
    if name in _NOUNS:
        return _NOUNS[name]
    if name in _PORTIONS:
        portion = _PORTIONS[name]
        return f"{portion} of {name}", f"{_plural(portion)} of {name}"
    if name in _PAIRS:
        name = name if name.endswith("s") else name + "s"
        return f"pair of {name}", f"pairs of {name}"
    return name, _plural(name)


def _plural(name: str) -> str:
    head, joint, rest = name.partition(" with ")
    if joint:
        return f"{_plural(head)} with {rest}"
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    if re.search(r"(s|x|z|ch|sh)$", name):
        return name + "es"
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    last = name.split()[-1]
    if last in _IRREGULAR and last != name:
        return name.removesuffix(last) + _IRREGULAR[last]
    return name + "s"
