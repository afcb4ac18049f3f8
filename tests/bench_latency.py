"""How soon the agent is heard, how soon it falls silent, and how soon the user is heard."""

from collections.abc import Sequence

import numpy as np
from bench_talkers import Compared, Figures, Start, Talker, all_three
from bench_voice import bursts
from numpy.typing import NDArray
from pulseaudio import SAMPLE_RATE_HZ
from soundcard import Recording, VirtualSoundCard

TIMEOUT_S = 5
AUDIBLE = 100  # of 32768; what is played here is 80 times as loud
SILENT_FRAMES = SAMPLE_RATE_HZ // 5  # so long a silence is one
ROUNDS_EACH = 3  # in one conversation


def noise(seconds: float, seed: int = 0) -> bytes:
    """Loud PCM16 without one quiet frame, so that every hole shows and every part is unmistakable."""
    draw = np.random.default_rng(seed)
    frames = round(seconds * SAMPLE_RATE_HZ)
    loudness = draw.integers(8000, 12000, frames)
    return bytes((loudness * draw.choice([-1, 1], frames)).astype("<i2").tobytes())


def audible(pcm: bytes) -> NDArray[np.intp]:
    """The numbers of all frames that can be heard."""
    return np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) > AUDIBLE)


def first_sound(recording: Recording, since: int) -> float:
    """Wait for the first audible frame after so many frames; when it was recorded."""
    pcm = recording.wait_for(lambda pcm: len(audible(pcm[2 * since :])) > 0, TIMEOUT_S)
    return recording.arrived_at(since + int(audible(pcm[2 * since :])[0]))


def last_sound(recording: Recording) -> float:
    """Wait for silence; when the last audible frame before it was recorded."""
    pcm = recording.wait_for(lambda pcm: not len(audible(pcm[-2 * SILENT_FRAMES :])), TIMEOUT_S)
    return recording.arrived_at(int(audible(pcm)[-1]))


def wait_for_frames(recording: Recording, more: int) -> None:
    """Wait until so many more frames were recorded."""
    enough = len(recording.pcm) + 2 * more
    recording.wait_for(lambda pcm: len(pcm) >= enough, TIMEOUT_S)


def reply(talker: Talker, recording: Recording, seconds: float, seed: int) -> float:
    """Have a reply sent at once; how many ms after its first audio delta it is heard."""
    before = len(recording.pcm) // 2
    talker.begin_reply()
    told = talker.send_audio(noise(seconds, seed))
    heard = first_sound(recording, before)
    talker.end_reply()
    return 1000 * (heard - told)


def replies(card: VirtualSoundCard, rounds: int) -> Compared:
    """Conversations of a short reply, then some rounds of a long one that is cut off and a short one."""

    def measure(start: Start) -> Figures:
        figures: Figures = {"first": [], "after_end": [], "silence": [], "after_cut": []}
        for conversation in range(-(-rounds // ROUNDS_EACH)):
            with start() as talker, card.recording() as recording:
                talker.wait_for_microphone()
                figures["first"].append(reply(talker, recording, 0.3, seed=conversation))
                last_sound(recording)
                for seed in range(ROUNDS_EACH):
                    one_round(talker, recording, seed, figures)
        return figures

    return all_three(card, measure)


def one_round(talker: Talker, recording: Recording, seed: int, figures: Figures) -> None:
    figures["after_end"].append(reply(talker, recording, 5, seed))
    wait_for_frames(recording, SAMPLE_RATE_HZ // 3 + 100 * seed)
    told = talker.interrupt()
    figures["silence"].append(1000 * (last_sound(recording) - told))
    figures["after_cut"].append(reply(talker, recording, 0.3, seed))
    last_sound(recording)


def microphone(card: VirtualSoundCard, rounds: int) -> Compared:
    """Bursts at the microphone, which nobody else listens to; how much later each is on the other side."""

    def measure(start: Start) -> Figures:
        with start() as talker:
            talker.wait_for_microphone()
            sounded = bursts(card.environment, "mic_feed", rounds)
            arrived = arrivals(list(talker.blocks))
        if len(arrived) != rounds:
            raise TimeoutError(f"of {rounds} bursts, {len(arrived)} arrived whole")
        return {"microphone": [1000 * (there - here) for there, here in zip(arrived, sounded, strict=True)]}

    return all_three(card, measure)


def onsets(pcm: bytes) -> list[int]:
    """The frames at which sound begins after silence."""
    loud = audible(pcm)
    begins = np.diff(loud, prepend=-SILENT_FRAMES - 1) > SILENT_FRAMES
    return [int(frame) for frame in loud[begins]]


def arrivals(blocks: Sequence[tuple[float, bytes]]) -> list[float]:
    """When each of the onsets in a sequence of blocks arrived."""
    ends = np.cumsum([len(pcm) // 2 for _, pcm in blocks])
    found = onsets(b"".join(pcm for _, pcm in blocks))
    return [blocks[int(np.searchsorted(ends, frame, side="right"))][0] for frame in found]
