import csv
import dataclasses
import html
import io
import re

import numpy as np
import pytest
from scipy import stats

from nas_moo.errors import StudyMismatchError, UserInputError
from nas_moo.pareto import hypervolume, nondominated, scaled
from reports import compare, compare_numbers, compare_scores, write_comparison

PAIR = ("error", "flops")


def changed(result, *, error=1.0, device=None):
    """The same study with other errors, or timed on another device."""
    trials, measurements, objectives = result.trials.copy(), result.measurements.copy(), result.objectives
    names = [o.name for o in objectives]
    trials["error"] *= error
    done = trials["state"] == "complete"
    trials.loc[done, "front"] = nondominated(trials.loc[done, names].to_numpy(dtype=float))
    if device is not None:
        timed = measurements["objective"] == "latency_eager"
        key = {"network": "x", "device": device, "torch": "2.13"}
        measurements["details"] = [
            {"key": key} if t else d for t, d in zip(timed, measurements["details"], strict=True)
        ]
    return dataclasses.replace(result, trials=trials, measurements=measurements, objectives=objectives)


@pytest.fixture(scope="module")
def studies(make):
    """Two samplers, three seeds each; the second finds models with a tenth less error."""
    factors = {("random", 0): 1.0, ("random", 1): 1.02, ("random", 2): 0.99}
    factors |= {("tpe", 0): 0.9, ("tpe", 1): 0.91, ("tpe", 2): 0.92}
    return [
        changed(make(40, PAIR, name=f"mlp-{sampler}-s{seed}", sampler=sampler, seed=seed), error=factor)
        for (sampler, seed), factor in factors.items()
    ]


def test_studies_that_differ_in_their_seed_only_are_one_group(studies):
    random, tpe = compare_numbers.groups(studies[::-1])[::-1]
    assert (random.name, tpe.name) == ("mlp-random (3 seeds)", "mlp-tpe (3 seeds)")
    assert [m.name for m in random.members] == ["mlp-random-s0", "mlp-random-s1", "mlp-random-s2"]
    assert (tpe.place, random.place) == (0, 1), "in the order in which they were named"


def test_one_run_made_twice_is_no_group_of_seeds(make):
    twice = [make(12, PAIR, name=name, seed=0) for name in ("a", "b")]
    assert [g.name for g in compare_numbers.groups(twice)] == ["a", "b"]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"data": {"digest": "another"}}, "data"),
        ({"validation": "kfold:5"}, "validation"),
        ({"objectives": ("error", "params")}, "objectives"),
    ],
)
def test_what_makes_no_common_front_is_refused(make, other, says):
    objectives = other.pop("objectives", PAIR)
    with pytest.raises(StudyMismatchError, match=f"differ in their {says}"):
        compare_numbers.check([make(12, PAIR, name="a"), make(12, objectives, name="b", **other)])


def test_other_ways_to_count_are_refused(make):
    one = make(12, PAIR, name="a")
    counted = [dataclasses.replace(o, method="by hand") if o.name == "flops" else o for o in one.objectives]
    with pytest.raises(StudyMismatchError, match="method of flops") as caught:
        compare_numbers.check([one, dataclasses.replace(one, name="b", objectives=tuple(counted))])
    assert "by hand" in caught.value.value


@pytest.mark.parametrize("names", [["a"], ["a", "a"], []])
def test_a_comparison_needs_two_studies(make, names):
    with pytest.raises(UserInputError, match="two different studies"):
        compare_numbers.check([make(3, PAIR, name=name) for name in names])


