import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_bench.intervals import FEWEST_SUBJECTS, mcnemar, mover, subject_interval, tango, wilson


@st.composite
def paired_counts(draw):
    pairs = draw(st.integers(1, 4000))
    only_first = draw(st.integers(0, pairs))
    return only_first, draw(st.integers(0, pairs - only_first)), pairs


def test_the_difference_of_independent_estimates_gives_the_published_example():
    # Newcombe 1998, Stat. Med. 17, 873-890, table II (a), method 10: 56 of 70 against 48 of 80.
    difference = mover(56 / 70, wilson(56, 70), 48 / 80, wilson(48, 80))
    assert difference == pytest.approx((0.0524, 0.3339), abs=5e-5)
    mirrored = mover(48 / 80, wilson(48, 80), 56 / 70, wilson(56, 70))
    assert mirrored == pytest.approx((-0.3339, -0.0524), abs=5e-5)


def test_wilson_gives_the_published_example():
    # Newcombe 1998, Stat. Med. 17, table I, method 3: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(counts):
    successes, trials = counts
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert low < high
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


def score_by_brute_force(only_first, only_second, pairs, delta):
    """Tango's statistic, its nuisance parameter P(only second) found by trying which is likeliest."""
    low, high = max(0.0, -delta), (1 - delta) / 2
    q = np.linspace(low, high, 400_001)[1:-1]
    agree = pairs - only_first - only_second
    likelihood = only_first * np.log(q + delta) + only_second * np.log(q) + agree * np.log(1 - 2 * q - delta)
    q = q[likelihood.argmax()]
    return (only_first - only_second - pairs * delta) / math.sqrt(pairs * (2 * q + delta - delta**2))


def test_tango_gives_the_published_example():
    # Fagerland, Lydersen and Laake 2014, Stat. Med. 33, airway reactivity: 1 and 7 discordant of 21 pairs.
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("counts", [(12, 2, 50), (1, 7, 44), (40, 31, 3500), (9, 9, 200)])
def test_tango_inverts_the_score_test(counts):
    low, high = tango(*counts)
    assert score_by_brute_force(*counts, low) == pytest.approx(1.95996, abs=1e-3)
    assert score_by_brute_force(*counts, high) == pytest.approx(-1.95996, abs=1e-3)


@given(paired_counts())
def test_tango_holds_the_difference_and_is_antisymmetric(counts):
    only_first, only_second, pairs = counts
    low, high = tango(only_first, only_second, pairs)
    assert -1 <= low <= (only_first - only_second) / pairs <= high <= 1
    assert tango(only_second, only_first, pairs) == pytest.approx((-high, -low), abs=1e-9)


@given(st.integers(2, 5000))
def test_tango_without_disagreement_is_symmetric_and_not_empty(pairs):
    z2 = 1.959964**2
    assert tango(0, 0, pairs) == pytest.approx((-z2 / (pairs + z2), z2 / (pairs + z2)), rel=1e-5)


@pytest.mark.parametrize(
    ("lost_share", "won_share", "pairs"), [(0.02, 0.01, 700), (0.05, 0.05, 200), (0.004, 0.001, 3500)]
)
def test_tango_covers_the_true_difference(lost_share, won_share, pairs):
    draws = np.random.default_rng(1).multinomial(
        pairs, [lost_share, won_share, 1 - lost_share - won_share], 2000
    )
    kinds, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    intervals = [tango(int(lost), int(won), pairs) for lost, won in kinds]
    covered = sum(
        count
        for (low, high), count in zip(intervals, counts, strict=True)
        if low <= lost_share - won_share <= high
    )
    assert 0.935 <= covered / 2000 <= 0.975


def test_mcnemar_is_the_exact_binomial():
    assert mcnemar(0, 0) == 1
    assert mcnemar(10, 0) == 2 / 2**10
    assert mcnemar(1, 5) == mcnemar(5, 1) == pytest.approx(2 * (1 + 6) / 64)
    assert mcnemar(1000, 1100) == pytest.approx(math.erfc(99 / math.sqrt(2100) / math.sqrt(2)), rel=0.01)


@pytest.mark.parametrize("bad", [(5, 4), (-1, 4), (0, 0)])
def test_wilson_refuses_impossible_counts(bad):
    with pytest.raises(ValueError, match="successes"):
        wilson(*bad)


@pytest.mark.parametrize("bad", [(3, 2, 4), (-1, 0, 4), (0, 0, 0)])
def test_tango_refuses_impossible_counts(bad):
    with pytest.raises(ValueError, match="discordant"):
        tango(*bad)


def test_subject_interval_needs_some_subjects():
    hits = np.arange(40) % 3 == 0
    assert subject_interval(hits, np.arange(40) % (FEWEST_SUBJECTS - 1)) is None
    assert subject_interval(hits, np.arange(40) % FEWEST_SUBJECTS) is not None


def test_subject_interval_of_equal_subjects_is_a_point():
    assert subject_interval(np.tile([True, False], 20), np.repeat(np.arange(20), 2)) == (0.5, 0.5)
    unequal = np.repeat(np.arange(9), np.arange(1, 10) ** 2)
    assert subject_interval(np.ones(len(unequal)), unequal) == (1, 1)


def test_subject_interval_of_few_subjects_is_as_wide_as_students():
    generator = np.random.default_rng(4)
    ratios = []
    for _ in range(40):
        means = generator.normal(size=8)
        low, high = subject_interval(np.repeat(means, 3), np.repeat(np.arange(8), 3))
        ratios.append((high - low) / (2 * 2.3646 * means.std(ddof=1) / math.sqrt(8)))
    assert 0.96 < np.mean(ratios) < 1.04


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-1, 1)), min_size=60, max_size=90))
def test_subject_interval_is_antisymmetric_and_blind_to_order(rows):
    subjects, values = np.array(rows).T
    interval = subject_interval(values, subjects)
    if len(np.unique(subjects)) < FEWEST_SUBJECTS:
        assert interval is None
        return
    low, high = interval
    assert subject_interval(-values, subjects) == pytest.approx((-high, -low), abs=1e-12)
    assert subject_interval(values[::-1], subjects[::-1]) == interval


def simulated_faces(generator, subjects, images):
    """Hits of subjects that differ in how readable they are: mean accuracy 0.75."""
    skill = generator.beta(6, 2, size=subjects)
    return generator.random((subjects, images)) < skill[:, None]


def test_subject_interval_covers_new_people_where_wilson_does_not():
    generator = np.random.default_rng(3)
    subjects, images, runs = 14, 35, 150
    people = np.repeat(np.arange(subjects), images)
    over_subjects = over_images = 0
    for _ in range(runs):
        hits = simulated_faces(generator, subjects, images).ravel()
        low, high = subject_interval(hits, people)
        over_subjects += low <= 0.75 <= high
        low, high = wilson(int(hits.sum()), hits.size)
        over_images += low <= 0.75 <= high
    assert over_subjects / runs > 0.88
    assert over_images / runs < 0.75
