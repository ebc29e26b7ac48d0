"""``nas-moo replay``: judge a sampler on a recorded benchmark, or compare two that were judged."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_moo.cli.options import Commands, add_json, print_json
from nas_moo.errors import UserInputError
from nas_moo.measurement import counted

if TYPE_CHECKING:
    from nas_moo.replay.pruning import Pruning
    from nas_moo.replay.summary import Arm
    from nas_moo.replay.table import RecordedTable

_TRIALS, _SEEDS, _JOBS, _OUT = 200, 30, 1, "nas-moo-replay"
_SHOWN = (25, 50, 100, 200)  # fulls, in the printed table


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "replay",
        help="judge a sampler on a recorded benchmark, without training anything",
        description="Run real searches in which a recorded table answers instead of training, one a seed, and say what "
        "each had found after how many full trainings (fulls). Regret is in error points, the mean over 20 budgets of "
        "the latency, or of the first cost where none has that name. With --compare: how many times cheaper A reaches "
        "the median regret that B has after 25, 50, 100 and 200 fulls.",
    )
    parser.add_argument("table", nargs="?", metavar="TABLE.toml", help="description of the recorded table")
    parser.add_argument("--compare", nargs=2, metavar=("A.json", "B.json"), help="two documents that replay wrote")
    parser.add_argument("--sampler", metavar="NAME", help="nsga2, nsga3, optuna-nsga2, random, tpe, gp or grid")
    parser.add_argument("--population", type=int, metavar="N", help="of nsga2, nsga3 and optuna-nsga2 (default: 20)")
    parser.add_argument(
        "--no-screening", action="store_true", help="nsga2 trains each child that it breeds, not the most promising"
    )
    parser.add_argument("--grid-steps", type=int, metavar="N", help="values that a real gene takes on the grid")
    parser.add_argument(
        "--pruner", metavar="NAME", help="front, rank, median, halving, never or optuna:CLASS (default: never)"
    )
    parser.add_argument(
        "--pruner-quantile", type=float, metavar="Q", help="of front: trainings that may end below their bound"
    )
    parser.add_argument(
        "--control-share",
        type=float,
        metavar="SHARE",
        help="stopped trainings that go on all the same (default: 0.25 until there are 40, then 0.05)",
    )
    parser.add_argument("--no-thaw", action="store_true", help="what was pruned never goes on, and nothing is outbid")
    parser.add_argument(
        "--trials", type=int, metavar="N", help=f"what each search may spend, in fulls (default: {_TRIALS})"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help=f"searches, seeded 0 to N-1 (default: {_SEEDS})")
    parser.add_argument("--jobs", type=int, metavar="N", help=f"processes (default: {_JOBS})")
    parser.add_argument("--out", metavar="DIR", help=f"for the document and the curves (default: {_OUT})")
    parser.add_argument(
        "--report", metavar="DIR", help="write the report of the first search: index.html, figures, CSV"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    if parsed.compare is not None:
        return _compare(parsed)
    if parsed.table is None:
        raise UserInputError(
            "there is nothing to replay", value="replay", do="Give a TABLE.toml, or --compare A.json B.json."
        )
    document, page = _replay(parsed)
    if parsed.json:
        print_json(document | ({} if page is None else {"report": str(page)}))
        return 0
    _print_scores(document)
    if page is not None:
        print(f"Report of the search with seed 0: {page}")
    return 0


def _replay(parsed: argparse.Namespace) -> tuple[dict[str, Any], Path | None]:
    """The document, and the report's page where one was asked for."""
    from functools import partial

    from nas_moo.replay.judge import Judge
    from nas_moo.replay.run import load_named, replay_seeds
    from nas_moo.replay.study import replayed_study
    from nas_moo.replay.summary import write_summary
    from nas_moo.replay.table import load_table
    from nas_moo.replay.trace import Trace
    from nas_moo.samplers import SamplerOptions

    arm = _with_pruner(parsed, _arm(parsed))
    trials, seeds, jobs = (
        _count(parsed, name, default) for name, default in (("trials", _TRIALS), ("seeds", _SEEDS), ("jobs", _JOBS))
    )
    population = SamplerOptions.population if arm.population is None else arm.population
    options = SamplerOptions(population=population, grid_steps=parsed.grid_steps)
    table = load_table(Path(parsed.table))
    judge = Judge(table)

    def progress(trace: Trace) -> None:
        early = f" (nothing was left after {len(trace.rows)})" if len(trace.rows) < trials else ""
        regret = f"regret {judge.regret(trace)[-1]:.2f} points"
        print(f"{table.name} {arm.name}: seed {trace.seed + 1}/{seeds}  {regret}{early}", file=sys.stderr, flush=True)

    load = partial(load_named, arm.sampler, screening=arm.screening)
    pruning = _pruning(arm, table)
    traces = replay_seeds(
        table, load, options, trials=trials, seeds=seeds, jobs=jobs, pruning=pruning, progress=progress
    )
    document = write_summary(Path(parsed.out or _OUT), table, arm, traces, trials)
    if parsed.report is None:
        return document, None
    study = replayed_study(table, arm, traces[0], trials, shlex.join(["nas-moo", *sys.argv[1:]]))
    return document, study.report(parsed.report)


