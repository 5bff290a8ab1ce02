"""Bars as SVG, one picture for a measurement: a panel for each of its figures, a bar for each subject.

They are read on light and on dark paper: the background is left out, and the colours change with what the reader's
system prefers (and can be read on both where it does not say). A panel whose values differ by more than 30 times has a
logarithmic scale, and says so. The thin line behind a bar reaches to the 99th percentile.
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from bench.findings import Measured
from bench.measurements.base import Figure
from bench.wording import HERO, LIMIT, label, number

_NAMES, _VALUES = 92, 130
"""widths in px: of the column of names, and of what is kept free behind the longest bar for its value"""
_ROW, _BAR, _TITLE, _FOOT, _MARGIN = 22, 14, 36, 18, 16
_ALONE, _PAIRED = 720, 440
"""width of a panel: where there are few, and where there are two side by side"""
_FEW = 6
_FAR = 30.0
"""values that differ by more get a logarithmic scale"""
_SHORTEST = 2.0

_STYLE = """\
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#57606a}
.title{font-weight:600;fill:#24292f}
.small{font-size:10px;font-weight:400;fill:#57606a}
.own{fill:#0969da}.peer{fill:#8c959f}.limit{fill:none;stroke:#8c959f;stroke-dasharray:3 2}
.far{stroke:#57606a}.grid{stroke:#8c959f;stroke-opacity:.35}
@media (prefers-color-scheme:dark){text,.small{fill:#9198a1}
.title{fill:#e6edf3}.own{fill:#4493f8}.peer{fill:#6e7681}
.limit{stroke:#6e7681}.far{stroke:#9198a1}.grid{stroke:#6e7681}}"""


class _Bar(NamedTuple):
    subject: str
    value: float | None
    """None: it failed"""
    far: float | None
    """its p99, where that is drawn"""


def chart(measured: Measured) -> str | None:
    """Return the picture of a measurement; None when there is nothing to draw."""
    panels = [(figure, bars) for figure in measured.figures if figure.chart and (bars := _bars(measured, figure))]
    if not panels:
        return None
    width, columns = (_ALONE, 1) if len(panels) <= _FEW else (_PAIRED, 2)
    parts: list[str] = []
    top = _MARGIN
    for first in range(0, len(panels), columns):
        tallest = 0
        for column, (figure, bars) in enumerate(panels[first : first + columns]):
            drawn, height = _panel(figure, bars, width)
            parts += [f'<g transform="translate({_MARGIN + column * width} {top})">', *drawn, "</g>"]
            tallest = max(tallest, height)
        top += tallest + _MARGIN
    title, whole = escape(measured.title), columns * width + 2 * _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{top}" viewBox="0 0 {whole} {top}" '
            f'role="img" aria-label="{title}">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def _bars(measured: Measured, figure: Figure) -> list[_Bar]:
    """Return the bars of a panel; none when nobody yielded the figure."""
    bars = []
    for name, outcome in measured.outcomes.items():
        found = outcome.figures.get(figure.key)
        if found is not None:
            bars.append(_Bar(name, found.median, found.p99 if figure.p99 else None))
        elif outcome.troubles and not outcome.figures:
            bars.append(_Bar(name, None, None))
    return bars if any(bar.value is not None for bar in bars) else []


def _panel(figure: Figure, bars: Sequence[_Bar], width: int) -> tuple[list[str], int]:
    """Draw one panel; returns its parts and its height."""
    values = [value for bar in bars for value in (bar.value, bar.far) if value and value > 0]
    wide = bool(values) and max(values) > _FAR * min(values)
    room = width - _NAMES - _VALUES
    manner = f"{figure.better} is better" + (", logarithmic scale" if wide else "")
    parts = [
        f'<text class="title" y="12">{escape(label(figure))}</text>',
        f'<text class="small" y="26">{manner}</text>',
    ]
    height = _TITLE + _ROW * len(bars)
    if wide:
        length, decades = _logarithmic(values, room)
        for decade in decades:
            x = _NAMES + length(decade)
            parts.append(f'<path class="grid" d="M{x:.1f} {_TITLE}V{height}"/>')
            parts.append(
                f'<text class="small" x="{x:.1f}" y="{height + 11}" text-anchor="middle">{_tick(decade)}</text>'
            )
    else:
        most = max(values, default=1.0)

        def length(value: float) -> float:
            return room * value / most

    for row, bar in enumerate(bars):
        parts += _drawn(bar, _TITLE + row * _ROW, length)
    return parts, height + (_FOOT if wide else 0)


def _drawn(bar: _Bar, top: int, length: Callable[[float], float]) -> list[str]:
    """Draw one bar with its name and its values."""
    base, middle = top + _BAR - 3, top + _BAR // 2
    name = f'<text x="{_NAMES - 8}" y="{base}" text-anchor="end">{escape(bar.subject)}</text>'
    if bar.value is None:
        return [name, f'<text x="{_NAMES + 4}" y="{base}">failed</text>']
    kind = {HERO: "own", LIMIT: "limit"}.get(bar.subject, "peer")
    end = max(_SHORTEST, length(bar.value)) if bar.value > 0 else 0.0
    parts = [name]
    if end:
        parts.append(f'<rect class="{kind}" x="{_NAMES}" y="{top}" width="{end:.1f}" height="{_BAR}" rx="2"/>')
    said = number(bar.value)
    if bar.far is not None:
        far = length(bar.far) if bar.far > 0 else 0.0
        if far > end + 1:
            parts.append(f'<path class="far" d="M{_NAMES + end:.1f} {middle}H{_NAMES + far:.1f}m0 -4v8" fill="none"/>')
            end = far
        said += f" (p99 {number(bar.far)})"
    return [*parts, f'<text x="{_NAMES + end + 6:.1f}" y="{base}">{said}</text>']


def _logarithmic(values: Sequence[float], room: int) -> tuple[Callable[[float], float], list[float]]:
    """Return the scale of a panel and the powers of ten in it."""
    low, high = math.floor(math.log10(min(values) / 2)), math.log10(max(values))

    def length(value: float) -> float:
        return room * (math.log10(value) - low) / (high - low)

    return length, [10.0**power for power in range(low, math.floor(high) + 1)]


def _tick(decade: float) -> str:
    return f"{decade:,.0f}" if decade >= 1 else f"{decade:g}"
