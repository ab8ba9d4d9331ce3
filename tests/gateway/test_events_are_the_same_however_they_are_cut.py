"""The bytes of a stream make the same events wherever the network cuts them, in every spelling that the standard allows."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.gateway import sse
from apps.gateway.sse import EventSplitter, EventTooLarge, frame

# Pieces that streams are made of, and all that could be taken for the end of a line.
PIECES = [b"data: ", b"data:", b"data", b"d", b"{}", b"[DONE]", b": ping", b"event: x", b"id: 1", b" ", b"a",
          b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\x0b", b"\x0c", b"\x1c", b"\x85", "\u2028".encode(), "名".encode(), b"\xff", b"\x00"]  # fmt: skip
streams = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


def events(stream: bytes, cuts: list[int]) -> list[bytes]:
    splitter = EventSplitter()
    found = []
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        if start < end:
            found += splitter.feed(stream[start:end])
    return found + splitter.finish()


def by_the_standard(stream: bytes) -> list[bytes]:
    """WHATWG HTML §9.2.6, line by line; with what the last event lacks an empty line for, as backends do leave it out."""
    found, data = [], []
    for line in [*re.split(rb"\r\n|\n|\r", stream), b""]:
        field, _, value = line.partition(b":")
        if line and field == b"data":
            data.append(value.removeprefix(b" "))
        elif not line and data:
            found.append(b"\n".join(data))
            data = []
    return found


@given(streams, st.lists(st.integers(0, 200), max_size=10))
@example(b"data: a\r\rdata: b", [9])
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [8, 9, 10])
@example(b"data: a\n\r\ndata: b", [])
@example(b"\n\n\ndata: a\n\n\n\ndata: b\n", [1, 2, 3])
def test_any_cut_gives_the_events_of_the_standard(stream, cuts):
    assert events(stream, cuts) == by_the_standard(stream)


@given(streams)
def test_byte_by_byte_gives_the_events_of_the_standard(stream):
    assert events(stream, list(range(len(stream)))) == by_the_standard(stream)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_there_with_the_packet_that_ends_it(newline):
    splitter = EventSplitter()
    assert splitter.feed(b"data: a" + newline) == []
    first = splitter.feed(newline)
    # A lone \r may go on as \r\n, so its event comes with the byte after it.
    assert first + splitter.feed(b"data: b") + splitter.feed(newline) == [b"a"]


@pytest.mark.parametrize("packet", [b"x", b"data: x\n"], ids=["one line", "many lines"])
def test_an_event_without_end_is_refused_before_it_fills_the_memory(monkeypatch, packet):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1_000)
    splitter = EventSplitter()
    splitter.feed(packet * (1_000 // len(packet)))
    with pytest.raises(EventTooLarge):
        splitter.feed(packet + b"y" * 8)


def cpu_s(packets: list[bytes]) -> float:
    """CPU seconds to split a stream; the best of three, since the machine has other things to do."""
    best = float("inf")
    for _ in range(3):
        splitter = EventSplitter()
        started = time.thread_time()
        for packet in packets:
            splitter.feed(packet)
        splitter.finish()
        best = min(best, time.thread_time() - started)
    return best


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_one_large_event_costs_about_what_the_same_bytes_in_small_events_cost(newline):
    lines = [b"data: " + b"x" * 20 + newline] * 5_000
    small = [line + newline for line in lines]
    # Work that grows with the square of an event is some thirty times as much here, and more.
    assert cpu_s(lines) < 8 * cpu_s(small)


def test_many_small_events_do_not_count_as_one_large_one(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    splitter = EventSplitter()
    assert sum(len(splitter.feed(b"data: 0123456789\n\n")) for _ in range(1_000)) == 1_000


@given(st.lists(st.sampled_from([b'{"a":1', b',"b":"\\n"', b"}", b"\n", b"\r\n", b"\r", b" "]), max_size=8).map(b"".join))
def test_a_frame_is_one_line_and_says_the_same(payload):
    [event] = EventSplitter().feed(frame(payload))
    assert event.split() == payload.split()
    assert frame(payload).count(b"\n") == 2
    assert b"\r" not in frame(payload)
