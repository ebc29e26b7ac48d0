"""``nas-moo choose``: the model to deploy, and why."""

from __future__ import annotations

import argparse

from nas_moo.cli.options import Commands, add_limits, add_study, load, print_json, read_limits

_MOST_TIES = 12  # that are listed


def add(commands: Commands) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "choose",
        help="name the model to deploy, and why",
        description="Name the model to deploy. Without limits: the knee of the front. With limits: the lowest value of "
        "the first objective that has none, among the models that keep every limit at the upper end of its interval.",
    )
    add_study(parser)
    add_limits(parser)
    parser.add_argument("--by", metavar="RULE", help="knee, or the objective to take the lowest of")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Run the command."""
    result = load(parsed)
    choice = result.choose(read_limits(parsed.max), parsed.by)
    if parsed.json:
        print_json({"study": result.name, **choice.to_dict()})
        return 0
    from nas_moo.cli.display import interval_text

    print(f"{choice.id}  {'' if choice.feasible else '(breaks a limit) '}{choice.reason}")
    shown = choice.ties[:_MOST_TIES]
    models = [("chosen", choice.id), ("runner-up", choice.runner_up), *(("tied", tie) for tie in shown)]
    for role, model in models:
        if model is not None:
            row = result.find(model)
            told = "   ".join(f"{o.name} {interval_text(row, o.name, o.unit)}" for o in result.objectives)
            print(f"  {role:<9}  {model}  {told}")
    if len(choice.ties) > len(shown):
        print(f"  and {len(choice.ties) - len(shown)} more that are tied (--json lists them)")
    if choice.ties:
        print("  tied: distinguishably worse in no objective; what looks worse lies inside the intervals")
    return 0
