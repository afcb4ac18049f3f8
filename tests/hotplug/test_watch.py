"""Who looks after the sound cards goes on, whatever happens."""

import threading
from typing import Any, cast

from voicelive.extras.hotplug import Watch


class Odd:
    """A stream whose state cannot be told the first two times."""

    kind, xruns, latency = "input", 0, "low"

    def __init__(self) -> None:
        self.looks = 0
        self.looked_at_again = threading.Event()

    @property
    def is_lost(self) -> bool:
        self.looks += 1
        if self.looks < 3:
            raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "a name that is no text")
        self.looked_at_again.set()
        return False


def test_no_exception_ends_the_watch() -> None:
    stream = Odd()
    watch = Watch([cast(Any, stream)], lambda text: None)
    try:
        assert stream.looked_at_again.wait(10)
    finally:
        watch.close()
