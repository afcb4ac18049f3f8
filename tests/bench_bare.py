"""A bare PortAudio callback stream at low latency and nothing else: the floor of the bench.

A program of its own: commands come over stdin (see `COMMAND`), microphone sound leaves over stdout.
"""

import importlib
import os
import struct
import sys
import threading
from typing import Any

COMMAND = struct.Struct("<cI")  # PLAY or STOP, and how many bytes of PCM follow
PLAY, STOP = b"P", b"S"
STREAM = {"samplerate": 24_000, "channels": 1, "dtype": "int16", "latency": "low"}
STDIN, STDOUT = 0, 1
WHAT_THE_CLIENT_IMPORTS = ("voicelive_agent", "voicelive.app.run", "azure.identity")  # for its memory


def main() -> None:
    """Hold both streams open until stdin ends."""
    import sounddevice  # not above: the bench itself has no sound

    if "--imports" in sys.argv:
        for module in WHAT_THE_CLIENT_IMPORTS:
            importlib.import_module(module)
    waiting, lock = bytearray(), threading.Lock()  # which guards it, and is held to copy a block

    def fill(out: Any, frames: int, time: Any, status: Any) -> None:
        with lock:
            part = bytes(waiting[: len(out)])
            del waiting[: len(part)]
        out[:] = part + bytes(len(out) - len(part))

    def capture(block: Any, frames: int, time: Any, status: Any) -> None:
        os.write(STDOUT, block)

    with (
        sounddevice.RawOutputStream(callback=fill, **STREAM),
        sounddevice.RawInputStream(callback=capture, **STREAM),
        os.fdopen(STDIN, "rb") as commands,
    ):
        while head := commands.read(COMMAND.size):
            kind, length = COMMAND.unpack(head)
            pcm = commands.read(length)
            with lock:
                if kind == STOP:
                    waiting.clear()
                waiting += pcm


if __name__ == "__main__":
    main()
