"""The table and the pictures of ``compare_samplers``, drawn from its saved trainings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from compare_samplers_scores import BASELINE, WORST_ERROR, Box, box, interval, paired, quartiles, score, shares
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from reports import style

NAMES = {"random": "random", "grid": "grid", "tpe": "TPE", "optuna-nsga2": "NSGA-II", "gp": "GP"}
COLOURS = {"random": "#656d78", "grid": "#d55e00", "tpe": "#0072b2", "optuna-nsga2": "#009e73", "gp": "#aa4499"}
WIDTH = 7.2  # inches: the text width of a printed page
TITLE = {"fontsize": 9, "fontweight": "bold"}
OTHER_BOXES = (0.1, 0.2, 0.9)  # worst errors: half the box's, its own, and that of chance
SCORES = {  # column of the scores: heading, and what it is multiplied by
    "validation": ("hypervolume, validation (%)", 100),
    "test": ("hypervolume, test (%)", 100),
    "picked": ("test error of the picks (%)", 100),
}


def table(trainings: pd.DataFrame) -> str:
    """Markdown: a row a sampler, medians with quartiles, and mean paired differences from random with intervals."""
    scores = score(trainings)
    cells = [heading for heading, _ in SCORES.values()]
    lines = [
        "| sampler | " + " | ".join(f"{heading} | against random" for heading in cells) + " |",
        "|---" * (1 + 2 * len(cells)) + "|",
    ]
    for sampler in [s for s in NAMES if s in set(scores["sampler"])]:
        row = [NAMES[sampler]]
        for column, (_, factor) in SCORES.items():
            values = factor * scores.loc[scores["sampler"] == sampler, column].to_numpy()
            low, middle, high = quartiles(values)
            row.append(f"{middle:.1f} ({low:.1f} to {high:.1f})")
            row.append(_difference(factor * paired(scores, sampler, column), lower_is_better=column == "picked"))
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def _difference(differences: np.ndarray, *, lower_is_better: bool) -> str:
    if not differences.any():
        return "–"
    mean, low, high = interval(differences)
    better = int((differences < 0).sum() if lower_is_better else (differences > 0).sum())
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f}), better in {better} of {len(differences)}".replace("-", "−")


def pairs(trainings: pd.DataFrame) -> str:
    """Lines: the learning samplers against each other, and what validation promised of the picks."""
    scores = score(trainings)
    lines = []
    for sampler, other in itertools.combinations(("tpe", "gp", "optuna-nsga2"), 2):
        told = []
        for column, (heading, factor) in SCORES.items():
            differences = factor * paired(scores, sampler, column, other)
            told.append(f"{heading} {_difference(differences, lower_is_better=column == 'picked')}")
        lines.append(f"{NAMES[sampler]} minus {NAMES[other]}: {'; '.join(told)}")
    for sampler, own in scores.groupby("sampler", sort=False):
        lines.append(
            f"{NAMES[sampler]}: the picks' error, median over seeds, {own['promised'].median():.2%} by validation, "
            f"{own['picked'].median():.2%} by test"
        )
    return "\n".join(lines)


def boxes(trainings: pd.DataFrame) -> str:
    """Markdown: how the test hypervolume's differences from random depend on where the box ends."""
    scores = {worst: score(trainings, worst) for worst in OTHER_BOXES}
    headings = ["sampler", *(f"box to {worst:.0%} error" for worst in scores)]
    lines = ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    for sampler in [s for s in NAMES if s != BASELINE]:
        row = [_difference(100 * paired(table, sampler, "test"), lower_is_better=False) for table in scores.values()]
        lines.append("| " + " | ".join([NAMES[sampler], *row]) + " |")
    return "\n".join(lines)


def values_tried(trainings: pd.DataFrame, gene: str) -> pd.Series:
    """Distinct values of a gene in a run, the median over seeds, by sampler."""
    return trainings.groupby(["sampler", "seed"], sort=False)[gene].nunique().groupby("sampler", sort=False).median()