def _pruning(arm: Arm, table: RecordedTable) -> Pruning | None:
    """How to prune; None: never."""
    from nas_moo.pruners import load_pruner
    from nas_moo.pruners.front import FEWEST_POINTS
    from nas_moo.replay.pruning import Pruning

    if arm.pruner == "never":
        return None
    if len(table.epochs) == 1:
        raise UserInputError(
            "the table has no curve, and nothing to prune by", value=table.name, do="Leave out --pruner."
        )
    pruner = load_pruner(arm.pruner, arm.quantile)
    if pruner.caution:
        print(f"{arm.pruner}: {pruner.caution}", file=sys.stderr)
    if arm.pruner == "front" and len(table.epochs) < FEWEST_POINTS:
        told = f"{counted(len(table.epochs), 'point')} {'is' if len(table.epochs) == 1 else 'are'} no curve"
        print(f"{told}: front compares errors of the same epoch, without a quantile", file=sys.stderr)
    return Pruning(pruner, arm.quantile, arm.control_share, arm.thaw)


def _with_pruner(parsed: argparse.Namespace, arm: Arm) -> Arm:
    """The same arm with the pruner that is asked for; options that do not concern it are refused."""
    from dataclasses import replace

    from nas_moo.pruners import DEFAULT_QUANTILE, WITH_QUANTILE, load_pruner
    from nas_moo.pruners.control import check_share

    name = parsed.pruner or "never"
    if name == "never":
        for option in ("pruner_quantile", "control_share", "no_thaw"):
            if getattr(parsed, option) not in (None, False):
                raise UserInputError(
                    "nothing is pruned", value=f"--{option.replace('_', '-')}", do="Leave it out, or give --pruner."
                )
        return arm
    load_pruner(name, parsed.pruner_quantile)
    quantile = (parsed.pruner_quantile or DEFAULT_QUANTILE) if name in WITH_QUANTILE else None
    share = check_share(parsed.control_share)
    return replace(arm, pruner=name, quantile=quantile, control_share=share, thaw=not parsed.no_thaw)


def _arm(parsed: argparse.Namespace) -> Arm:
    """The sampler that is asked for; options that do not concern it are refused."""
    from nas_moo.replay.summary import Arm
    from nas_moo.samplers import DEFAULT_SAMPLER, WITH_POPULATION, SamplerOptions, check_sampler

    sampler = check_sampler(parsed.sampler or DEFAULT_SAMPLER)
    if parsed.grid_steps is not None and sampler != "grid":
        raise UserInputError("this sampler walks no grid", value=sampler, do="Leave out --grid-steps.")
    if parsed.no_screening and sampler != "nsga2":
        raise UserInputError("this sampler screens nothing", value=sampler, do="Leave out --no-screening.")
    if sampler in WITH_POPULATION:
        population = SamplerOptions.population if parsed.population is None else parsed.population
        return Arm(sampler, population, screening=not parsed.no_screening)
    if parsed.population is not None:
        raise UserInputError("this sampler has no population", value=sampler, do="Leave out --population.")
    return Arm(sampler)


