"""How every figure looks: one palette, one marker for each state, axes, and files whose bytes repeat."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from reports.quantities import Quantity, cut

INK, MUTED, GRID, PAPER = "#1c2127", "#656d78", "#e4e7eb", "#ffffff"

# Okabe and Ito (2008), told apart under every common colour blindness; markers say the same without colour.
FRONT, FRONT_ELSEWHERE, CHOSEN = "#0072b2", "#56b4e9", "#d55e00"
STATE_COLOURS = {
    "complete": "#9aa7b5",
    "pruned": "#cc79a7",
    "screened": "#e69f00",
    "failed": "#b03a2e",
    "interrupted": "#8a6fb0",
    "duplicate": "#b9a88f",
    "running": "#009e73",
}
STATE_MARKERS = {"complete": "o", "pruned": "v", "screened": "X", "failed": "P", "interrupted": "d", "running": "^"}

# The page gives these names other values on dark paper.
CSS_NAMES = {INK: "--ink", MUTED: "--muted", GRID: "--line", PAPER: "--paper", FRONT: "--front", CHOSEN: "--chosen"} | {
    FRONT_ELSEWHERE: "--front-elsewhere",
    STATE_COLOURS["complete"]: "--complete",
}

MANY_POINTS = 500  # layers with more marks than this become pixels inside the vector picture
PIXELS_PER_INCH = 160
CHARACTERS_PER_INCH = 11.5  # of an axis label: few enough that wide letters fit

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a picture is the same everywhere
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": PAPER,
    "figure.dpi": 100.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "nas-moo",
}


@contextmanager
def applied() -> Iterator[None]:
    """Matplotlib's own defaults and ours, whatever the reader's settings are."""
    with matplotlib.style.context(["default", _RC]), mpl.rc_context():
        yield


def axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """``ax`` itself, or the axes of a new figure of ``size`` inches that pyplot does not know."""
    if ax is not None:
        return ax
    return Figure(figsize=size, layout="constrained").add_subplot()


def scale_axis(axis: Axis, shown: Quantity, low: float, high: float, *, log: bool) -> None:
    """Set scale, ticks, label and grid of one axis whose limits are ``low`` and ``high``."""
    horizontal = isinstance(axis, XAxis)
    parent = axis.axes
    (parent.set_xscale if horizontal else parent.set_yscale)("log" if log else "linear")
    (parent.set_xlim if horizontal else parent.set_ylim)(low, high)
    if log:
        subs = (1.0, 2.0, 5.0) if high < 200 * low else (1.0, 3.0) if high < 3000 * low else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: shown.tick(value)))
    title_axis(axis, shown.axis(int(_inches_wide(parent) * CHARACTERS_PER_INCH)))


def title_axis(axis: Axis, text: str) -> None:
    """Label an axis; the vertical one's label lies flat above it, where it can be read and has room for the method.

    Lines that the picture has no room for are cut: they would leave none for what is drawn.
    """
    width = int(_inches_wide(axis.axes) * CHARACTERS_PER_INCH)
    axis.set_label_text("\n".join(cut(line, width) for line in text.split("\n")), linespacing=1.35)
    if not isinstance(axis, XAxis):
        axis.label.set(rotation=0, ha="left", va="bottom")
        axis.set_label_coords(0.0, 1.02)


def whole_numbers(axis: Axis) -> None:
    """Ticks of a count."""
    axis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def plain_numbers(axis: Axis) -> None:
    """Ticks of a number without unit, without an offset that would stand in the label's place."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def legend(ax: Axes, room: float | None = None) -> None:
    """Put the legend above the axes and their label, where it hides no point, in as many columns as there is room.

    Args:
        ax: With all that the legend names.
        room: Inches from the axes' left edge to the figure's right one, where long names stand before the axes.
    """
    room = 0.92 * _inches_wide(ax) if room is None else room
    handles, _ = ax.get_legend_handles_labels()
    root = cast(Figure, ax.get_figure(root=True))
    lines = ax.get_ylabel().count("\n") + 1
    lifted = ax.transAxes + ScaledTranslation(0, (8 + 12.5 * lines) / 72, root.dpi_scale_trans)
    for columns in range(len(handles), 0, -1):
        drawn = ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), bbox_transform=lifted, ncols=columns, borderaxespad=0.2,
            borderpad=0.1, handletextpad=0.4, columnspacing=1.4, labelcolor=INK,
        )  # fmt: skip
        if drawn.get_window_extent().width <= room * root.dpi:
            return


def legend_beside_names(ax: Axes) -> None:
    """A legend over axes that long names stand before: the layout is settled first, so that their place is known."""
    figure = cast(Figure, ax.get_figure(root=True))
    figure.draw_without_rendering()
    legend(ax, room=0.98 * float(figure.get_figwidth() * (1 - ax.get_position().x0)))


def _inches_wide(ax: Axes) -> float:
    return float(cast(Figure, ax.get_figure(root=True)).get_figwidth() * ax.get_position().width / 0.775)


def files(ax: Axes) -> tuple[bytes, bytes]:
    """The figure as SVG (text as outlines) and as PNG, without dates: the same bytes for the same figure.

    The layout is fixed after the first, so that both show the same picture. ``savefig`` would draw each twice, the
    first time for the layout alone, which drawing settles as well.
    """
    figure = cast(Figure, ax.get_figure(root=True))
    canvas: Any = FigureCanvasSVG(figure)
    vector = io.BytesIO()
    with applied():
        figure.set_dpi(PIXELS_PER_INCH)  # of layers that are pixels inside the SVG, too
        canvas.print_svg(vector, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    figure.set_layout_engine("none")
    return vector.getvalue(), pixels(ax)


def pixels(ax: Axes) -> bytes:
    """The figure as PNG alone."""
    figure = cast(Figure, ax.get_figure(root=True))
    canvas: Any = FigureCanvasAgg(figure)
    image = io.BytesIO()
    with applied():
        figure.set_dpi(PIXELS_PER_INCH)  # SVG has set its own
        canvas.print_png(image, metadata={"Software": None})
    return image.getvalue()
