import numpy as np
import pytest

from nas_moo import pareto
from nas_moo.errors import UserInputError
from reports import flops_against_latency, proxy, proxy_numbers


@pytest.fixture(scope="module")
def numbers():
    """FLOPs with ties, and latencies with intervals, of 90 networks."""
    rng = np.random.default_rng(2)
    flops = np.round(10 ** rng.uniform(3, 5, 90), -3) + 1000
    middle = flops**0.5 * rng.lognormal(0, 0.5, 90)
    return flops, middle * 0.9, middle * 1.1


def timed(result, share=0.02):
    """The same study with narrow intervals around its latencies."""
    for end, sign in (("low", -1), ("high", 1)):
        result.trials[f"latency_eager_{end}"] = result.trials["latency_eager"] * (1 + sign * share)
    return result


def by_hand(flops, low, high):
    n = range(len(flops))
    apart = [(i, j) for i in n for j in n if low[i] > high[j]]
    flipped = [(i, j) for i, j in apart if flops[i] < flops[j]]
    return apart, flipped, [(i, j) for i, j in apart if flops[i] == flops[j]]


def test_pairs_are_counted_as_one_by_one(numbers, monkeypatch):
    apart, flipped, equal = by_hand(*numbers)
    assert len(flipped) > 100
    assert len(equal) > 10
    for block in (1000, 7):
        monkeypatch.setattr(proxy_numbers, "_BLOCK", block)
        found = proxy_numbers.pairs(*numbers)
        assert (found.apart, found.flipped, found.equal) == (len(apart) - len(equal), len(flipped), len(equal))
    assert found.share == pytest.approx(len(flipped) / (len(apart) - len(equal)))
    monkeypatch.setattr(proxy_numbers, "MOST_PAIRED", 30)
    assert proxy_numbers.pairs(*numbers).used == 30


def test_the_most_striking_pair_has_the_largest_product_of_both_factors(numbers):
    flops, low, high = numbers
    _, flipped, _ = by_hand(*numbers)
    scores = {(i, j): np.log(flops[j] / flops[i]) * np.log(low[i] / high[j]) for i, j in flipped}
    found = proxy_numbers.striking(*numbers)
    assert found[0] == max(scores, key=scores.get)
    assert set(found) <= set(flipped)
    assert len({flops[i] for pair in found for i in pair}) == 6


def test_the_factor_is_where_flips_end():
    flops = np.geomspace(1e3, 1e6, 60)
    swapped = flops.copy()
    swapped[0::2], swapped[1::2] = flops[1::2], flops[0::2]  # neighbours change places: ratios up to 1.13
    assert proxy_numbers._wrong(flops, flops, flops)[0] == (1.0, 0.0)
    wrong = dict(proxy_numbers._wrong(flops, swapped, swapped))
    assert wrong[1.0] == pytest.approx(30 / (60 * 59 / 2))
    assert wrong[1.25] == 0
    assert all(share == 1 for _, share in proxy_numbers._wrong(flops, -flops + 2e6, -flops + 2e6))


def test_trainings_of_one_network_count_once(make):
    result = timed(make(40))
    found = proxy_numbers.gather(result, "flops", "latency_eager")
    assert len(found.models) == result.trials["network_digest"].nunique() < 40
    on_front = result.trials.loc[result.trials["front"], "network_digest"].nunique()
    assert found.models["front"].sum() == on_front
    assert found.models["fast"].sum() == (len(found.models) + 1) // 2
    slowest = found.models.loc[found.models["fast"], "latency"].max()
    assert slowest <= found.models.loc[~found.models["fast"], "latency"].min()
    assert [g.name for g in found.groups] == [proxy_numbers.ALL, proxy_numbers.FRONT, proxy_numbers.FASTEST]


