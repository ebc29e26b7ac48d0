"""What the page is made of: a question, the sentences that answer it, pictures, and the tables behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what it says, and in smaller print what belongs to it (an interval)."""

    text: str
    note: str = ""
    strong: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: A title a column.
        rows: Text or cells.
        numbers: Columns that are set flush right, with figures of equal width.
        title: What the rows are.
        notes: Paragraphs of small print below it.
        shares: Between 0 and 1, a row each: drawn as a bar behind the last number column.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    numbers: tuple[int, ...] = ()
    title: str = ""
    notes: tuple[str, ...] = ()
    shares: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Picture:
    """A figure of the page; drawn once, written as SVG and PNG.

    Attributes:
        name: Of its files.
        alt: What it shows, for who cannot see it.
        caption: What a reader has to know, in full.
        draw: Draws it.
    """

    name: str
    alt: str
    caption: str
    draw: Callable[[], Axes]


WIDE, HALF = 8.2, 5.4  # inches of a picture that has the page to itself, and of one that shares it


def laid_out(pictures: Sequence[Callable[[float], Picture]]) -> tuple[Picture, ...]:
    """Pictures for the widths that the page gives them: two beside each other, the first of an odd number alone.

    Args:
        pictures: Each takes its width in inches.
    """
    return tuple(make(WIDE if i == 0 and len(pictures) % 2 else HALF) for i, make in enumerate(pictures))


@dataclass(frozen=True)
class Section:
    """One question and its answer.

    Attributes:
        id: Where links point.
        question: The heading.
        sentences: The answer in words, drawn from the data.
        pictures: Its figures.
        tables: The numbers behind them.
        missing: What it lacks and why, in place of an answer.
        beside: On a wide page the table stands beside its picture.
    """

    id: str
    question: str
    sentences: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    missing: str = ""
    beside: bool = False
