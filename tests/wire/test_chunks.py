"""Messages in chunks: each sender has its own, bounded, and forgotten when they stop growing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.core.errors import BadCall, QuotaExceeded, TimedOut
from hyphad.wire.chunks import IDLE_SECONDS, MAX_KEY, MAX_KEYS, MIN_COST, ChunkStore

KIB = 1024
ME, OTHER = "ws-a/c1", "ws-b/c2"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return ChunkStore(per_sender=64 * KIB, total=256 * KIB, clock=clock)


@given(st.lists(st.binary(max_size=300), max_size=8), st.randoms(use_true_random=False))
def test_chunks_in_any_order_make_the_message(pieces, random):  # WIRE-75
    store = ChunkStore(64 * KIB, 256 * KIB)
    store.create(ME, "k")
    order = list(enumerate(pieces))
    random.shuffle(order)
    for index, piece in order:
        store.put(ME, "k", index, piece)
    assert store.take(ME, "k") == b"".join(pieces)
    assert store.size == 0
    assert store._partials == store._sizes == {}


def test_chunks_that_are_appended(store):  # WIRE-75
    store.create(ME, "k")
    for piece in (b"a", b"", b"b"):
        store.put(ME, "k", None, piece)
    assert store.take(ME, "k") == b"ab"


def test_a_message_is_handed_out_once(store):  # WIRE-76
    store.create(ME, "k")
    store.put(ME, "k", 0, b"x")
    store.take(ME, "k")
    with pytest.raises(TimedOut, match=r"^Message with key k does not exists\.$"):
        store.take(ME, "k")


def test_senders_do_not_see_each_others_messages(store):  # WIRE-76, WIRE-123
    store.create(ME, "k")
    store.put(ME, "k", 0, b"mine")
    for attempt in (
        lambda: store.put(OTHER, "k", 0, b"theirs"),
        lambda: store.take(OTHER, "k"),
    ):
        with pytest.raises(TimedOut):
            attempt()
    store.create(OTHER, "k")
    store.put(OTHER, "k", 0, b"theirs")
    store.remove(OTHER, "k")
    assert store.take(ME, "k") == b"mine"


def test_a_message_with_a_hole_is_refused_and_forgotten(store):  # WIRE-76
    for indexes in ((1,), (0, 2), (-1, 0)):
        store.create(ME, "k")
        for index in indexes:
            store.put(ME, "k", index, b"x")
        with pytest.raises(BadCall, match=r"^Message with key k is incomplete\.$"):
            store.take(ME, "k")
        assert store.size == 0


def test_a_message_begun_anew_has_nothing_of_the_old(store):
    store.create(ME, "k")
    store.put(ME, "k", 0, b"old" * 1000)
    store.create(ME, "k")
    assert store.size == 0
    store.put(ME, "k", 0, b"new")
    assert store.take(ME, "k") == b"new"


def test_a_chunk_sent_again_replaces_the_first(store):
    store.create(ME, "k")
    for piece in (b"x" * 1000, b"y" * 2000, b"z" * 500):
        store.put(ME, "k", 0, piece)
        assert store.size == len(piece)
    assert store.take(ME, "k") == b"z" * 500


def test_the_most_one_sender_may_leave_unfinished(store):  # D-16
    store.create(ME, "a")
    store.create(ME, "b")
    store.put(ME, "a", 0, b"x" * 32 * KIB)
    store.put(ME, "b", 0, b"x" * 32 * KIB)
    with pytest.raises(QuotaExceeded) as caught:
        store.put(ME, "b", 1, b"x")
    assert caught.value.rpc_text == (
        "RuntimeError: Message too large for the server: at most 65536 bytes per client may be "
        "unfinished. Call the other client directly, or send less at a time."
    )
    assert store.size == 32 * KIB, "the message that did not fit is forgotten"
    with pytest.raises(TimedOut):
        store.take(ME, "b")
    assert len(store.take(ME, "a")) == 32 * KIB


def test_the_most_all_senders_may_leave_unfinished(store):  # D-16
    senders = [f"ws-a/c{i}" for i in range(5)]
    for sender in senders:
        store.create(sender, "k")
    for sender in senders[:4]:
        store.put(sender, "k", 0, b"x" * 64 * KIB)
    with pytest.raises(QuotaExceeded):
        store.put(senders[4], "k", 0, b"x")
    store.drop(senders[0])
    store.create(senders[4], "k")
    store.put(senders[4], "k", 0, b"x" * 64 * KIB)
    assert store.size == 256 * KIB


@pytest.mark.parametrize("piece", [b"", b"x", b"x" * MIN_COST])
def test_tiny_chunks_count_for_the_memory_they_take(store, piece):  # D-16
    store.create(ME, "k")
    for index in range(64 * KIB // MIN_COST):
        store.put(ME, "k", index, piece)
    with pytest.raises(QuotaExceeded):
        store.put(ME, "k", 64 * KIB // MIN_COST, piece)


def test_the_most_messages_one_sender_may_begin(store):  # WIRE-76
    for index in range(MAX_KEYS):
        store.create(ME, f"k{index}")
    with pytest.raises(QuotaExceeded, match="at most 256 per client"):
        store.create(ME, "one more")
    store.create(ME, "k0")
    store.create(OTHER, "k")
    store.remove(ME, "k0")
    store.create(ME, "one more")


def test_messages_that_stop_growing_are_dropped(store, clock):  # D-16
    for key in ("idle", "grows"):
        store.create(ME, key)
        store.put(ME, key, 0, b"x" * 1000)
    clock.now = IDLE_SECONDS - 1
    store.put(ME, "grows", 1, b"y")
    clock.now = IDLE_SECONDS + 2
    store.create(OTHER, "k")
    assert store.size == 1000 + MIN_COST
    with pytest.raises(TimedOut):
        store.put(ME, "idle", 1, b"y")
    clock.now = 3 * IDLE_SECONDS
    store.sweep()
    assert store.size == 0
    assert store._partials == store._sizes == {}


@pytest.mark.parametrize("key", [None, 5, b"k", ["k"], {"k": 1}, "k" * (MAX_KEY + 1)])
def test_keys_that_are_none(store, key):
    with pytest.raises(BadCall, match=r"^message_cache: the key must be a string"):
        store.create(ME, key)
    assert store._partials == {}


def test_the_longest_key(store):
    store.create(ME, "k" * MAX_KEY)
    store.put(ME, "k" * MAX_KEY, 0, b"x")
    assert store.take(ME, "k" * MAX_KEY) == b"x"


def test_the_idle_are_looked_for_once_a_second(store, clock):
    store.create(ME, "a")
    clock.now = IDLE_SECONDS
    store.create(OTHER, "b")
    clock.now += 0.5
    store.sweep()
    store.put(ME, "a", 0, b"late, but nobody has looked yet")
    clock.now += 10 * IDLE_SECONDS
    store.sweep()
    assert store.size == 0


@pytest.mark.parametrize(
    ("index", "data"), [("0", b"x"), (0, "text"), (0, None), (1.0, b"x"), (0, bytearray(b"x"))]
)
def test_chunks_that_are_none(store, index, data):
    store.create(ME, "k")
    with pytest.raises(BadCall, match=r"^message_cache: a chunk is an index and bytes$"):
        store.put(ME, "k", index, data)
    assert store.size == 0


def test_a_sender_that_has_gone_leaves_nothing(store):
    for key in ("a", "b"):
        store.create(ME, key)
        store.put(ME, key, 0, b"x" * 1000)
    store.create(OTHER, "k")
    store.put(OTHER, "k", 0, b"y" * 1000)
    store.drop(ME)
    assert store.size == 1000
    store.drop("ws-a/never-here")
    store.remove(OTHER, "never begun")
    assert store.take(OTHER, "k") == b"y" * 1000


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["create", "put", "take", "remove", "drop"]),
            st.sampled_from([ME, OTHER]),
            st.sampled_from(["a", "b"]),
            st.integers(-1, 3),
            st.binary(max_size=600),
        ),
        max_size=40,
    )
)
def test_the_books_are_right_whatever_happens(steps):  # D-16
    store = ChunkStore(per_sender=1500, total=2000)
    for name, sender, key, index, data in steps:
        try:
            if name == "put":
                store.put(sender, key, index, data)
            elif name == "drop":
                store.drop(sender)
            else:
                getattr(store, name)(sender, key)
        except (BadCall, QuotaExceeded, TimedOut):
            pass
        sizes = {
            sender: sum(
                max(len(part), MIN_COST)
                for partial in mine.values()
                for part in partial.parts.values()
            )
            for sender, mine in store._partials.items()
        }
        assert store.size == sum(sizes.values()) <= 2000
        assert all(size <= 1500 for size in sizes.values())
        assert {s: n for s, n in store._sizes.items() if n} == {s: n for s, n in sizes.items() if n}
        assert set(store._sizes) <= set(store._partials)
