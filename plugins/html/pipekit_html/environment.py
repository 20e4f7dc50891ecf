"""The Jinja2 environment of pipekit's pages. Whatever a page shows, it is shown as text.

A template cannot forget it: each value is escaped for HTML, and before that, characters that hide
or turn text around are written as escapes.
"""

from __future__ import annotations

import json
import math
import time
from importlib import resources
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipekit import __version__
from pipekit.commands import escaped
from pipekit.reading import duration_text, local_time, plural, rough_size
from pipekit_html.charts import drawing

GLYPHS = {
    "success": "✓",
    "partial": "◐",
    "failure": "✗",
    "skipped": "–",
    "blocked": "⊘",
    "cancelled": "■",
    "idle": "○",
    "running": "▶",
    "died": "†",
    "refused": "!",
    "held": "‖",
    "ok": "✓",
    "warning": "◐",
    "broken": "✗",
    "consumed": "✓",
    "published": "✓",
    "rejected": "✗",
    "pending": "▷",
    "fresh": "✓",
    "stale": "✗",
    "early": "…",
    "waiting": "…",
    "removed": "–",
}
_OTHER = "?"


def environment(*loaders: BaseLoader) -> Environment:
    """An environment with these templates before our own."""
    made = Environment(
        loader=ChoiceLoader([*loaders, PackageLoader("pipekit_html")]),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "clock": clock,
        "code": code,
        "duration": duration,
        "moment": local_time,
        "lately": lately,
        "json": json_value,
        "number": number,
        "plural": plural,
        "size": rough_size,
    }
    made.globals |= {"drawing": drawing, "glyph": _glyph, "version": __version__}
    return made


def file_page(template: str, /, *loaders: BaseLoader, **values: Any) -> str:
    """A page as one file, with its stylesheet in it; the template extends `file.html`.

    `loaders`: of templates that are not here.
    """
    style = Markup(resource("pipekit.css"))  # noqa: S704  # a file of ours
    found = environment(*loaders).get_template(template)
    return found.render(style=style, made_at=local_time(time.time()), **values)


def resource(name: str) -> str:
    """The text of a file in `static/`."""
    return resources.files("pipekit_html").joinpath("static", name).read_text("utf-8")


def _glyph(word: object) -> str:
    return GLYPHS.get(str(word), _OTHER)


def _shown(value: Any) -> Any:
    """A value of a template as it is shown; what the templates themselves have made stays."""
    if isinstance(value, Markup) or value is None:
        return "" if value is None else value
    return escaped(value)


def clock(moment: float | None) -> str:
    """A Unix time as the time of day, to the second; `-` for None."""
    return "-" if moment is None else local_time(moment)[-8:]


def lately(moment: float) -> str:
    """A Unix time as local time; of today without the date, of this year without the year."""
    text, now = local_time(moment), local_time(time.time())
    if text[:10] == now[:10]:
        return text[11:]
    return text[5:16] if text[:4] == now[:4] else text[:16]


def code(text: str) -> Markup:
    """A sentence in which `commands` between backticks are marked as such."""
    pieces = [escape(escaped(piece)) for piece in text.split("`")]
    if len(pieces) % 2 == 0:  # one backtick has no other
        return Markup("`").join(pieces)
    marked = [Markup("<code>{}</code>").format(p) if at % 2 else p for at, p in enumerate(pieces)]
    return Markup("").join(marked)


def duration(seconds: float | None) -> str:
    """Seconds as a person would write them, to two digits or so: `0.3s`, `42s`, `1h 5m`."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 600:
        return duration_text(whole)
    minutes, hours = whole // 60, whole // 3600
    if hours < 48:
        return f"{hours}h {minutes % 60}m" if hours else f"{minutes}m"
    return f"{hours // 24}d {hours % 24}h"


def json_value(value: Any) -> str:
    """A value of the configuration, nearly as it is written there."""
    return json.dumps(value, ensure_ascii=False, default=str)


def number(value: Any) -> str:
    """A number, rounded for reading: `1,107`, `0.8508`, `1,234.5`."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
