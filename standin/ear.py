"""Voice activity detection by energy alone: where a turn of speech begins and ends.

The service listens with neural networks; this ear compares the loudness of 20 ms frames with the
quietest of the last seconds. It takes any loud sound for speech, the session's `threshold` means
nothing to it, and it knows no semantics: where `end_of_utterance_detection` is set, it merely waits
400 ms longer before it calls a turn finished. All times are positions in the microphone's sound,
so that a client may send faster than real time.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from standin.playback import ECHO_TAIL_MS, Playback

FRAME_MS = 20
FLOOR_MEMORY_MS = 3_000
QUIETEST_FLOOR = 40.0  # RMS of 16-bit samples
LOUDEST_FIRST_FLOOR = 500.0
SPEECH_OVER_FLOOR = 3.0
SPEECH_OVER_ECHO = 1.3
MOST_COUPLING = 0.5  # how loud an echo can be, as a part of the sound that was sent
COUPLING_DECAY = 0.993  # for each frame in which no such echo was heard
AUDIBLE_OVER_FLOOR = 4.0  # own sound softer than that says nothing about the echo
SPEECH_TO_START_MS = 200  # of server_vad
SHORTER_SPEECH_TO_START_MS = 80  # of azure_semantic_vad and its like
LONGEST_START_MS = 500
END_OF_UTTERANCE_WAIT_MS = 400
TAIL_MS = 100
LONGEST_TURN_MS = 60_000


@dataclass(frozen=True)
class Patience:
    """How the ear takes the session's `turn_detection`: what begins a turn, and what ends it."""

    padding_ms: int
    speech_ms: int
    silence_ms: int

    @classmethod
    def of(cls, detection: dict[str, Any]) -> "Patience":
        """From the effective object, with the ear's own defaults for what its kind lacks."""
        wait_ms = END_OF_UTTERANCE_WAIT_MS if detection.get("end_of_utterance_detection") else 0
        return cls(
            padding_ms=detection["prefix_padding_ms"],
            speech_ms=max(detection.get("speech_duration_ms", _speech_to_start_ms(detection)), FRAME_MS),
            silence_ms=max(detection["silence_duration_ms"] + wait_ms, FRAME_MS),
        )


def _speech_to_start_ms(detection: dict[str, Any]) -> int:
    azure = detection["type"].startswith("azure")
    return SHORTER_SPEECH_TO_START_MS if azure else SPEECH_TO_START_MS


@dataclass(frozen=True)
class Speech:
    """A turn: its PCM16 with the padding, where in the stream it lies, how long someone spoke."""

    pcm: bytes
    begin_ms: int
    end_ms: int
    spoken_ms: int


