"""``nas-moo search``: run a search, or go on with one."""

from __future__ import annotations

import argparse

from nas_moo.cli.options import Commands, add_allow_uncounted, add_limits, add_storage, print_json, read_limits


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "search",
        help="search for the best trade-offs; the same command goes on where it stopped",
        description="Search for the best trade-offs. The same command goes on with the study where it stopped.",
    )
    what = parser.add_argument_group("what is searched")
    what.add_argument("--space", required=True, help="mlp, convnet, my_file.py:Name or package.module:Name")
    what.add_argument(
        "--data", required=True, help="digits, file.npz, a folder of images or idx files, module:function"
    )
    what.add_argument(
        "--objective", action="append", metavar="NAME", help="repeatable (default: error, flops and latency)"
    )
    add_limits(what)  # type: ignore[arg-type]
    how = parser.add_argument_group("how")
    how.add_argument(
        "--trials",
        type=int,
        default=60,
        metavar="N",
        help="trained trials in all, those outbid not counted (default: %(default)s)",
    )
    how.add_argument("--epochs", type=int, default=15, metavar="N", help="of each training (default: %(default)s)")
    how.add_argument("--time-limit", metavar="TIME", help="stop after this time, such as 90s, 10min, 2h")
    how.add_argument(
        "--sampler",
        default="nsga2",
        help="nsga2, optuna-nsga2, nsga3, random, tpe, gp or grid (default: %(default)s)",
    )
    how.add_argument("--population", type=int, metavar="N", help="of nsga2, nsga3 and optuna-nsga2 (default: 20)")
    how.add_argument(
        "--no-screening", action="store_true", help="nsga2 trains each child that it breeds, not the most promising"
    )
    how.add_argument(
        "--seed-architectures", metavar="FILE", help="JSON or CSV of architectures to train first, in this order"
    )
    add_allow_uncounted(how)  # type: ignore[arg-type]
    how.add_argument(
        "--pruner",
        metavar="NAME",
        help="stops trainings early: front, rank, median, halving, never or optuna:CLASS (default: front)",
    )
    how.add_argument(
        "--pruner-quantile", type=float, metavar="Q", help="of front: how often it may think too little possible"
    )
    how.add_argument(
        "--control-share",
        type=float,
        metavar="S",
        help="of its decisions, overruled to learn what they are worth (default: 0.25, and 0.05 after 40)",
    )
    how.add_argument("--no-thaw", action="store_true", help="what was pruned never goes on, and nothing is outbid")
    how.add_argument("--grid-steps", type=int, metavar="N", help="values that a real gene takes on the grid")
    how.add_argument("--validation", default="holdout", help="holdout or kfold:K (default: %(default)s)")
    how.add_argument("--seed", type=int, default=0, help="of split, trainings and sampler (default: %(default)s)")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    how.add_argument(
        "--batch", type=int, default=1, metavar="N", help="examples in a timed pass (default: %(default)s)"
    )
    how.add_argument(
        "--precision", metavar="SHARE", help="of latencies, 0.1%% to 20%%; up to 10 s a network (default: 2%% or 0.3 s)"
    )
    how.add_argument("--cold-cache", action="store_true", help="time with the device's caches emptied before each call")
    how.add_argument(
        "--threads", type=int, default=1, metavar="N", help="of a training on a CPU (default: %(default)s)"
    )
    where = parser.add_argument_group("where")
    where.add_argument("--study", metavar="NAME", help="default: SPACE-DATA")
    add_storage(where)  # type: ignore[arg-type]
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    from nas_moo.cli.display import Display, print_front
    from nas_moo.errors import hide_password
    from nas_moo.study.config import DEFAULT_OBJECTIVES, configure
    from nas_moo.study.database import default_storage
    from nas_moo.study.run import run as run_search
    from nas_moo.study.run import seconds, share

    setup = configure(
        parsed.space,
        parsed.data,
        parsed.objective or DEFAULT_OBJECTIVES,
        study=parsed.study,
        trials=parsed.trials,
        epochs=parsed.epochs,
        sampler=parsed.sampler,
        population=parsed.population,
        grid_steps=parsed.grid_steps,
        seed=parsed.seed,
        validation=parsed.validation,
        limits=read_limits(parsed.max),
        time_limit=seconds(parsed.time_limit),
        device=parsed.device,
        batch=parsed.batch,
        precision=share(parsed.precision),
        cold_cache=parsed.cold_cache,
        threads=parsed.threads,
        screening=not parsed.no_screening,
        seed_architectures=parsed.seed_architectures,
        allow_uncounted=parsed.allow_uncounted,
        pruner=parsed.pruner,
        pruner_quantile=parsed.pruner_quantile,
        control_share=parsed.control_share,
        thaw=not parsed.no_thaw,
    )
    storage = default_storage(parsed.storage)
    with Display(setup) as display:
        result = run_search(setup, storage, display)
    if parsed.json:
        print_json(
            {
                "study": result.name,
                "storage": hide_password(storage),
                "trained": result.done,
                "states": result.trials["state"].value_counts().to_dict(),
                "front": result.front().to_dict(orient="records"),
            }
        )
        return 0
    if result.complete.empty:
        print(f"No model of {result.name} is complete: `nas-moo report {result.name}` says what became of each.")
        return 0
    print_front(result)
    place = f" --storage {parsed.storage}" if parsed.storage else ""
    print(f"\nNext:  nas-moo report {result.name}{place}\n       nas-moo choose {result.name}{place}")
    return 0
