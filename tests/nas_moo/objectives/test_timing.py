import math
import random
import statistics

import pytest

from nas_moo.errors import MachineError, UserInputError
from nas_moo.objectives.intervals import median_interval, trend
from nas_moo.objectives.timing import CAREFUL, SEARCH, Sample, TimingPreset, one_by_one, time_call, with_precision


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


def run(milliseconds, preset=SEARCH, *, thread_share=1.0, spent=0.0, settle_s=0.0):
    """Time a call that takes ``milliseconds(number)``; return the timing, the clock and the numbers of the calls."""
    timer, numbers = FakeTimer(thread_share), []

    def call(number):
        numbers.append(number)
        timer.seconds += milliseconds(number) / 1e3

    timer.seconds = spent
    return time_call(call, timer, preset, started=0.0, settle_s=settle_s), timer, numbers


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


class GapTimer(FakeTimer):
    """As a GPU's: before the first call of a sample lies a gap, in which it is handed over."""

    def __init__(self, gap_ms):
        super().__init__()
        self.gap_ms, self.runs = gap_ms, []

    def time(self, calls):
        before = self.seconds
        calls()
        self.seconds += self.gap_ms / 1e3
        wall_ms = (self.seconds - before) * 1e3
        self.runs.append(wall_ms)
        return Sample(wall_ms, host_ms=wall_ms / 2)


@pytest.mark.parametrize(("gap_ms", "call_ms"), [(0.02, 0.002), (0.05, 0.001), (0.0, 0.03), (0.1, 0.5)])
def test_samples_on_a_gpu_last_as_long_as_asked_though_single_calls_begin_with_a_gap(gap_ms, call_ms):
    timer, numbers = GapTimer(gap_ms), []

    def call(number):
        numbers.append(number)
        timer.seconds += call_ms / 1e3

    timing = time_call(call, timer, SEARCH, started=0.0)
    assert min(timer.runs[-timing.samples :]) >= SEARCH.min_sample_ms * (1 - 1e-9)
    assert timing.calls_per_sample <= 1.1 * SEARCH.min_sample_ms / call_ms + 1
    assert numbers == list(range(timing.warmup + timing.calls_per_sample * timing.samples))
    assert timing.converged
    assert timer.seconds <= SEARCH.budget_s


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


def test_a_device_whose_clocks_rise_late_is_warmed_up_until_they_have():
    """Ten calls, steady at half the clock, are over long before."""

    def milliseconds(number):
        return 0.1 if number < 400 else 0.05

    early, late = run(milliseconds)[0], run(milliseconds, settle_s=0.08)[0]
    assert (early.warmup, early.steady) == (10, True)
    assert late.warmup == pytest.approx(400 + 0.04 / 0.05e-3, abs=2)
    assert (late.steady, late.converged, late.value) == (True, True, pytest.approx(0.05))


def test_what_a_device_needs_to_settle_goes_beyond_the_share_of_the_budget():
    short = TimingPreset(budget_s=0.2, warmup_share=0.1)
    timing, timer, _ = run(lambda number: 1.0, short, settle_s=0.08)
    assert (timing.warmup, timing.steady, timing.converged) == (80, True, True)
    assert timer.seconds <= 0.2 + 1e-9


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
    assert timing.interval == "95 % t of log medians"
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
    assert 0.93 <= held / rounds <= 0.999


def test_the_value_is_the_median_of_block_medians():
    value, low, high, interval = median_interval([5.0, 1.0, 2.0, 9.0, 3.0, 4.0, 8.0, 7.0])
    assert value == 4.5
    assert low <= 1.0
    assert high >= 9.0
    assert interval == "95 % t and sign test of medians"
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


def misses(milliseconds, truth, preset, runs=100):
    """Shares of runs that say they converged, of those that are farther off than they say, and of intervals without
    the truth."""
    timings = [run(milliseconds(seed), preset)[0] for seed in range(runs)]
    converged = [t for t in timings if t.converged]
    off = sum(abs(t.value / truth - 1) > preset.precision for t in converged)
    outside = sum(not t.low <= truth <= t.high for t in timings)
    return len(converged) / runs, off / max(1, len(converged)), outside / runs


def correlated(base, share, memory):
    """Noise in which a disturbance fades by a factor e over ``memory`` calls."""

    def of(seed):
        rng, keep, state = random.Random(seed), math.exp(-1 / memory), 0.0  # noqa: S311

        def milliseconds(number):
            nonlocal state
            state = keep * state + math.sqrt(1 - keep**2) * rng.gauss(0, share)
            return base * math.exp(state)

        return milliseconds

    return of


def outliers(base, share, rate, factor):
    def of(seed):
        rng = random.Random(seed)  # noqa: S311
        return lambda number: base * math.exp(rng.gauss(0, share)) * (factor if rng.random() < rate else 1)

    return of


@pytest.mark.parametrize(
    ("noise", "truth", "least_converged", "most_off", "most_outside"),
    [
        (lambda seed: noisy(0.5, 0.02, seed), 0.5, 1.0, 0.0, 0.05),
        (correlated(0.5, 0.02, memory=10), 0.5, 1.0, 0.0, 0.05),  # a fifth of a block
        (correlated(0.5, 0.02, memory=50), 0.5, 0.95, 0.08, 0.10),  # a block
        # The median of the mixture is the 0.5 / 0.95 quantile of the noise.
        (outliers(0.5, 0.02, 0.05, 50), 0.5 * math.exp(0.02 * 0.066), 0.95, 0.0, 0.05),
    ],
)
def test_miss_rates_of_the_stopping_rule_at_one_per_cent(noise, truth, least_converged, most_off, most_outside):
    converged, off, outside = misses(noise, truth, CAREFUL)
    assert converged >= least_converged
    assert off <= most_off
    assert outside <= most_outside