def test_what_a_search_by_flops_keeps_is_a_share_of_the_hypervolume(make):
    reference = {"values": {"error": 0.6, "flops": 2e6, "latency_eager": 0.5}, "trials": 10}
    result = timed(make(40, hypervolume_reference=reference))
    values = result.complete[["error", "latency_eager"]].to_numpy()
    chosen = pareto.nondominated(result.complete[["error", "flops"]].to_numpy())
    points = np.column_stack([values[:, 0], np.log(values[:, 1])])
    origin = np.array([0.6, np.log(0.5)])
    kept = pareto.hypervolume(points[chosen], origin) / pareto.hypervolume(points, origin)
    assert 0 < kept < 1
    assert proxy_numbers.gather(result, "flops", "latency_eager").kept == pytest.approx(kept)
    assert f"{100 * kept:.1f} % of the hypervolume" in " ".join(proxy.section(result).sentences)


@pytest.mark.parametrize(
    ("exponent", "noise", "says"),
    [(0.5, 0.0, "Yes for ranking"), (-0.5, 0.0, "No: "), (1.0, 0.6, "Only for a coarse ranking")],
)
def test_the_verdict_in_words(make, exponent, noise, says):
    result = make(40)
    flops = result.trials["flops"].to_numpy(dtype=float)
    networks = result.trials["network_digest"].rank(method="dense").to_numpy(dtype=int) - 1
    wobble = np.random.default_rng(0).normal(size=networks.max() + 1)[networks] * noise
    result.trials["latency_eager"] = (flops / 1e4) ** exponent * np.exp(wobble)
    section = proxy.section(timed(result))
    assert section.sentences[0].startswith(says)
    assert ("the pairs that flip most" in section.tables[-1].title) == (says != "Yes for ranking")


def test_intervals_that_overlap_say_nothing(study):
    section = proxy.section(study)  # its latencies reach from 0.05 to 1 ms, all of them
    assert section.sentences[0].startswith("Too little to say")
    assert "0 pairs whose latency intervals are apart" in section.sentences[0]
    assert section.sentences[-1].startswith(f"{proxy_numbers.gather(study, 'flops', 'latency_eager').marked} of")


def test_latencies_without_intervals_are_not_called_sure(make):
    section = proxy.section(timed(make(40), share=0.0))
    assert not any("surely" in s for s in section.sentences)
    assert "no intervals" in section.pictures[0].caption
    assert "no intervals" in section.tables[0].notes[0]


def test_parameters_stand_in_where_flops_were_not_counted(make):
    section = proxy.section(timed(make(40, ("error", "params", "latency_eager"))))
    assert "number of parameters" in section.question
    assert not any("FLOPs" in s for s in section.sentences)
    assert section.tables[0].head[-1] == "same parameters"


def test_the_picture_joins_the_pairs_of_the_table(make):
    result = timed(make(40))
    found = proxy_numbers.gather(result, "flops", "latency_eager")
    ax = flops_against_latency(result)
    joined = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
    assert len(joined) == len(found.striking) > 0
    for line, pair in zip(joined, found.striking, strict=True):
        np.testing.assert_allclose(line.get_ydata(), found.models.iloc[list(pair)]["latency"])
    assert ax.get_xscale() == "log"
    assert "FLOPs" in ax.get_xlabel()
    assert "multiply-adds" in ax.get_xlabel()
    assert "(ms)" in ax.get_ylabel()


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({"trials": 0}, "Fewer than two networks"),
        ({"trials": 1}, "Fewer than two networks"),
        ({"trials": 9, "objectives": ("flops", "params")}, "measures no latency"),
        ({"trials": 9, "objectives": ("error", "latency_eager")}, "neither FLOPs nor parameters"),
    ],
)
def test_what_is_missing_is_said(make, case, says):
    result = make(**case)
    assert says in proxy.section(result).missing
    with pytest.raises(UserInputError):
        flops_against_latency(result)


def test_networks_that_were_never_trained_count(make):
    section = proxy.section(make(9, ("flops", "latency_eager"), state="screened"))
    assert section.missing == ""
    section.pictures[0].draw()
