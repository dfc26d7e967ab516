"""Which records a step sees."""

from collections import Counter
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.order import PATTERN, Mixture, Place, Stream, share
from clip_in_training.finetune.readers.substitutes import substitutes


class Toy:
    """Groups of given sizes; their content does not matter here."""

    def __init__(self, sizes, weight=1.0, group_bytes=0):
        self.sizes, self.group_bytes = sizes, group_bytes
        self.recipe = SimpleNamespace(weight=weight)

    def __len__(self):
        return sum(self.sizes)

    def __str__(self):
        return "toy"

    def groups(self):
        ends = np.cumsum(self.sizes)
        return [range(e - s, e) for s, e in zip(self.sizes, ends.tolist(), strict=True)]


SIZES = [7, 1, 30, 12, 25, 10, 15] * 9


def test_an_epoch_has_every_row_once_in_another_order_each_time():
    stream = Stream(Toy(SIZES), [1])
    n = sum(SIZES)
    epochs = [stream.rows(e * n, n).tolist() for e in range(3)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != Stream(Toy(SIZES), [2]).rows(0, n).tolist()


def test_a_position_in_the_stream_always_has_the_same_row():
    stream, n = Stream(Toy(SIZES), [1]), sum(SIZES)
    whole = stream.rows(0, 3 * n).tolist()
    again = Stream(Toy(SIZES), [1])
    for start in np.random.default_rng(0).integers(0, 2 * n, 50):
        assert again.rows(start, 70).tolist() == whole[start : start + 70]


@pytest.mark.parametrize("step", [7, 40])
def test_no_row_comes_twice_in_a_step_that_two_epochs_share(step):
    sizes = [40] * 8  # Two windows: each epoch begins and ends with half of the rows.
    stream, n = Stream(Toy(sizes, group_bytes=128 << 20), [1], step), sum(sizes)
    plain = Stream(Toy(sizes, group_bytes=128 << 20), [1])
    repeats = {stream: 0, plain: 0}
    for start in range(0, 6 * n):
        for kind in repeats:
            repeats[kind] += len(set(kind.rows(start, step).tolist())) < step
    assert repeats[stream] == 0 < repeats[plain]
    for epoch in range(6):
        assert sorted(stream.rows(epoch * n, n).tolist()) == list(range(n))


def test_few_groups_are_needed_at_a_time():
    stream = Stream(Toy([20] * 100, group_bytes=128 << 20), [1])
    assert stream.window == 4
    rows = stream.rows(0, 2000)
    for start in range(0, 2000, 80):
        window = stream.group_of(rows[start : start + 80])
        assert len(set(window.tolist())) == 4
        # Mixed: the groups of a window alternate.
        assert (np.diff(window) != 0).sum() > 40
    # Groups far apart come together.
    assert np.abs(np.diff(stream.group_of(rows))).max() > 50
    assert (
        Stream(Toy([20] * 100), [1]).window == 16 and Stream(Toy([20], group_bytes=1 << 40), [1]).window == 1
    )


def test_sources_have_exactly_their_shares():
    readers = [(0, Toy([5000], 1.0)), (2, Toy([3000], 2.5)), (3, Toy([900], 0.01))]
    mixture = Mixture(readers, 64, seed=1, role=0)
    steps = [mixture.step(s) for s in range(PATTERN // 64)]
    counts = Counter(place.source for places in steps for place in places)
    shares = {0: 1 / 3.51, 2: 2.5 / 3.51, 3: 0.01 / 3.51}
    assert all(abs(counts[k] - PATTERN * part) <= 2 for k, part in shares.items())
    # The mix is even: no step is far off.
    for places in steps:
        assert abs(Counter(place.source for place in places)[2] - 64 * shares[2]) <= 2
    for k, length in ((0, 5000), (2, 3000)):
        seen = [place.row for places in steps for place in places if place.source == k]
        assert len(set(seen)) == len(seen) <= length


def test_each_source_goes_through_its_own_epochs():
    mixture = Mixture([(0, Toy([30, 30], 1.0)), (1, Toy([500], 1.0))], 10, seed=1, role=0)
    seen = [p.row for s in range(24) for p in mixture.step(s) if p.source == 0]
    assert len(seen) == 120
    assert sorted(seen[:60]) and {seen.count(row) for row in range(60)} == {2}


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_processes_share_a_step(world):
    mixture = Mixture([(0, Toy([50] * 40)), (1, Toy([50] * 40))], 48, seed=3, role=1)
    for step in (0, 7, 1000):
        places = mixture.step(step)
        parts = [share(places, rank, world) for rank in range(world)]
        assert list(chain(*parts)) == places and len(set(places)) == 48
        assert {len(part) for part in parts} == {48 // world}


def test_roles_have_orders_of_their_own():
    steps = [Mixture([(0, Toy([100]))], 8, seed=1, role=role).step(0) for role in (0, 1)]
    assert steps[0] != steps[1]


def test_a_source_that_is_smaller_than_a_step_is_refused():
    with pytest.raises(DataError, match="toy has 7 records, and a step takes up to 8 of them"):
        Mixture([(0, Toy([7]))], 8, seed=1, role=0)
    with pytest.raises(DataError, match="toy has 3 records, and a step takes up to 4 of them"):
        Mixture([(0, Toy([3])), (1, Toy([100]))], 8, seed=1, role=0)


def test_substitutes_are_distinct_near_first_and_the_same_again():
    planned = [Place(0, 1, 100 + row) for row in range(0, 20, 2)] + [Place(0, 2, 250), Place(1, 1, 101)]
    tried = [list(substitutes(p, planned, range(100, 200), 1000, [1, 2])) for p in planned[:10]]
    assert tried == [list(substitutes(p, planned, range(100, 200), 1000, [1, 2])) for p in planned[:10]]
    near = [row for rows in tried for row in rows[:8]]
    assert len(set(near)) == len(near) and all(100 <= row < 200 for row in near)
    assert not set(chain(*tried)) & {p.row for p in planned if p.source == 0}
    assert all(any(not 100 <= row < 200 for row in rows[8:]) for rows in tried)
    assert tried != [list(substitutes(p, planned, range(100, 200), 1000, [1, 3])) for p in planned[:10]]
    # A group and a source without any rows left.
    alone = [Place(0, 0, 5)]
    assert 5 not in list(substitutes(alone[0], alone, range(5, 6), 9, [1]))
    assert list(substitutes(alone[0], [Place(0, 0, r) for r in range(9)], range(0, 9), 9, [1])) == []
