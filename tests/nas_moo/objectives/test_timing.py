import math
import random
import statistics

import pytest

from nas_moo.errors import MachineError, UserInputError
from nas_moo.objectives.timing import SEARCH, Sample, TimingPreset, median_interval, time_call


class FakeTimer:
    """A clock that moves only when a call says so."""

    clock = "fake"

    def __init__(self, thread_share=1.0):
        self.seconds, self.thread_share = 0.0, thread_share

    def now(self):
        return self.seconds

    def time(self, calls):
        before = self.seconds
        calls()
        wall_ms = (self.seconds - before) * 1e3
        return Sample(wall_ms, None if self.thread_share is None else wall_ms * self.thread_share)


def run(milliseconds, preset=SEARCH, *, thread_share=1.0, spent=0.0):
    """Time a call that takes ``milliseconds(number)``; return the timing, the clock and the numbers of the calls."""
    timer, numbers = FakeTimer(thread_share), []

    def call(number):
        numbers.append(number)
        timer.seconds += milliseconds(number) / 1e3

    timer.seconds = spent
    return time_call(call, timer, preset, started=0.0), timer, numbers


def noisy(base, share, seed=0):
    rng = random.Random(seed)  # noqa: S311
    return lambda number: base * math.exp(rng.gauss(0, share))


def test_a_steady_call_converges_in_eight_blocks():
    timing, timer, _ = run(lambda number: 0.5)
    assert timing.value == timing.low == timing.high == pytest.approx(0.5)
    assert timing.converged
    assert timing.steady
    assert (len(timing.block_medians), timing.samples, timing.calls_per_sample) == (8, 400, 1)
    assert timing.p95 == pytest.approx(0.5)
    assert timer.seconds < SEARCH.budget_s


def test_quick_calls_are_repeated_within_a_sample():
    timing, _, numbers = run(lambda number: 0.03)
    assert timing.calls_per_sample == 7
    assert timing.value == pytest.approx(0.03)
    assert timing.p95 is None
    assert numbers == list(range(timing.warmup + 7 * timing.samples))


def test_warm_up_lasts_until_times_no_longer_fall():
    timing, _, _ = run(lambda number: 1.0 + 5 * math.exp(-number / 8))
    assert timing.steady
    assert timing.warmup > 20
    assert timing.value == pytest.approx(1.0, rel=0.02)
    assert run(lambda number: 1.0)[0].warmup == 10


def test_warm_up_is_bounded_by_calls_and_by_time():
    few = TimingPreset(warmup_calls=6)
    assert (run(lambda number: 1.0, few)[0].warmup, run(lambda number: 1.0, few)[0].steady) == (6, False)
    falling, _, _ = run(lambda number: 20 * max(0.01, 0.9**number))
    assert not falling.steady
    assert falling.warmup < 10


def test_noise_within_the_precision_converges_and_more_does_not():
    quiet, _, _ = run(noisy(0.5, 0.02))
    assert quiet.converged
    assert quiet.value == pytest.approx(0.5, rel=0.01)
    loud, timer, _ = run(noisy(5.0, 0.3))
    assert not loud.converged
    assert (loud.high - loud.value) > SEARCH.precision * loud.value
    assert timer.seconds == pytest.approx(SEARCH.budget_s, rel=0.25)


def test_a_disturbed_block_widens_the_interval_little():
    timing, _, _ = run(lambda number: 1.5 if 150 < number < 200 else 0.5 + 0.001 * (number % 7))
    assert max(timing.block_medians) > 1.4
    assert timing.high < 0.51
    assert timing.converged


def test_a_slower_call_takes_smaller_blocks_within_the_budget():
    timing, timer, _ = run(lambda number: 5.0)
    assert len(timing.block_medians) == 8
    assert timing.samples < 50
    assert timer.seconds <= SEARCH.budget_s + 0.02
    assert timing.converged


