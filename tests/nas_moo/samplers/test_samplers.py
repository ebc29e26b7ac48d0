"""Samplers propose new architectures inside the space, and say when there is none left."""

import optuna
import pytest

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.genes import Categorical, Integer, Real, at_least
from nas_moo.genome import Genome
from nas_moo.samplers import SAMPLERS, SamplerOptions, check_sampler, load_sampler
from nas_moo.samplers.distributions import SpaceExhaustedError, distributions, parameters
from nas_moo.samplers.grid import check_grid_ends, duration

SMALL = Genome(
    Integer("depth", 1, 3),
    Categorical("width", (4, 8), ordered=True, active=at_least("depth", 2)),
    Categorical("rate", (0.1, 0.01), affects="training"),
)


def drive(sampler_name, genome, trials, seed=0, population=4):
    """Ask and tell with a made-up trade-off; the architectures in order, and how it ended."""
    known, found = set(), []
    options = SamplerOptions(seed=seed, population=population, grid_steps=3)
    sampler = load_sampler(sampler_name, genome, options, lambda a: a.digest in known)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    for _ in range(trials):
        try:
            trial = study.ask(fixed_distributions=distributions(genome))
        except SpaceExhaustedError as end:
            study.tell(end.trial, state=optuna.trial.TrialState.FAIL)
            return found, end
        architecture = genome.architecture(trial.params)
        known.add(architecture.digest)
        found.append(architecture)
        cost = architecture["depth"] * architecture.get("width", 2)
        study.tell(trial, [1.0 / cost + architecture["rate"], float(cost)])
    return found, None


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize("name", [s for s in SAMPLERS if s != "gp"])
def test_every_architecture_of_a_small_space_is_proposed_once(name):
    found, end = drive(name, SMALL, trials=20)
    assert len(found) == SMALL.size() == 10
    assert len({a.digest for a in found}) == 10
    assert end is not None
    assert end.value in (10, "grid")


def test_gp_proposes_distinct_architectures():
    found, _ = drive("gp", SMALL, trials=7)
    assert len({a.digest for a in found}) == 7


def test_a_large_space_is_exhausted_when_the_sampler_has_nothing_new():
    wide = Genome(*[Integer(f"g{i}", 0, 9) for i in range(8)])
    sampler = load_sampler("random", wide, SamplerOptions(), lambda _: True)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    with pytest.raises(SpaceExhaustedError, match="100 proposals in a row were known"):
        study.ask(fixed_distributions=distributions(wide))


def test_one_seed_gives_one_sequence_and_another_another():
    wide = Genome(Integer("depth", 1, 50), Real("rate", 0.0, 1.0), Integer("width", 1, 50))
    first, again, other = (drive("optuna-nsga2", wide, 15, seed=s)[0] for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_nsga2_gathers_on_the_better_side_of_a_plain_problem():
    """On a space where random search has a chance of 1 in 50 a gene, bred proposals come out lower on average."""
    genome = Genome(*[Integer(f"g{i}", 0, 49) for i in range(4)])

    def total(name):
        options = SamplerOptions(seed=1, population=10)
        study = optuna.create_study(
            directions=["minimize"] * 2, sampler=load_sampler(name, genome, options, lambda _: False)
        )
        sums = []
        for _ in range(150):
            trial = study.ask(fixed_distributions=distributions(genome))
            sums.append(sum(trial.params.values()))
            study.tell(trial, [float(sums[-1]), float(max(trial.params.values()))])
        return sum(sums[-50:])

    assert total("optuna-nsga2") < 0.7 * total("random")


def test_inactive_genes_get_a_value_for_optuna():
    architecture = SMALL.architecture({"depth": 1, "rate": 0.1})
    assert parameters(architecture, SMALL) == {"depth": 1, "width": 4, "rate": 0.1}


def test_the_grid_walks_real_genes_in_steps():
    genome = Genome(Real("rate", 0.001, 0.1, log=True), Integer("depth", 1, 2))
    found, _ = drive("grid", genome, 10)
    assert [(round(a["rate"], 6), a["depth"]) for a in found] == [
        (0.001, 1), (0.001, 2), (0.01, 1), (0.01, 2), (0.1, 1), (0.1, 2),
    ]  # fmt: skip


def test_a_grid_that_cannot_end_is_refused_with_the_arithmetic():
    with pytest.raises(UserInputError, match=r"1,000 points x 2 s measured for one = 33\.3 min") as refused:
        check_grid_ends(1000, 60, lambda: 2.0, None)
    assert refused.value.value == "--trials 60"
    with pytest.raises(UserInputError, match="within the time limit"):
        check_grid_ends(100, 100, lambda: 2.0, 150.0)


def test_a_grid_that_ends_is_not_timed():
    check_grid_ends(60, 60, lambda: pytest.fail("needless measurement"), None)
    check_grid_ends(60, 60, lambda: 1.0, 61.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "3 s"), (119, "119 s"), (240, "4 min"), (7200, "2 h"), (86400 * 3, "3 days"), (1.3e11, "4,119 years")],
)
def test_durations_are_said_in_the_unit_that_fits(seconds, text):
    assert duration(seconds) == text


def test_an_unknown_sampler_is_refused():
    with pytest.raises(UnknownNameError, match="unknown sampler"):
        check_sampler("nsga9")


@pytest.mark.parametrize("options", [{"population": 1}, {"grid_steps": 1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(UserInputError):
        SamplerOptions(**options)


@pytest.mark.parametrize("name", ["tpe", "optuna-nsga2", "nsga3", "random"])
def test_no_sampler_stops_early_on_categories(name):
    """Of few categories TPE proposes the same again and again; it must not end a search on 4,096 architectures."""
    genome = Genome(*[Categorical(f"op_{i}", ("none", "skip", "conv", "pool")) for i in range(6)])
    known = set()
    sampler = load_sampler(name, genome, SamplerOptions(population=10), lambda a: a.digest in known)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    for _ in range(60):
        trial = study.ask(fixed_distributions=distributions(genome))
        known.add(genome.architecture(trial.params).digest)
        study.tell(
            trial, [sum(v != "conv" for v in trial.params.values()), sum(v == "conv" for v in trial.params.values())]
        )
    assert len(known) == 60
