"""What a preset is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from pipekit_translator.parts import Parts

OHLC = ("open", "high", "low", "close")
OHLCV = (*OHLC, "volume")


class Preset(NamedTuple):
    """A named set of a source's parts: how one program or vendor writes its files.

    `page`: the page of `docs/how-to/market-data` about it. `files`: usual names, as for a shell.
    `asks`: the parts that it cannot know, each with where to find out. `stamps_vary`: what versions
    or systems write in another format, the time or the date as well; such a source has to say it.
    """

    title: str
    parts: Parts
    page: str = ""
    files: tuple[str, ...] = ()
    asks: Mapping[str, str] = MappingProxyType({})
    stamps_vary: Literal["", "time", "all"] = ""
