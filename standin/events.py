"""Messages and events: how the client's are read, and what all of the service's have in common."""

import base64
import binascii
import json
import secrets
import string
from typing import Any

Event = dict[str, Any]

_ID_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 22

MOST_AUDIO_BYTES = 15 * 2**20
MOST_CHARACTERS = 2**20  # of a message without sound


class RefusedError(Exception):
    """A request that the service would not grant; the client is told so in an `error` event."""

    def __init__(
        self, message: str, *, code: str = "invalid_request_error", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


NOT_CONFIGURED = RefusedError(
    "Invalid session update message.", code="invalid_session_update_message", param="type"
)
"""What comes before a `session.update` that is in order."""


def new_id(prefix: str) -> str:
    """An id in the service's form: `item_` and 22 letters and digits."""
    return f"{prefix}_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def error_event(refusal: RefusedError, event_id: object = None) -> Event:
    """The `error` event for a refusal of the client's message `event_id`, where it had an id."""
    return {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param,
            "event_id": event_id,
        },
    }


def parsed(frame: str | bytes) -> Event:
    """The message in a frame: a JSON object with a type, in text."""
    try:
        message: Any = json.loads(frame) if isinstance(frame, str) else None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise RefusedError("A message must be one JSON object in a text frame")
    if not isinstance(message.get("type"), str):
        raise RefusedError("type: field required", param="type")
    if len(frame) > MOST_CHARACTERS and message["type"] != "input_audio_buffer.append":
        raise RefusedError("A message without sound must be 1 MiB or less")
    return message


def sound(audio: object, channels: int = 1, sample_bytes: int = 2) -> bytes:
    """The sound in an `append`, of whole frames."""
    try:
        pcm = base64.b64decode(audio if isinstance(audio, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError("audio must be base64", param="audio") from None
    if len(pcm) % (sample_bytes * channels):
        raise RefusedError(f"audio must be PCM16 in multiples of {2 * channels} bytes", param="audio")
    if len(pcm) > MOST_AUDIO_BYTES:
        raise RefusedError("audio must be 15 MiB or less", param="audio")
    return pcm
