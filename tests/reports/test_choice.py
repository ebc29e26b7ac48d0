"""The chosen model: what its card tells of it."""

from dataclasses import replace

from reports import choice


def test_the_card_tells_what_its_measurements_are_marked_with_and_which_budget_it_may_pass(study):
    opened = study.unseal(purpose="test")
    assert choice.card(study, opened).remarks == ()
    chosen = study.choose().id
    details = [
        {"caveats": ["contended"], "repeated": {"value": 2 * row["value"]}}
        if row["id"] == chosen and row["objective"] == "latency_eager"
        else row["details"]
        for row in study.measurements.to_dict("records")
    ]
    doubted = replace(
        study, measurements=study.measurements.assign(details=details),
        description=study.description | {"limits": {"flops": 10.0, "error": 1.0, "latency_eager_p99": 1.0}},
    )  # fmt: skip
    marked, passed = choice.card(doubted, opened).remarks
    assert marked == "Latency is marked as contended; measured again, it was +100 %."
    assert passed.startswith("It may pass the search's budget: flops up to ")
    assert passed.endswith("at most 10 FLOPs was asked for.")
