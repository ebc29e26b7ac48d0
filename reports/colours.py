"""A third objective as colour: a map whose lightness alone tells the order, and its bar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from reports import style
from reports.quantities import Quantity, passes_tenfold

SEQUENTIAL = "viridis"  # van der Walt and Smith (2015): even steps, also without colour and under colour blindness


@dataclass(frozen=True)
class Scale:
    """From a value to its colour; logarithmic where the values pass ten times."""

    map: Colormap
    norm: Normalize

    @classmethod
    def of(cls, values: Iterable[float]) -> Scale:
        """The scale on which the lowest and the highest of these values lie at the ends."""
        finite = np.asarray(list(values), dtype=float)
        finite = finite[np.isfinite(finite)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        if low == high:
            low, high = low - (abs(low) or 1.0) * 0.1, high + (abs(high) or 1.0) * 0.1
        norm = LogNorm(low, high) if passes_tenfold(finite) else Normalize(low, high)
        return cls(cast(Colormap, sns.color_palette(SEQUENTIAL, as_cmap=True)), norm)


def scale_bar(ax: Axes, shown: Quantity, scale: Scale) -> Axes:
    """Draw the bar that explains the colours, at the right of ``ax``, with label, unit and method."""
    figure = cast(Figure, ax.get_figure(root=True))
    bar = figure.colorbar(ScalarMappable(scale.norm, scale.map), ax=ax, pad=0.02, aspect=28, fraction=0.06)
    for rectangles in bar.ax.findobj(QuadMesh):
        rectangles.set_rasterized(True)  # 256 of them, and a seam between any two
    bar.outline.set(edgecolor=style.MUTED, linewidth=0.6)
    log = isinstance(scale.norm, LogNorm)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if log else MaxNLocator(5))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown.tick(value)))
    bar.set_label(shown.axis(int(figure.get_figheight() * style.CHARACTERS_PER_INCH * 0.8)), linespacing=1.35)
    return bar.ax
