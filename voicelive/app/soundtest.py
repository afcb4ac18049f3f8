"""Three seconds of the microphone, played on the speaker: whether a person hears, and is heard."""

import math
import os
import sys
import threading
import time
from contextlib import closing

from voicelive import failures
from voicelive.app.logs import c_libraries_into
from voicelive.app.terminal import is_terminal, level
from voicelive.audio import BYTES_A_SECOND, FRAME_BYTES, SAMPLE_RATE
from voicelive.errors import VoiceLiveError
from voicelive.soundcard import WAKE_S, Microphone, Speaker
from voicelive.text import printable
from voicelive.uplink import LEAST_PEAK, peak

RECORDED_S = 3
END = bytes(SAMPLE_RATE // 5 * FRAME_BYTES)  # 0.2 s: what was said is heard before the speaker is closed
CLIPPED = 32_767 / 32_768  # of full scale: there is nothing above
QUIET = 0.01  # 40 dB below it: most speech is 20 dB louder
METER_S = 0.05
SLICE_S = 0.25  # in which Ctrl-C is noticed


def hear_yourself(input_device: str | None, output_device: str | None, channel: int | None) -> None:
    """Record, tell how loud it was, and play it. The devices are numbers or parts of names; the channel is
    the microphone's, from 1.

    Raises VoiceLiveError: exit code 2 for a device that is not there, else for one that fails, and for
    a microphone that gives nothing but silence.
    """
    with (
        c_libraries_into(lambda text: None),
        closing(Microphone(input_device, channel)) as microphone,
        closing(Speaker(output_device)) as speaker,
    ):
        tell(f"Microphone: {microphone.stream.about}\nSpeaker: {speaker.stream.about}")
        tell(f"Speak now: {RECORDED_S} seconds are recorded.")
        pcm = recorded(microphone)
        tell(verdict(peak(pcm)))
        tell("Now you should hear them.")
        play(speaker, pcm)
        tell("Done. Nothing was kept.")


def tell(line: str) -> None:
    """A line, at once."""
    print(printable(line), flush=True)


def recorded(microphone: Microphone) -> bytes:
    """The next seconds, while a terminal shows a meter. Raises VoiceLiveError where they do not come."""
    timer = threading.Timer(RECORDED_S + WAKE_S, microphone.close)  # ends the iteration
    timer.daemon = True
    timer.start()
    pcm, meter = bytearray(), Meter()
    try:
        for block in microphone:
            pcm += block
            meter.show(peak(block))
            if len(pcm) >= RECORDED_S * BYTES_A_SECOND:
                return bytes(pcm)
    finally:
        timer.cancel()
        meter.hide()
    raise VoiceLiveError(f"{microphone.name} gives no sound, or not enough.", "Try another --input-device.")


class Meter:
    """The loudness as a bar in the terminal, which stays in its line; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._is_shown = is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"
        self._drawn_at = -math.inf  # seconds of time.monotonic()
        self._loudest = 0.0  # since then

    def show(self, loudness: float) -> None:
        """The peak of the next block, 0 to 1."""
        self._loudest = max(self._loudest, loudness)
        if self._is_shown and time.monotonic() - self._drawn_at >= METER_S:
            print(f"\r{level(self._loudest)}", end="", flush=True)
            self._drawn_at, self._loudest = time.monotonic(), 0.0

    def hide(self) -> None:
        """Free the line."""
        if self._is_shown:
            print("\r" + " " * len(level(0)) + "\r", end="", flush=True)


def verdict(loudest: float) -> str:
    """What a peak means, 0 to 1. Raises VoiceLiveError for silence."""
    if loudest < LEAST_PEAK:
        raise failures.silent_microphone()
    told = f"Peak: {round(20 * math.log10(loudest))} dBFS"
    if loudest >= CLIPPED:
        return f"{told}. That is clipped: turn the microphone down, or move away from it."
    if loudest < QUIET:
        return f"{told}. That is quiet: turn the microphone up, or move closer to it."
    return f"{told}."


def play(speaker: Speaker, pcm: bytes) -> None:
    """Play it to its end. Raises VoiceLiveError where the speaker does not take it."""
    speaker.play(pcm + END, "test")
    latest = time.monotonic() + len(pcm + END) / BYTES_A_SECOND + WAKE_S
    while not speaker.wait_until_heard(SLICE_S):
        if time.monotonic() > latest:
            raise VoiceLiveError(f"{speaker.name} plays nothing.", "Try another --output-device.")