def test_a_throttling_ramp_is_not_called_converged_while_it_lasts():
    """A clock that falls for ever: the value depends on when one looks, and the measurement has to say so."""

    def of(seed):
        rng = random.Random(seed)  # noqa: S311
        return lambda number: 0.5 * (1 + number / 20_000) * math.exp(rng.gauss(0, 0.002))

    timings = [run(of(seed), CAREFUL)[0] for seed in range(8)]
    assert not any(t.converged for t in timings)
    assert all(t.trend > CAREFUL.precision for t in timings)


def test_a_ramp_that_ends_is_outlasted():
    def milliseconds(number):
        return 0.5 * (1 + 0.1 * min(number / 2000, 1))

    timing, _, _ = run(milliseconds, CAREFUL)
    assert timing.converged
    assert timing.value == pytest.approx(0.55, rel=0.01)


def test_a_trend_is_no_chance():
    assert trend([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]) == pytest.approx(1.65 / 1.05 - 1)
    assert trend([1.0]) == 0
    found = [trend([math.exp(random.Random(s + 97 * b).gauss(0, 1)) for b in range(8)]) for s in range(200)]  # noqa: S311
    assert sum(t != 0 for t in found) <= 20


def test_percentiles_need_three_samples_beyond_them():
    timing, _, _ = run(lambda number: 4.0 if number % 50 == 49 else 1.0, CAREFUL)
    assert timing.samples >= 300
    assert timing.p99 == pytest.approx(4.0)
    short, _, _ = run(lambda number: 2.0)
    assert 60 <= short.samples < 300
    assert (short.p95, short.p99) == (pytest.approx(2.0), None)


@pytest.mark.parametrize(
    ("preset", "milliseconds", "p95", "p99"),
    [
        (SEARCH, 0.7, True, True), (SEARCH, 1.0, True, False), (SEARCH, 4.0, True, False), (SEARCH, 6.0, False, False),
        (CAREFUL, 6.0, True, True), (CAREFUL, 25.0, True, True), (CAREFUL, 40.0, True, False),
    ],
)  # fmt: skip
def test_slow_calls_have_no_percentiles_until_there_is_time_for_them(preset, milliseconds, p95, p99):
    """What the guide says of ``--max latency_p99`` in a search, and with ``--precision 1%``."""
    timing, _, _ = run(noisy(milliseconds, 0.02), one_by_one(preset))
    assert (timing.p95 is not None, timing.p99 is not None) == (p95, p99)


def test_the_host_s_share_is_reported_where_the_work_is_elsewhere():
    timer = FakeTimer()

    def time_on_a_gpu(calls):
        sample = FakeTimer.time(timer, calls)
        return Sample(sample.wall_ms, None, 0.97 * sample.wall_ms)

    timer.time = time_on_a_gpu

    def call(number):
        timer.seconds += 1e-3

    timing = time_call(call, timer, SEARCH, started=0.0)
    assert timing.host_share == pytest.approx(0.97)
    assert timing.wall_over_thread is None
    assert run(lambda number: 1.0)[0].host_share is None


def test_what_runs_before_each_sample_is_not_timed_but_counts_towards_the_budget():
    timer, flushed = FakeTimer(), []

    def flush():
        flushed.append(timer.seconds)
        timer.seconds += 4e-3

    def call(number):
        timer.seconds += 1e-4

    timing = time_call(call, timer, SEARCH, started=0.0, before=flush)
    assert timing.value == pytest.approx(0.1)
    assert timing.calls_per_sample == 1
    assert len(flushed) == timing.warmup + timing.samples
    assert timer.seconds <= SEARCH.budget_s


@pytest.mark.parametrize("jumps", [1, 3])
def test_a_clock_that_jumps_ahead_costs_a_block_and_no_budget(jumps):
    timing, _, _ = run(lambda number: 3600e3 if number in range(100, 100 + 60 * jumps, 60) else 0.5)
    assert timing.jumps == jumps
    assert (len(timing.block_medians), timing.converged) == (8, True)
    assert timing.value == pytest.approx(0.5)


def test_a_clock_that_keeps_jumping_is_no_reason_to_go_on_for_ever():
    timing, _, _ = run(lambda number: 3600e3 if number > 10 and number % 50 == 7 else 0.5)
    assert timing.jumps == 3
    assert not timing.converged


def test_a_clock_that_runs_backwards_is_told():
    with pytest.raises(MachineError, match="ran backwards"):
        run(lambda number: -5.0 if number == 60 else 0.5)


def test_a_precision_asks_for_the_careful_preset():
    assert with_precision(None) is SEARCH
    assert with_precision(None, CAREFUL) is CAREFUL
    assert with_precision(0.005).precision == 0.005
    assert with_precision(0.005).budget_s == CAREFUL.budget_s
    for wrong in (0.0, -1, 0.5, math.nan):
        with pytest.raises(UserInputError, match="precision"):
            with_precision(wrong)
