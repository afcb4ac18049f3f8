"""How many tokens a response is said to have used, in the service's form.

The stand-in has no tokens. It counts as the service's recordings do in the mean: four tokens for
three words, ten for a second of the user's sound, twenty for a second of the agent's.
"""

from dataclasses import dataclass
from typing import Any

INSTRUCTIONS_TOKENS = 16
TOKENS_PER_WORD = 4 / 3
HEARD_TOKENS_PER_S = 10
SPOKEN_TOKENS_PER_S = 20


def words_tokens(text: str) -> int:
    """The tokens of a text."""
    return round(len(text.split()) * TOKENS_PER_WORD)


@dataclass
class Usage:
    """What a conversation has taken in so far; what a former response read already is cached."""

    text_tokens: int = INSTRUCTIONS_TOKENS
    audio_tokens: int = 0
    _cached_text: int = 0
    _cached_audio: int = 0

    def read(self, text: str) -> None:
        """Something was typed, or returned by a function."""
        self.text_tokens += words_tokens(text)

    def heard(self, spoken_ms: int) -> None:
        """A turn of speech was taken."""
        self.audio_tokens += round(spoken_ms / 1000 * HEARD_TOKENS_PER_S)

    def of_response(self, text: str, sound_ms: int) -> dict[str, Any]:
        """The `usage` of a response that said this; the next one reads it from the cache."""
        details = self._input_details()
        output = {"text_tokens": words_tokens(text), "audio_tokens": sound_ms * SPOKEN_TOKENS_PER_S // 1000}
        spent, said = self.text_tokens + self.audio_tokens, sum(output.values())
        self._cached_text, self._cached_audio = self.text_tokens, self.audio_tokens
        self.text_tokens += output["text_tokens"]
        return {
            "total_tokens": spent + said,
            "input_tokens": spent,
            "output_tokens": said,
            "input_token_details": details,
            "output_token_details": {**output, "reasoning_tokens": 0},
        }

    def _input_details(self) -> dict[str, Any]:
        cached = {"text_tokens": self._cached_text, "audio_tokens": self._cached_audio, "image_tokens": 0}
        return {
            "cached_tokens": sum(cached.values()),
            "cache_write_tokens": 0,
            "text_tokens": self.text_tokens,
            "audio_tokens": self.audio_tokens,
            "image_tokens": 0,
            "cached_tokens_details": cached,
        }