def _count(parsed: argparse.Namespace, name: str, default: int) -> int:
    value = getattr(parsed, name)
    if value is not None and value < 1:
        raise UserInputError(f"--{name} is no number of {name}", value=value, do="Give 1 or more.")
    return default if value is None else int(value)


def _print_scores(document: dict[str, Any]) -> None:
    about, fulls = document["judge"], document["fulls"]
    print(
        f"{document['sampler']} on {about['table']}, {counted(document['seeds'], 'seed')}: median (quartiles)\n"
        f"regret in error points over {about['budgets']} budgets of {about['budget_cost']}, "
        f"scored on {about['scored_on']} error\n\n{'fulls':>6}  {'regret':>20}  {'hypervolume':>22}"
    )
    for count in sorted({*(f for f in _SHOWN if f < fulls[-1]), int(fulls[-1])}):
        place = fulls.index(count)
        regret, volume = document["regret"][place], document["hypervolume"][place]
        print(f"{count:>6}  {_spread(regret, 2):>20}  {_spread(volume, 3):>22}")
    if "pruning" in document:
        print()
        _print_pruning(document["pruner"], document["pruning"])
    print(
        f"\n{document['duplicate_share']:.1%} of the proposals were duplicates and drawn again; "
        f"{document['cpu_ms_per_proposal']:.2g} ms CPU a proposal\n{document['curves']}"
    )


def _print_pruning(pruner: str, told: dict[str, Any]) -> None:
    wrong, truth, covered = told["controls"]["nondominated"], told["truth"], told["covered"]
    for line in (
        f"{pruner}: of {told['trained']:.0f} trainings {told['pruned']:.0f} were given up for good and "
        f"{told['thawed']:.0f} went on later (means)",
        f"{wrong['hits']} of {counted(wrong['n'], 'control')} ended non-dominated ({wrong['low']:.1%} to "
        f"{wrong['high']:.1%}); of all that was stopped, {truth['hits']} of {truth['n']} would have",
        f"{covered['hits']} of {counted(covered['n'], 'interval')} hold the truth",
        f"{told['true_front_pruned']:.1%} of the true front were given up",
    ):
        print(line)


def _spread(values: list[float], digits: int) -> str:
    low, middle, high = (f"{v:.{digits}f}" for v in values)
    return f"{middle} ({low} to {high})"


def _compare(parsed: argparse.Namespace) -> int:
    from nas_moo.replay.compare import compare_files

    unused = ("table", "sampler", "population", "grid_steps", "trials", "seeds", "jobs", "out", "report")
    of_pruner = ("pruner", "pruner_quantile", "control_share", "no_thaw")
    for name in (*unused, *of_pruner):
        if getattr(parsed, name) not in (None, False):
            raise UserInputError(
                "--compare reads what was replayed, and takes no other option", value=name, do="Leave it out."
            )
    found = compare_files(*map(Path, parsed.compare))
    if parsed.json:
        print_json(found)
        return 0
    a, b = (" ".join(str(side[k]) for k in ("sampler", "population") if k in side) for side in (found["a"], found["b"]))
    print(f"A: {a}   B: {b}   {found['seeds']} paired seeds, {found['interval']:.0%} bootstrap intervals\n")
    print(f"{'B after':>8}  {'regret':>7}  {'B needs':>8}  {'A needs':>12}  A is cheaper by")
    for row in found["speedups"]:
        needs = "not reached" if row["a_needs"] is None else f"{row['a_needs']:g}"
        print(f"{row['fulls']:>8}  {row['regret']:>7.2f}  {row['b_needs']:>8g}  {needs:>12}  {_factor(row)}")
    if found["beyond_b"]:
        print(f"\nB ended before {', '.join(map(str, found['beyond_b']))} fulls")
    return 0


def _factor(row: dict[str, Any]) -> str:
    low, middle, high = ("not reached" if row[k] == 0 else f"{row[k]:.2f}x" for k in ("low", "ratio", "high"))
    return f"{middle} ({low} to {high})"