def test_devices_stand_in_pictures_of_their_own(make, tmp_path):
    pair = [changed(make(40, name=device, seed=1), error=e, device=device) for device, e in (("one", 1), ("two", 0.9))]
    found = compare_numbers.groups(pair)
    panels = compare_numbers.panels(found)
    assert [(p.x.name, p.condition, len(p.fronts)) for p in panels] == [
        ("flops", "", 2), ("latency_eager", "device one", 1), ("latency_eager", "device two", 1)
    ]  # fmt: skip
    assert panels[1].limits == panels[2].limits
    assert [name for name, _ in compare_numbers.worlds(found)] == ["device one", "device two"]
    page = write_comparison(pair, tmp_path / "c").read_text()
    assert "Measured under: device one." in page
    assert "one front is never made of two methods" in page
    assert "Hypervolume over trainings of one" in page
    assert "Hypervolume over trainings of two" in page
    assert "none can beat another" in page
    assert "<strong>latency_eager: device</strong>" in page


def test_attained_is_what_the_definition_says():
    rng = np.random.default_rng(0)
    for n in (2, 3, 4, 5):
        fronts = [np.unique(f[nondominated(f)], axis=0) for f in (rng.random((6, 2)).round(1) for _ in range(n))]
        surfaces = compare_scores.attained(fronts)
        grid = np.stack(np.meshgrid(*[np.linspace(-0.05, 1.05, 23)] * 2), axis=-1).reshape(-1, 2)
        attained = sum((f[None] <= grid[:, None]).all(axis=2).any(axis=1).astype(int) for f in fronts)
        for name, least in (("best", 1), ("median", (n + 1) // 2), ("worst", n)):
            under = (surfaces[name][None] <= grid[:, None]).all(axis=2).any(axis=1)
            assert (under == (attained >= least)).all(), name


def test_volumes_come_from_one_point_and_end_at_the_front(studies):
    shown = compare_scores.volumes("", compare_numbers.groups(studies))
    worst = np.max([r.complete[list(PAIR)].max() for r in studies], axis=0)
    assert list(shown.reference) == list(PAIR)
    assert list(shown.reference.values()) == pytest.approx(1.1 * worst)
    origin = scaled(np.array([list(shown.reference.values())]), [False, True])[0]
    for group, of in shown.traces:
        for seed, trace in of.items():
            member = group.seeds()[seed]
            assert trace.volume[-1] == pytest.approx(hypervolume(member.coordinates(member.complete), origin))
            assert (np.diff(trace.volume) >= 0).all()
            assert trace.trainings[-1] <= member.trials["trained"].sum()
            first = member.coordinates(member.complete.iloc[:1])
            assert trace.at(int(trace.trainings[0])) == pytest.approx(hypervolume(first, origin))
            assert trace.at(int(trace.trainings[0]) - 1) == 0
    assert shown.reached == min(t.trainings[-1] for _, of in shown.traces for t in of.values())


def test_differences_are_paired_where_seeds_are_shared():
    a, b = {0: 5.0, 1: 7.0, 2: 9.5, 3: 1.0}, {0: 4.0, 1: 6.5, 2: 8.0, 7: 3.0}
    found = compare_scores.difference(a, b)
    expected = stats.ttest_rel([5, 7, 9.5], [4, 6.5, 8]).confidence_interval()
    assert (found.paired, found.n) == (True, 3)
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-4)


def test_other_seeds_are_independent_samples():
    a, b = [5.0, 7.0, 9.5, 8.0], [4.0, 6.5, 8.0]
    found = compare_scores.difference(dict(enumerate(a)), {i + 9: v for i, v in enumerate(b)})
    exact = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert not found.paired
    assert found.mean == pytest.approx(np.mean(a) - np.mean(b))
    assert found.low <= exact.low < exact.high <= found.high, "degrees of freedom are rounded down"
    assert found.high - found.low < 1.3 * (exact.high - exact.low)


def test_one_seed_has_no_interval():
    assert not compare_scores.difference({0: 1.0}, {0: 2.0, 1: 3.0}).known
    assert not compare_scores.estimate([1.0]).known
    same = compare_scores.difference({0: 1.0, 1: 1.0}, {5: 1.0, 6: 1.0})
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_who_beats_whom(studies):
    random, tpe = compare_numbers.groups(studies)
    assert compare_scores.covered(tpe, random) == [1.0, 1.0, 1.0], "the same networks with less error"
    assert compare_scores.covered(random, tpe) == [0.0, 0.0, 0.0]
    assert compare_scores.covered(random, random) == [0.0] * 3, "equals do not dominate"
    assert compare_scores.pooled([random, tpe])[random.name] == 0
    alone = compare_numbers.groups([studies[0], studies[4]])
    assert len(compare_scores.covered(*alone)) == 1, "no seed is shared, so all pairs count"


@pytest.fixture(scope="module")
def written(studies, tmp_path_factory):
    out = tmp_path_factory.mktemp("compare") / "out"
    assert write_comparison(studies, out) == out / "index.html"
    return out


def test_page_stands_alone_and_answers(written, studies):
    page = (written / "index.html").read_text()
    for target in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert target.startswith(("#", "data:")) or (written / target).is_file(), target
    assert "<script" not in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    told = html.unescape(page)
    assert "<h1>mlp-random (3 seeds) and mlp-tpe (3 seeds)</h1>" in told
    assert "mlp-tpe (3 seeds) is ahead of mlp-random (3 seeds)" in told
    assert "paired by seed): more than chance." in told
    for section in compare.sections(studies):
        assert f">{section.question}</h2>" in told
        assert section.missing == ""
    assert all(f'aria-label="{html.escape(p.alt)}"' in page for s in compare.sections(studies) for p in s.pictures)


def test_only_what_differs_is_listed(studies):
    assert compare_numbers.differing(studies) == {
        "seed": ["0", "1", "2"] * 2, "sampler": ["random"] * 3 + ["tpe"] * 3
    }  # fmt: skip


def test_tables_hold_the_numbers(written, studies):
    def rows(name):
        return list(csv.DictReader(io.StringIO((written / name).read_text())))

    assert len(rows("fronts.csv")) == sum(r.trials["front"].sum() for r in studies)
    assert {r["group"] for r in rows("fronts.csv")} == {"mlp-random (3 seeds)", "mlp-tpe (3 seeds)"}
    assert [r["what"] for r in rows("differences.csv")] == ["seed", "sampler"]
    assert len(rows("hypervolume.csv")) == sum(len(r.complete) for r in studies)


def test_no_seal_is_opened_and_names_are_no_markup(make, tmp_path):
    opened = []
    pair = [make(9, PAIR, name=n, record=lambda *a: opened.append(a)) for n in ("<script>alert(1)</script>", "=1+1")]
    out = write_comparison(pair, tmp_path / "c").parent
    page = (out / "index.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "'=1+1" in (out / "fronts.csv").read_text()
    assert opened == []


@pytest.mark.parametrize(
    ("cases", "says"),
    [
        ([{"trials": 0}, {"trials": 0}], "no front of two objectives with a complete model"),
        ([{"trials": 5, "state": "failed"}, {"trials": 1}], "All complete models are of one group"),
        ([{"trials": 9}, {"trials": 20}], "nobody knows whether that is more than chance"),
        ([{"trials": 9, "objectives": ("error",)}, {"trials": 20, "objectives": ("error",)}], "no front of two"),
        (
            [{"trials": 9, "objectives": ("flops", "params")}, {"trials": 20, "objectives": ("flops", "params")}],
            "FLOPs",
        ),
    ],
)
def test_early_and_odd_studies_say_what_is_missing(make, tmp_path, cases, says):
    pair = [make(**({"objectives": PAIR} | case), name=f"s{i}", trial_count=i) for i, case in enumerate(cases)]
    assert says in html.unescape(write_comparison(pair, tmp_path / "c").read_text())


def test_a_second_write_has_the_same_bytes(studies, tmp_path):
    pages = [write_comparison(studies[:2], tmp_path / name).read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


def test_a_foreign_folder_is_refused(studies, tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose")
    with pytest.raises(UserInputError, match="no report"):
        write_comparison(studies, tmp_path)
