"""The common part of all recipes: a TOML file is read into typed values.

Unknown keys and values of the wrong type are errors: a misspelt setting that is silently ignored costs a training
run.
"""

import dataclasses
import sys
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class RecipeError(ValueError):
    """The recipe cannot be used; the message names the key and says what is expected."""


@dataclass(frozen=True)
class OptimiserRecipe:
    """AdamW with linear warm-up and cosine decay."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    betas: list[float] = field(default_factory=lambda: [0.9, 0.98])
    warmup_fraction: float = 0.05
    """Share of the steps in which the rate rises."""
    gradient_clip: float = 1.0
    """Largest global norm of the gradient."""


def read_recipe(path: str | Path) -> str:
    """Reads the text of a recipe. Raises `RecipeError`."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}") from error


def parse_toml(text: str, origin: str) -> dict[str, typing.Any]:
    """Parses the text of a recipe. Raises `RecipeError`, which names `origin`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{origin} is not valid TOML: {error}") from error


def from_table(kind: typing.Any, table: dict, origin: str, prefix: str):
    """Reads a dataclass of type `kind` from a TOML table, key by key; errors put `prefix` before keys."""
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}
    for key in table:
        if key not in known:
            names = ", ".join(sorted(known))
            raise RecipeError(f"{origin}: unknown key `{prefix}{key}`; known keys: {names}")
    values = {}
    for key, value in table.items():
        values[key] = _value(hints[key], value, origin, prefix + key)
    missing = [
        name
        for name, f in known.items()
        if name not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"{origin}: missing key `{prefix}{missing[0]}`")
    return kind(**values)


def _value(hint: typing.Any, value: typing.Any, origin: str, key: str):
    """Checks one value against its type; an integer is accepted for a float."""
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise RecipeError(f"{origin}: `{key}` must be a table")
        return from_table(hint, value, origin, key + ".")
    if hint is typing.Any:
        return value
    container = typing.get_origin(hint)
    if container is list and isinstance(value, list):
        (inner,) = typing.get_args(hint)
        return [_value(inner, v, origin, f"{key}[{i}]") for i, v in enumerate(value)]
    if container is dict and isinstance(value, dict):
        _, inner = typing.get_args(hint)
        return {k: _value(inner, v, origin, f"{key}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = container if container in (list, dict) else hint
    if not isinstance(expected, types.UnionType) and type(value) is expected:
        return value
    raise RecipeError(f"{origin}: `{key}` must be {getattr(expected, '__name__', expected)}, not {value!r}")
