"""Turns of large images: one is decoded at a time, in the order of the requests, whatever its format."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event, Thread

import numpy as np
import pytest

from shared.images import turns
from shared.images.decoding import decode_into
from shared.images.examination import shape_and_colour
from shared.images.formats import format_of
from shared.images.turns import NoTurn, Turns
from tests.support.data.costly_images import jpeg_of_scans, tiff_of_equal_tiles
from tests.support.data.images import encoded, smooth
from tests.support.waiting import eventually

PLAIN_FORMATS = ["PNG", "JPEG", "BMP", "GIF", "WebP"]
MILLION = 1_000_000


def ignore() -> None:
    """Check nothing."""


class Unneeded(Exception):
    """The image is no longer needed."""


def refuse() -> None:
    raise Unneeded


def test_a_second_turn_starts_when_the_first_ends() -> None:
    own, started, ended = Turns(), Event(), Event()

    def second() -> None:
        with own.turn(ignore):
            started.set()
        ended.set()

    with own.turn(ignore):
        thread = Thread(target=second)
        thread.start()
        assert not started.wait(0.05)
    thread.join(10)

    assert started.is_set()
    assert ended.is_set()


def test_turns_start_in_the_order_of_the_requests() -> None:
    own = Turns()
    order: list[int] = []

    def take(number: int) -> None:
        with own.turn(ignore):
            order.append(number)

    threads = [Thread(target=take, args=(number,)) for number in range(5)]
    with own.turn(ignore):
        for number, thread in enumerate(threads):
            thread.start()
            eventually(lambda number=number: len(own._waiting) == number + 1)  # type: ignore[misc]
    for thread in threads:
        thread.join(10)

    assert order == list(range(5))


def test_a_wait_ends_after_the_patience_and_keeps_no_turn() -> None:
    own = Turns()
    with own.turn(ignore), pytest.raises(NoTurn), own.turn(ignore, patience=0.01):
        pass

    with own.turn(ignore, patience=0.01):
        pass


def test_a_wait_ends_with_what_the_check_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "CHECK_SECONDS", 0.01)
    own = Turns()
    with own.turn(ignore), pytest.raises(Unneeded), own.turn(refuse):
        pass

    with own.turn(ignore, patience=0.01):
        pass


@pytest.mark.parametrize("name", PLAIN_FORMATS)
def test_the_header_says_whether_an_image_is_large(name: str) -> None:
    small, large = encoded(smooth(200, 300), name), encoded(smooth(300, 300), name)

    assert not turns.is_large(format_of(small), small)
    assert turns.is_large(format_of(large), large)


def test_an_image_whose_header_does_not_limit_its_memory_is_large() -> None:
    tiled = tiff_of_equal_tiles(8, 8, (4096, 4096))
    without_frame = b"\xff\xd8\xff\xd9"

    assert turns.is_large(format_of(tiled), tiled)
    assert turns.is_large(format_of(without_frame), without_frame)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(smooth(300, 300), "JPEG"), id="JPEG"),
        pytest.param(jpeg_of_scans(3, 1000), id="progressive JPEG"),
        pytest.param(encoded(smooth(300, 300), "PNG"), id="PNG"),
        pytest.param(encoded(smooth(30, 30), "AVIF"), id="AVIF"),
        pytest.param(encoded(smooth(30, 30), "TIFF"), id="TIFF"),
    ],
)
def test_a_large_image_waits_for_its_turn(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Turns()
    monkeypatch.setattr(turns, "turns", own)
    row = np.empty((8, 8), np.uint8)

    with own.turn(ignore), pytest.raises(NoTurn):
        decode_into(row, content, MILLION, patience=0.01)

    decode_into(row, content, MILLION, patience=0.01)


def test_small_images_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Turns()
    monkeypatch.setattr(turns, "turns", own)

    with own.turn(ignore):
        for name in PLAIN_FORMATS:
            decode_into(np.empty((8, 8), np.uint8), encoded(smooth(30, 30), name), MILLION, patience=0.01)


def test_the_search_for_colours_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Turns()
    monkeypatch.setattr(turns, "turns", own)
    thread = Thread(target=lambda: shape_and_colour(encoded(smooth(300, 300), "JPEG"), MILLION))

    with ExitStack() as stack:
        stack.enter_context(own.turn(ignore))
        thread.start()
        eventually(lambda: len(own._waiting) == 1)
    thread.join(10)

    assert not thread.is_alive()
