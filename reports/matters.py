"""Which choices matter? Importance by objective, the most important genes up close, and what the front shares."""

from __future__ import annotations

from collections.abc import Sequence

from nas_moo.results import StudyResult
from reports import importance_pictures, lines, shared, slicing
from reports.coded import Coded, coded
from reports.importance_numbers import FEWEST_BEST, RESAMPLES, Importance, gather
from reports.section import Cell, Picture, Section, Table

QUESTION = "Which choices matter?"
MOST_ROWS = 60
_NAMED = 3


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    genes = coded(result)
    found = gather(result, genes)
    usable = [one for one in found if not one.missing]
    lacking = [one.missing for one in found if one.missing]
    sentences = [*map(_sentence, usable), *(lacking if usable else [])]
    pictures = _importance_pictures(result, genes, usable)
    tables = [_table(usable, result.description.get("sampler"))] if usable else []
    common, front, everywhere = shared.gather(result, genes)
    if front > 1 and common:
        sentences += shared.sentences(common, front, everywhere)
        pictures.append(_parallel_picture(result, genes, found))
        tables.append(shared.table(common, front, everywhere))
    return Section(
        "importance", QUESTION, sentences=tuple(sentences), pictures=tuple(pictures), tables=tuple(tables),
        missing="" if usable else " ".join(lacking),
    )  # fmt: skip