def costs(about: Mapping[str, Any]) -> pd.DataFrame:
    """Median seconds of a training, and those a trial takes beside it (proposing, storing), by sampler."""
    runs = pd.DataFrame(about["runs"]).set_index("sampler") / about["plan"]["trainings"]
    runs["beside"] = runs["seconds"] - runs["seconds_training"]
    return runs.groupby("sampler", sort=False)[["seconds_training", "beside"]].median()


def draw(trainings: pd.DataFrame, folder: Path) -> None:
    """Write both pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawn in (("hypervolume", draw_hypervolume), ("learning-rate", draw_learning_rates)):
        with style.applied():
            drawn(trainings).savefig(folder / f"samplers-{name}.png", metadata={"Software": None})


def draw_hypervolume(trainings: pd.DataFrame) -> Figure:
    """A panel a sampler: its hypervolume over trainings beside that of random search."""
    bounds = box(trainings)
    others = [s for s in NAMES if s != BASELINE and s in set(trainings["sampler"])]
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for ax, sampler in zip(panels.flat, others, strict=True):
        for shown in (BASELINE, sampler):
            _band(ax, _curves(trainings, shown, bounds), shown)
        ax.set_title(f"{NAMES[sampler]} against random", loc="left", **TITLE)
        ax.legend(loc="lower right")
    panels[0, 0].set(xlim=(0, trainings["training"].max() + 1), ylim=(0, 100))
    figure.supxlabel("trainings of one run", fontsize=8.5)
    figure.supylabel(
        f"hypervolume by validation error (% of the box: error 0 to {WORST_ERROR:.0%}, FLOPs in logarithm)",
        fontsize=8.5,
    )
    return figure


def _curves(trainings: pd.DataFrame, sampler: str, bounds: Box) -> np.ndarray:
    runs = trainings[trainings["sampler"] == sampler].groupby("seed")
    return 100 * np.array([shares(run, bounds) for _, run in runs])


def _band(ax: Axes, curves: np.ndarray, sampler: str) -> None:
    low, middle, high = np.quantile(curves, (0.25, 0.5, 0.75), axis=0)
    n = np.arange(1, len(middle) + 1)
    colour, dashes = COLOURS[sampler], "--" if sampler == BASELINE else "-"
    ax.fill_between(n, low, high, step="post", color=colour, alpha=0.18, linewidth=0)
    ax.step(n, middle, where="post", color=colour, linestyle=dashes, linewidth=1.6, label=NAMES[sampler])


def draw_learning_rates(trainings: pd.DataFrame, seed: int = 0) -> Figure:
    """The learning rates that grid and random search tried in the runs of one seed, and the errors they came to."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for ax, sampler in zip(panels, ("grid", "random"), strict=True):
        run = trainings[(trainings["sampler"] == sampler) & (trainings["seed"] == seed)]
        rates = run["learning_rate"]
        ax.scatter(rates, 100 * run["error"], s=22, color=COLOURS[sampler], alpha=0.65, linewidth=0, clip_on=False)
        # The strip below the axis is what the picture is about: the distinct values of this one gene.
        strip = {"transform": ax.get_xaxis_transform(), "clip_on": False, "color": style.INK}
        ax.plot(np.unique(rates), np.full(rates.nunique(), -0.05), "|", markersize=8, **strip)
        ax.set_title(f"{sampler}: {len(run)} trainings, {rates.nunique()} learning rates", loc="left", **TITLE)
    panels[0].set_xscale("log")
    panels[0].xaxis.set_major_locator(LogLocator(numticks=6))
    panels[0].xaxis.set_minor_locator(NullLocator())
    panels[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].set_ylim(0, 100)
    panels[0].set_ylabel("validation error of one training (%)")
    for ax in panels:
        ax.tick_params(axis="x", pad=13)
    figure.supxlabel("learning rate of SGD; each stroke below an axis is a value that was tried", fontsize=8.5)
    return figure
