from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interviews.channels import (
    Grant,
    RingLog,
    RingStorage,
    SessionChannelManager,
    channel_of,
    publish,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def log(**limits) -> RingLog:
    return RingLog(clock=limits.pop("clock", Clock()), **limits)


def put(ring: RingLog, channel: str, event_type: str, reply_id: str = "r", **more) -> int:
    return ring.append(channel, event_type, json.dumps({"reply_id": reply_id, **more})).id


def ids(events) -> list[int]:
    return [event.id for event in events]


def test_events_come_back_in_order_after_an_id():
    ring = log()
    start = ring.current_id("a")
    made = [put(ring, "a", "delta") for _ in range(5)]
    assert ids(ring.read("a", start, 100)) == made
    assert ids(ring.read("a", made[1], 100)) == made[2:]
    assert ids(ring.read("a", made[1], 2)) == made[2:4]
    assert ring.read("a", made[-1], 100) == []


def test_channels_do_not_see_each_other():
    ring = log()
    start = ring.current_id("a")
    put(ring, "a", "delta")
    made = put(ring, "b", "delta")
    assert ids(ring.read("b", start, 100)) == [made]


@pytest.mark.parametrize("stranger", [0, 1, 10**40, -5])
def test_an_id_of_another_boot_gets_a_reset_and_the_reply_under_way(stranger):
    ring = log()
    put(ring, "a", "typing", "old")
    put(ring, "a", "final", "old")
    typing = put(ring, "a", "typing", "new")
    delta = put(ring, "a", "delta", "new")
    events = ring.read("a", stranger, 100)
    assert [event.type for event in events] == ["stream-reset", "typing", "delta"]
    assert json.loads(events[0].data) == {"channels": ["a"]}
    assert ids(events) == [typing - 1, typing, delta]


def test_ids_of_two_boots_differ():
    clock = Clock()
    first = log(clock=clock)
    made = put(first, "a", "delta")
    clock.now += 0.002
    second = log(clock=clock)
    put(second, "a", "delta")
    assert not second.knows("a", made)
    assert not first.knows("a", second.current_id("a"))


def test_resume_is_before_the_oldest_open_reply_else_now():
    ring = log()
    assert ring.resume_id("a") == ring.current_id("a")
    first = put(ring, "a", "typing", "one")
    put(ring, "a", "typing", "two")
    assert ring.resume_id("a") == first - 1
    put(ring, "a", "error", "one")
    assert ring.resume_id("a") == first
    put(ring, "a", "final", "two")
    assert ring.resume_id("a") == ring.current_id("a")


def test_what_was_forgotten_by_number_is_a_reset():
    ring = log(events_per_channel=3)
    made = [put(ring, "a", "delta") for _ in range(5)]
    assert ids(ring.read("a", made[1], 100)) == made[2:]
    assert [event.type for event in ring.read("a", made[0], 100)] == ["stream-reset"]


def test_what_was_forgotten_by_age_is_a_reset():
    clock = Clock()
    ring = log(clock=clock, age_s=60)
    old = put(ring, "a", "delta")
    put(ring, "b", "delta")
    clock.now += 61
    new = put(ring, "a", "delta")
    assert ids(ring.read("a", old, 100)) == [new]
    assert not ring.knows("a", old - 1)
    assert list(ring._channels) == ["a"]


def test_the_number_of_channels_is_bounded():
    ring = log(channels=2)
    first = put(ring, "a", "delta")
    put(ring, "b", "delta")
    put(ring, "c", "delta")
    assert list(ring._channels) == ["b", "c"]
    assert ring.knows("a", first)
    assert not ring.knows("a", first - 1)
    again = put(ring, "a", "delta")
    assert ids(ring.read("a", first, 100)) == [again]


def test_the_bytes_are_bounded():
    ring = log(max_bytes=10_000)
    for number in range(200):
        put(ring, f"c{number % 7}", "delta", text="x" * 300)
    assert ring.bytes <= 10_000
    assert ring.bytes == sum(
        len(event.data) + len(event.channel) + len(event.type) + 200
        for channel in ring._channels.values()
        for _at, event in channel.events
    )
    for _ in range(200):
        put(ring, "one", "delta", text="x" * 300)
    assert ring.bytes <= 10_000


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60),
    st.integers(1, 8),
    st.integers(1, 3),
)
def test_a_reader_misses_nothing_or_is_told(steps, per_channel, channels):
    """Whoever reads on from its last id has every event of its channel, or gets a reset."""
    ring = log(events_per_channel=per_channel, channels=channels)
    at = {number: ring.current_id(str(number)) for number in range(4)}
    missing: dict[int, list[int]] = {number: [] for number in range(4)}
    for number, pause in steps:
        missing[number].append(put(ring, str(number), "delta"))
        if pause > 20:
            reader = pause % 4
            events = ring.read(str(reader), at[reader], 1000)
            if events and events[0].type == "stream-reset":
                events = events[1:]
                at[reader] = ring.current_id("")
            else:
                assert ids(events) == missing[reader]
                at[reader] = ids(events)[-1] if events else at[reader]
            missing[reader] = []


def test_threads_share_one_order():
    ring = log(events_per_channel=10_000)
    start = ring.current_id("a")

    def write() -> None:
        for _ in range(500):
            put(ring, "a", "delta")

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    got = ids(ring.read("a", start, 10_000))
    assert got == list(range(start + 1, start + 2001))


def test_storage_of_every_thread_is_one_log():
    channel = channel_of("storage-test")
    start = RingStorage().get_current_id(channel)
    publish(channel, "final", {"reply_id": "r", "text": "Привет\nвсем"})
    found: list = []
    reader = threading.Thread(target=lambda: found.extend(RingStorage().get_events(channel, start)))
    reader.start()
    reader.join()
    assert [json.loads(event.data) for event in found] == [
        {"reply_id": "r", "text": "Привет\nвсем"}
    ]


def test_only_a_grant_reads_a_channel():
    manager = SessionChannelManager()
    grant = Grant(pk="u", channel="session-1")
    assert manager.can_read_channel(grant, "session-1")
    assert not manager.can_read_channel(grant, "session-2")
    assert not manager.can_read_channel(None, "session-1")
