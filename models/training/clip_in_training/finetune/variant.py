"""A recipe with some keys changed, as ablations need it; and a recipe written out again."""

import dataclasses
import json
from typing import Any

from clip_in_training.common.recipe import RecipeError, from_table, parse_toml
from clip_in_training.finetune.recipe import TuningRecipe, parse_tuning_recipe


def changed(recipe: TuningRecipe, keys: dict[str, Any], origin: str = "recipe") -> TuningRecipe:
    """The recipe with dotted keys (`finetune.losses.clip_long`) set. Raises `RecipeError` naming the key."""
    table = dataclasses.asdict(recipe)
    for key, value in keys.items():
        inner: Any = table
        path = key.split(".")
        for name in path[:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or path[-1] not in inner:
            raise RecipeError(f"{origin}: `{key}` is no key of a recipe")
        inner[path[-1]] = value
    # Written and read again: the values pass all checks that a file's pass, and the text is that of the run.
    return parse_tuning_recipe(to_toml(from_table(TuningRecipe, table, origin, "")), origin)


def variant(recipe: TuningRecipe, name: str, origin: str = "recipe") -> TuningRecipe:
    """The recipe as [ablation] `name` changes it; it is called so, and has no ablations of its own."""
    if name not in recipe.ablation:
        known = ", ".join(recipe.ablation) or "none"
        raise RecipeError(f"{origin}: no variant {name!r} in [ablation]; it has: {known}")
    made = changed(recipe, _flat(recipe.ablation[name]), f"{origin}, ablation.{name}")
    return dataclasses.replace(made, name=f"{recipe.name} ({name})", ablation={})


def settings(texts: list[str]) -> dict[str, Any]:
    """`KEY=VALUE`s of a command line, values in TOML (a bare word is a string)."""
    keys = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--set wants KEY=VALUE, not {text!r}")
        try:
            keys[key.strip()] = parse_toml(f"value = {value}", "--set")["value"]
        except RecipeError:
            keys[key.strip()] = value.strip()
    return keys


def to_toml(recipe: TuningRecipe) -> str:
    """The recipe as a file that `parse_tuning_recipe` reads back to an equal one."""
    return "\n".join(_lines(dataclasses.asdict(recipe), [])) + "\n"


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted keys: TOML reads `a.b = 1` as a table `a`."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def _lines(table: dict[str, Any], path: list[str]) -> list[str]:
    plain = {k: v for k, v in table.items() if not isinstance(v, dict) and not _is_tables(v)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        name = ".".join(_key(part) for part in [*path, key])
        if isinstance(value, dict):
            inner = _lines(value, [*path, key])
            lines += ["", f"[{name}]", *inner] if inner else []
        elif _is_tables(value):
            for entry in value:
                lines += ["", f"[[{name}]]", *_lines(entry, [*path, key])]
    return lines


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    """JSON's strings, numbers, booleans and lists of them are TOML's too."""
    return json.dumps(value, ensure_ascii=True)