@pytest.mark.parametrize("milliseconds", [150.0, 400.0, 5000.0])
def test_a_call_too_slow_for_the_budget_still_gives_three_samples(milliseconds):
    timing, _, _ = run(lambda number: milliseconds)
    assert timing.samples == len(timing.block_medians) == 3
    assert timing.warmup == 1
    assert not timing.converged
    assert timing.value == pytest.approx(milliseconds)
    assert timing.interval == "95 % t of log block medians"
    assert len(timing.block_medians) == 3


def test_time_spent_before_counts_towards_the_budget():
    timing, _, _ = run(lambda number: 5.0, spent=0.2)
    assert timing.samples < run(lambda number: 5.0)[0].samples
    late, _, _ = run(lambda number: 5.0, spent=7.0)
    assert late.samples == 3


def test_a_careful_preset_takes_more():
    careful = TimingPreset(name="careful", budget_s=5.0, precision=0.005, blocks=20)
    timing, _, _ = run(noisy(0.5, 0.02), careful)
    assert timing.converged
    assert len(timing.block_medians) >= 20
    assert max(timing.high - timing.value, timing.value - timing.low) <= 0.005 * timing.value


def test_wall_over_thread_time_is_reported():
    assert run(lambda number: 1.0, thread_share=0.5)[0].wall_over_thread == pytest.approx(2.0)
    assert run(lambda number: 1.0, thread_share=None)[0].wall_over_thread is None


def test_the_95th_percentile_needs_sixty_samples():
    timing, _, _ = run(lambda number: 2.0 if number % 10 == 9 else 1.0)
    assert timing.samples >= 60
    assert timing.p95 == pytest.approx(2.0)
    assert run(lambda number: 10.0)[0].p95 is None


@pytest.mark.parametrize("blocks", [3, 4, 5, 6, 8, 12, 30])
def test_the_interval_holds_its_value_and_the_true_median_in_95_of_100_cases(blocks):
    rng, held, rounds = random.Random(blocks), 0, 1500  # noqa: S311
    for _ in range(rounds):
        value, low, high, _ = median_interval([math.exp(rng.gauss(0, 0.1)) for _ in range(blocks)])
        assert 0 < low <= value <= high
        held += low <= 1 <= high
    assert 0.93 <= held / rounds <= 0.995


def test_the_value_is_the_median_of_block_medians():
    value, low, high, interval = median_interval([5.0, 1.0, 2.0, 9.0, 3.0, 4.0, 8.0, 7.0])
    assert (value, low, high) == (4.5, 1.0, 9.0)
    assert interval == "95 % sign test of block medians"
    assert value == statistics.median([5.0, 1.0, 2.0, 9.0, 3.0, 4.0, 8.0, 7.0])


def test_the_t_interval_of_three_blocks_is_the_one_by_hand():
    value, low, high, _ = median_interval([math.exp(-0.1), 1.0, math.exp(0.1)])
    half = 4.302653 * math.sqrt(math.pi / 2) * 0.1 / math.sqrt(3)
    assert (value, low, high) == pytest.approx((1.0, math.exp(-half), math.exp(half)))


def test_no_block_is_begun_that_would_pass_the_budget():
    assert run(noisy(0.5, 0.8))[1].seconds <= SEARCH.budget_s
    assert run(noisy(40.0, 0.01))[1].seconds <= SEARCH.budget_s


def test_an_error_in_the_call_comes_through():
    def call(number):
        raise ValueError("out of memory")

    with pytest.raises(ValueError, match="out of memory"):
        time_call(call, FakeTimer(), SEARCH, started=0.0)


def test_a_clock_that_stands_still_is_no_measurement():
    with pytest.raises(MachineError, match="stood still"):
        run(lambda number: 0.0)


@pytest.mark.parametrize(
    "wrong", [{"blocks": 2}, {"samples_per_block": 0}, {"budget_s": 0}, {"precision": -1}, {"warmup_share": 1.0}]
)
def test_a_preset_that_cannot_be_kept_is_refused(wrong):
    with pytest.raises(UserInputError):
        TimingPreset(**wrong)
