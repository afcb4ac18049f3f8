"""What waits for a screen or a disk, and who does not."""

import io
import os
import threading
from pathlib import Path

import pytest

from voicelive.app import writer as module
from voicelive.app.writer import Writer


class Gate(io.StringIO):
    """A stream that takes nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    def write(self, text: str) -> int:
        assert self.open.wait(10)
        return super().write(text)


def test_texts_for_two_streams_are_written_in_the_order_in_which_they_came() -> None:
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    out, err, gate = Stream(), Stream(), Gate()
    writer = Writer("test", str, pytest.fail)
    writer.put(gate, "")  # what follows waits together
    for number, stream in enumerate((out, out, err, out)):
        writer.put(stream, f"{number} ")
    gate.open.set()

    assert writer.close()
    assert written == ["0 1 ", "2 ", "3 "]


def test_what_finds_no_room_is_dropped_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10)
    told: list[str] = []
    stream = Gate()
    writer = Writer("test", str, told.append)
    for text in ("one", "two", "three is too long", "four, too", "5"):
        writer.put(stream, text)
    assert not writer.drain(0.01)
    stream.open.set()

    assert writer.close()
    assert stream.getvalue() == "onetwo5"
    assert told == ["it takes too long"]


def test_what_is_longer_than_the_room_is_written_where_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10)
    stream = io.StringIO()
    writer = Writer("test", str, pytest.fail)
    writer.put(stream, "longer than that")

    assert writer.close() and stream.getvalue() == "longer than that"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes of this kind")
@pytest.mark.parametrize("blocks", [True, False])
def test_a_pipe_that_is_read_slowly_gets_everything(tmp_path: Path, blocks: bool) -> None:
    os.mkfifo(tmp_path / "fifo")
    read = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with open(tmp_path / "fifo", "w", encoding="utf-8") as file:  # noqa: PTH123
        os.set_blocking(file.fileno(), blocks)
        os.set_blocking(read, True)
        writer = Writer("test", str, pytest.fail)
        for _ in range(300):
            writer.put(file, "é" * 999 + "\n")
        assert not writer.drain(0.1), "a pipe takes 64 KiB"
        data = b""
        while len(data) < 300 * 1999:
            data += os.read(read, 65536)

        assert writer.close()
    os.close(read)
    assert data.decode() == ("é" * 999 + "\n") * 300


def test_nobody_waits_at_the_end_for_what_takes_nothing() -> None:
    stream = Gate()
    writer = Writer("test", str, pytest.fail)
    writer.put(stream, "never")

    assert not writer.close(0.05)
    writer.put(stream, "nor this")
    stream.open.set()
    assert writer.drain(10) and stream.getvalue() == "never"
