"""How a text writes its numbers: decimal commas, groups of digits, fixed point, odd volumes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_COMMA = re.compile(r"-?\d+,\d+")
_GROUPED_COMMA = re.compile(r"-?\d{1,3}(?:\.\d{3})+,\d+")  # 4.850,25
_GROUPED = re.compile(r"-?\d{1,3}(?P<sign>[,.' _])\d{3}(?:(?P=sign)\d{3})*(?:[.,]\d+)?")
_PRICES = ("open", "high", "low", "close", "price", "bid", "ask")
_FIXED = re.compile(r"-?\d{9,}")


def numbers_of(columns: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The settings that these columns of numbers need, by name."""
    prices = [text for role in _PRICES for text in columns.get(role, ()) if text]
    found: dict[str, Any] = {}
    only_commas = any(map(_COMMA.fullmatch, prices)) and not any("." in text for text in prices)
    if only_commas or any(map(_GROUPED_COMMA.fullmatch, prices)):
        found["decimal"] = ","
    signs = {m["sign"] for text in prices if (m := _GROUPED.fullmatch(text))}
    signs -= {found.get("decimal", ".")}
    if len(signs) == 1 and any(_is_grouped(text, *signs) for text in prices):
        found["thousands"] = signs.pop()
    if prices and all(map(_FIXED.fullmatch, prices)):
        found["price_scale"] = 1e-9
    if "price" in columns or "bid" in columns or "ask" in columns:
        found |= _carried(columns)
    return found | _volume(columns.get("volume"), found.get("decimal", "."))


def _is_grouped(text: str, sign: str) -> bool:
    return bool((found := _GROUPED.fullmatch(text)) and found["sign"] == sign)


def _carried(columns: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Empty quotes stand for the ones before where they come and go."""
    quotes = [columns[role] for role in ("bid", "ask", "price") if role in columns]
    partly = [texts for texts in quotes if any(texts) and not all(texts)]
    return {"carry": True} if partly else {}


def _volume(texts: Sequence[str] | None, decimal: str) -> dict[str, Any]:
    if texts is None:
        return {"volume": "none"}
    found: dict[str, Any] = {}
    if any(not text or value(text) == -1 for text in texts):
        found["missing_volume"] = "null"
    numbers = [text.replace(",", ".") if decimal == "," else text for text in texts if text]
    amounts = [number for text in numbers if (number := value(text)) is not None]
    if any(number != int(number) for number in amounts):
        found["volume_type"] = "float"
    return found


def value(text: str) -> float | None:
    """The number that a text is, without its grouping; None if it is none."""
    try:
        return float(text.replace(",", "").replace("'", "").replace("_", ""))
    except ValueError:
        return None
