"""Short captions in Japanese: one plain form, nouns and particles only."""

from __future__ import annotations

from clip_in_training.scratch.scenes.attributes import NONE, NOT_APPLICABLE, code_of
from clip_in_training.scratch.scenes.wide.wording import Wording

TABLES: dict[str, dict[str, str]] = {
    "object": {
        "bolt": "ボルト",
        "gear": "歯車",
        "plate": "プレート",
        "bottle": "ボトル",
        "box": "箱",
        "mug": "マグカップ",
        "gauge": "計器",
        "chip": "チップ",
        "plug": "プラグ",
        "padlock": "南京錠",
        "torch": "懐中電灯",
        "switch": "スイッチ",
    },
    "color": {
        "red": "赤い",
        "orange": "オレンジ色の",
        "yellow": "黄色い",
        "green": "緑の",
        "blue": "青い",
        "purple": "紫の",
        "white": "白い",
        "black": "黒い",
    },
    "shape": {
        "hex head": "六角頭の",
        "round head": "丸頭の",
        "flat head": "皿頭の",
        "coarse teeth": "歯の粗い",
        "fine teeth": "歯の細かい",
        "spokes": "スポークのある",
        "two holes": "穴が二つの",
        "four holes": "穴が四つの",
        "slot": "長穴のある",
        "wide neck": "口の広い",
        "narrow neck": "口の細い",
        "square box": "正方形の",
        "long box": "細長い",
        "round handle": "取っ手の丸い",
        "square handle": "取っ手の四角い",
        "round dial": "文字盤の丸い",
        "square dial": "文字盤の四角い",
        "pins on two sides": "ピンが二辺の",
        "pins on four sides": "ピンが四辺の",
        "two prongs": "二極の",
        "three prongs": "三極の",
        "round body": "本体の丸い",
        "square body": "本体の四角い",
        "ribbed grip": "握りに溝のある",
        "smooth grip": "握りの滑らかな",
        "rocker": "ロッカー式の",
        "toggle": "トグル式の",
    },
    "state": {
        "full": "満杯の",
        "half full": "半分入った",
        "empty": "空の",
        "open": "開いた",
        "closed": "閉じた",
        "low": "針が低い",
        "middle": "針が中央の",
        "high": "針が高い",
        "locked": "施錠された",
        "unlocked": "解錠された",
        "lit": "点灯した",
        "unlit": "消灯した",
        "on": "オンの",
        "off": "オフの",
    },
    "orientation": {"up": "上向き", "right": "右向き", "down": "下向き", "left": "左向き"},
    "position": {"left": "左側", "right": "右側", "top": "上側", "bottom": "下側"},
    "defect": {
        "none": "傷なし",
        "scratch": "擦り傷あり",
        "crack": "ひびあり",
        "dent": "へこみあり",
        "stain": "汚れあり",
        "rust": "さびあり",
    },
    "item": {
        "washer": "ワッシャー",
        "nut": "ナット",
        "screw": "ねじ",
        "ball": "球",
        "spring": "ばね",
        "tile": "タイル",
    },
    "item_size": {"small": "小さい", "large": "大きい"},
    "extra": {
        "none": "ほかの物なし",
        "pencil": "鉛筆もある",
        "coin": "硬貨もある",
        "ruler": "定規もある",
        "battery": "電池もある",
        "warning sign": "警告標識もある",
        "leaf": "葉もある",
    },
    "surface": {
        "wood": "木の板の上",
        "white": "白い紙の上",
        "grey": "灰色のマットの上",
        "black": "黒いマットの上",
        "blue": "青いマットの上",
        "green": "緑のマットの上",
    },
    "viewpoint": {
        "top": "真上から見た図",
        "front": "正面から見た図",
        "left": "左から見た図",
        "right": "右から見た図",
        "close": "近くから見た図",
        "far": "遠くから見た図",
    },
    "light": {"left": "左からの光", "right": "右からの光"},
}
"""Attribute -> value -> words. Small parts have the colours of the object."""

_NUMBERS = {"1": "一", "2": "二", "3": "三", "4": "四", "5": "五", "6": "六"}
DAMAGED = "欠陥あり"


def caption(attributes: dict[str, str], said: set[str], wording: Wording) -> str:
    """One text that mentions the object and exactly the facts in ``said``: 「赤いボルト、ひびあり、左側」."""

    def word(name: str, table: str | None = None) -> str:
        fits = name in said and attributes[name] != NOT_APPLICABLE
        return TABLES[table or name][attributes[name]] if fits else ""

    noun = TABLES["object"][attributes["object"]]
    before = wording.shuffled("before", [word("state"), word("shape"), word("color")])
    told = [
        word(name) for name in ("position", "orientation", "defect", "extra", "surface", "light", "viewpoint")
    ]
    if "damage" in said:
        told.append(TABLES["defect"][NONE] if attributes["defect"] == NONE else DAMAGED)
    if "items" in said:
        number = attributes["count"] if wording.style.digits else _NUMBERS[attributes["count"]]
        parts = word("item_size") + word("item_color", "color") + TABLES["item"][attributes["item"]]
        told.append(f"{parts}{number}個")
    if "code" in said:
        told.append(f"札「{code_of(attributes)}」" if code_of(attributes) else "札なし")
    text = "、".join(["".join(before) + noun, *wording.shuffled("told", [text for text in told if text])])
    return text + ("。" if wording.style.stop else "")
