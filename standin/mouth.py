"""The agent's words and their sound, as one response is to have them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from standin import g711
from standin.ear import Speech
from standin.events import Event
from standin.items import typed_text
from standin.outputs import Message, Output
from standin.repertoire import answer_to
from standin.reply import Reply, of_length, resampled
from standin.session import OUTPUT_RATES_HZ

SAMPLE_RATE_HZ = 24000
SECONDS_PER_WORD = 0.4


class Mouth:
    """Makes the items of one response.

    `settings` are the session's, overridden by those of `response.create`; `sample` is speech, PCM16
    at 24 kHz. It repeats what was said, and for all else plays the sample: it has no voice of its own.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        sample: bytes,
        heard_hz: int,
        conversation_id: str,
        *,
        is_cascaded: bool,
        script: str | None,
    ) -> None:
        self.settings = settings
        self._sample = sample
        self._heard_hz = heard_hz
        self._conversation_id = conversation_id
        self._is_cascaded = is_cascaded
        self._script = script
        self._format: str = settings["output_audio_format"] or "pcm16"

    def reply(self, outputs: Sequence[Output], delay_s: float = 0.0) -> Reply:
        """A response of these items."""
        return Reply(outputs, self.settings, self._conversation_id, delay_s)

    def message(self, words: str, subject: Speech | str) -> Message:
        """These words or, where there are none, what is to be said about the subject."""
        in_sound = "audio" in self.settings["modalities"]
        given = greeting(self.settings) or words or self._script
        words = given or words_about(subject, in_sound)
        rate_hz = OUTPUT_RATES_HZ[self._format]
        if isinstance(subject, Speech) and not given:
            pcm = resampled(subject.pcm, self._heard_hz, rate_hz)
        else:
            pcm = resampled(self._sample, SAMPLE_RATE_HZ, rate_hz)
        if self._script and given is self._script:
            pcm = of_length(pcm, rate_hz, len(words.split()) * SECONDS_PER_WORD)
        message = Message(words, pcm, rate_hz, self.settings, is_cascaded=self._is_cascaded)
        if self._format in g711.FORMATS:
            message.coded = partial(g711.encoded, name=self._format)
        return message


def greeting(wishes: Event) -> str:
    """The words of a `pre_generated_assistant_message`, where the client asks for one."""
    message = wishes.get("pre_generated_assistant_message")
    return typed_text(message) if isinstance(message, dict) else ""


def words_about(subject: Speech | str, in_sound: bool) -> str:
    """What the stand-in says by itself: about speech, what it does with it; to a text, what it can answer."""
    if isinstance(subject, Speech):
        deed = "I repeat it, because" if in_sound else "I cannot understand it, because"
        return f"You spoke for {subject.spoken_ms / 1000:.1f} s. {deed} I am only a stand-in."
    return answer_to(subject, in_sound)