def _sentence(found: Importance) -> str:
    """What decides one objective, in words."""
    label = f"{found.shown.label[:1].upper()}{found.shown.label[1:]}"
    rows = found.table[found.table["matters"]]
    if rows.empty:
        return f"{label}: no choice sets the best {found.best:,} of {found.n:,} {found.of} apart more than luck would."
    told = [
        f"{gene} ({_percent(share)}, {_interval(low, high)})"
        for gene, share, low, high in rows[["gene", "share", "low", "high"]][:_NAMED].to_numpy()
    ]
    told[0] = told[0].replace(" %, ", " % of the importance, 95 %: ", 1)
    others = len(rows) - _NAMED
    more = f" {others} more {'is' if others == 1 else 'are'} above chance." if others > 0 else ""
    return (
        f"{label}: of the choices that set the best {found.best:,} of {found.n:,} {found.of} apart, above chance "
        f"{'is' if len(told) == 1 else 'are'} {_listed(told)}.{more}"
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def _importance_pictures(result: StudyResult, genes: Sequence[Coded], usable: Sequence[Importance]) -> list[Picture]:
    if not usable:
        return []
    first = usable[0]
    drawn = importance_pictures.order(usable)
    alt = f"Importance of {len(drawn)} genes for {' and '.join(one.shown.label for one in usable)}: "
    alt += "; ".join(f"{one.shown.label}: {one.table['gene'].iloc[0]} most" for one in usable) + "."
    left = f" The {len(drawn)} genes with the highest shares of {len(genes)}." if len(genes) > len(drawn) else ""
    caption = (
        "Bars and dots: share of the importance of all genes for one objective, with 95 % bootstrap interval. Upright "
        f"strokes: chance; an arrowhead: beyond the edge. {importance_pictures.UNABLE} a training gene, which cannot "
        f"change a cost. Rows: by {first.shown.label}.{left}"
    )
    pictures = [Picture("importance", alt, caption, lambda: importance_pictures.draw(usable))]
    named = {gene.name: gene for gene in genes}
    cuts = [slicing.cut(result, named[gene], name) for gene, name in slicing.pairs(usable)]
    alt = "Objectives along single genes: " + ", ".join(f"{c.shown.label} along {c.gene.name}" for c in cuts) + "."
    caption = (
        "A point a trial that has the gene and the objective; values told apart one by one are spread sideways. Dash "
        f"or line: median of all that were not pruned, at each value or in bins of as many trials.{_thinned(cuts)} "
        f"{_sources(cuts)}"
    )
    return [*pictures, Picture("slices", alt, caption, lambda: slicing.draw_all(cuts)[0], wide=True)]


def _thinned(cuts: Sequence[slicing.Slice]) -> str:
    most = max(int(cut.points["group"].value_counts().drop(slicing.FRONT, errors="ignore").max()) for cut in cuts)
    if most <= slicing.MOST_POINTS:
        return ""
    return f" The whole front, and of the others {slicing.MOST_POINTS} a kind and panel of up to {most:,}, evenly."


def _sources(cuts: Sequence[slicing.Slice]) -> str:
    told = {c.shown.name: f"{c.shown.title}: {c.shown.source}." for c in cuts if c.shown.source}
    return " ".join(told.values())


def _parallel_picture(result: StudyResult, genes: Sequence[Coded], found: Sequence[Importance]) -> Picture:
    shown = lines.collect(result, genes, found)
    drawn = sum(not rail.objective for rail in shown.rails)
    few = f" The {len(shown.ids)} with the lowest {shown.shown.label} of {shown.models:,}." * (
        shown.models > len(shown.ids)
    )
    left = f" The {drawn} genes that matter most of {shown.genes}." * (shown.genes > drawn)
    caption = (
        f"A line a model of the front, coloured by {shown.shown.label}; models at one value lie side by side, the "
        f"lowest first. All objectives are better to the left, "
        f"logarithmic where a range passes ten times.{few}{left}"
    )
    alt = f"{len(shown.ids)} models of the front, through {drawn} genes and {len(shown.rails) - drawn} objectives."
    return Picture("front-genes", alt, caption, lambda: lines.draw(shown), wide=True)


def _table(found: Sequence[Importance], sampler: object) -> Table:
    """A row a gene, a column an objective."""
    by_gene = [one.table.set_index("gene") for one in found]
    genes = list(dict.fromkeys(str(g) for table in by_gene for g in table.index))
    rows = []
    for gene in genes[:MOST_ROWS]:
        known = next(table.loc[gene] for table in by_gene if gene in table.index)
        cells = [_cell(one, gene) for one in found]
        active = dict.fromkeys(_active(one, gene) for one in found)  # objectives often agree
        told = f"if {known['condition']}: {'; '.join(a for a in active if a)}" if any(active) else ""
        rows.append((Cell(gene, told, strong=any(c.strong for c in cells)), *cells))
    hidden = f" The first {MOST_ROWS} of {len(genes)} genes." if len(genes) > MOST_ROWS else ""
    return Table(
        ("gene", *(f"{one.shown.label} ({one.n:,} {one.of}, best {one.best:,})" for one in found)), tuple(rows),
        numbers=tuple(range(1, len(found) + 1)), title="Importance",
        notes=(
            "PED-ANOVA (Watanabe, Bansal and Hutter 2023, arXiv:2304.10255; conditional genes as in arXiv:2601.20800, "
            f"densities as in Optuna): how far the values of the best tenth, {FEWEST_BEST} at least and all that "
            "equal the last of them, lie from those of "
            "all, one gene at a time, as a share of all genes. A cost is judged by networks, each once, and training "
            f"genes cannot change it. In small print: ±1.96 bootstrap standard errors ({RESAMPLES} resamples), and the "
            "share that 95 % of random picks in place of the best stay below (chance). Bold: above it. Where a gene "
            f"was not always active, in how many models it was.{hidden}",
            f"Importance is relative to what {sampler or 'the sampler'} tried: a choice that was settled early hardly "
            "varies and looks unimportant, one that goes along with another borrows its importance, and what two genes "
            "do only together is not seen. Of twenty genes without effect, one is above chance by luck.",
        ),
    )  # fmt: skip


def _cell(found: Importance, gene: str) -> Cell:
    rows = found.table[found.table["gene"] == gene]
    if rows.empty:
        return Cell("cannot matter")
    row = rows.iloc[0]
    if not row["active_best"]:
        return Cell(_percent(row["share"]), "never active among the best")
    note = f"{_interval(row['low'], row['high'])}, chance {_percent(row['chance'])}"
    return Cell(_percent(row["share"]), note, strong=bool(row["matters"]))


def _active(found: Importance, gene: str) -> str:
    """How many models a gene was active in; empty where in all."""
    rows = found.table[(found.table["gene"] == gene) & (found.table["active"] < found.n)]
    told = [f"{r.active:,} of {found.n:,}, {r.active_best:,} of the best {found.best:,}" for r in rows.itertuples()]
    return told[0] if told else ""