class Ear:
    """Hears turns in one session's microphone; keeps at most 60 s of sound."""

    def __init__(self, playback: Playback) -> None:
        self.rate_hz = 24000
        self.channels = 1  # 2: the microphone, and what the client's loudspeaker plays
        self.patience: Patience | None = None  # None: the client commits by itself
        self.cancels_echo = False
        self.speaking = False
        self._playback = playback
        self._coupling = MOST_COUPLING
        self._reference: deque[float] = deque(maxlen=ECHO_TAIL_MS // FRAME_MS)  # RMS of the second channel
        self._heard_frames = 0
        self._partial = b""  # less than a frame
        self._frames: deque[bytes] = deque()  # the turn, or what may become its padding
        self._floor = deque([LOUDEST_FIRST_FLOOR], maxlen=FLOOR_MEMORY_MS // FRAME_MS)
        self._voiced = 0  # frames, less one for each unvoiced frame in between
        self._voiced_from = 0  # position in frames
        self._voiced_until = 0

    @property
    def now_ms(self) -> int:
        """How much of the microphone's sound was heard."""
        return self._heard_frames * FRAME_MS

    def hear(self, pcm: bytes) -> Iterator[int | Speech]:
        """Take PCM16, whole frames; yields where speech begins (in ms), and each finished turn."""
        for frame, level in self._levels(pcm):
            self._heard_frames += 1
            self._frames.append(frame)
            if self.patience is None:
                self._keep(LONGEST_TURN_MS)
            elif self.speaking:
                if self._has_ended(self._is_voiced(level), self.patience):
                    yield self._finish(self._voiced_until + TAIL_MS // FRAME_MS)
            elif self._has_begun(self._is_voiced(level), self.patience):
                self.speaking = True
                yield (self._heard_frames - len(self._frames)) * FRAME_MS

    def commit(self) -> Speech | None:
        """End the turn here and now; None where nothing was heard since the last one."""
        if not self._frames or (self.patience is not None and not self.speaking):
            return None
        if self.patience is None:
            self._voiced_from = self._heard_frames - len(self._frames)
            self._voiced_until = self._heard_frames
        return self._finish(self._heard_frames)

    def clear(self) -> None:
        """Forget what was heard since the last turn."""
        self._frames.clear()
        self._partial = b""
        self._forget_speech()

    def _levels(self, pcm: bytes) -> Iterator[tuple[bytes, float]]:
        """Cut the stream into frames, each with its RMS (less the offset of cheap microphones)."""
        size = self.rate_hz * FRAME_MS // 1000 * 2 * self.channels
        pcm = self._partial + pcm
        whole = len(pcm) // size * size
        self._partial = pcm[whole:]
        frames = np.frombuffer(pcm[:whole], "<i2").reshape(-1, size // 2 // self.channels, self.channels)
        for frame, levels in zip(frames, frames.std(axis=1, dtype=np.float32).tolist(), strict=True):
            self._reference.extend(levels[1:])
            yield frame[:, 0].tobytes(), levels[0]

    def _is_voiced(self, level: float) -> bool:
        """Whether a frame is louder than the room, and than the echo of what was sent.

        How much of its own sound comes back, the ear learns from frames that were not louder.
        """
        self._floor.append(max(level, QUIETEST_FLOOR))
        floor = min(self._floor)
        own = self._own_level() if self.cancels_echo else 0.0
        echo = SPEECH_OVER_ECHO * self._coupling * own
        voiced = level > max(SPEECH_OVER_FLOOR * floor, echo)
        if own > AUDIBLE_OVER_FLOOR * floor and not voiced:
            heard = max(self._coupling * COUPLING_DECAY, level / own)
            self._coupling = min(heard, MOST_COUPLING)
        return voiced

    def _own_level(self) -> float:
        """How loud the sound is whose echo may be heard now: the client's account of it, or the own one."""
        if self.channels == 2:
            return max(self._reference, default=0.0)
        return self._playback.loudest(self.now_ms)

    def _has_begun(self, voiced: bool, patience: Patience) -> bool:
        """Whether enough voiced frames came: a click is too few, a gap of one does no harm."""
        if voiced and not self._voiced:
            self._voiced_from = self._heard_frames - 1
        self._voiced = self._voiced + 1 if voiced else max(0, self._voiced - 1)
        self._voiced_until = self._heard_frames
        if not self._voiced:
            self._keep(patience.padding_ms)
            return False
        since_voice_ms = (self._heard_frames - self._voiced_from) * FRAME_MS
        self._keep(patience.padding_ms + min(since_voice_ms, LONGEST_START_MS))
        return self._voiced * FRAME_MS >= patience.speech_ms

    def _has_ended(self, voiced: bool, patience: Patience) -> bool:
        if voiced:
            self._voiced_until = self._heard_frames
        silence_ms = (self._heard_frames - self._voiced_until) * FRAME_MS
        too_long = len(self._frames) * FRAME_MS >= LONGEST_TURN_MS
        return too_long or silence_ms >= patience.silence_ms

    def _finish(self, end: int) -> Speech:
        """End the turn at frame `end` of the stream; what follows may be the next one's padding."""
        begin = self._heard_frames - len(self._frames)
        end = min(end, self._heard_frames)
        frames = [self._frames.popleft() for _ in range(end - begin)]
        spoken_ms = (self._voiced_until - self._voiced_from) * FRAME_MS
        self._forget_speech()
        return Speech(b"".join(frames), begin * FRAME_MS, end * FRAME_MS, spoken_ms)

    def _keep(self, newest_ms: int) -> None:
        for _ in range(len(self._frames) - newest_ms // FRAME_MS):
            self._frames.popleft()

    def _forget_speech(self) -> None:
        self.speaking = False
        self._voiced = self._voiced_from = self._voiced_until = 0
