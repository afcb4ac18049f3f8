"""An agent whose session is stored with it: what of a `session.update` it refuses, as reported."""

from collections.abc import Mapping

from standin.events import RefusedError

ALWAYS_OPEN = {"modalities", "input_audio_format", "output_audio_format", "input_audio_sampling_rate"}


def refuse_changes(changes: object, stored: Mapping[str, str]) -> None:
    """Raise RefusedError where a field is given that the agent keeps for itself.

    `stored` has `stored` or `stored-in-words` with the name of a field, or `stored` with `avatar` or `all`.
    """
    given = changes if isinstance(changes, dict) else {}
    match stored.get("stored"):
        case "avatar" if "voice" in given:
            text = "Cannot update voice when avatar is configured"
            raise RefusedError(text, param="session.voice")
        case "all" if given.keys() - ALWAYS_OPEN:
            text = "The session of this agent is configured by the agent itself"
            raise RefusedError(text, code="configuration_not_supported")
        case str(name) if name in given:
            text = f"{name} is configured by the agent and cannot be updated"
            raise RefusedError(text, code="invalid_session_update_message", param=f"session.{name}")
    if (name := stored.get("stored-in-words", "")) in given:
        text = f"Updating {name} is not supported for this agent"
        raise RefusedError(text, code="invalid_session_update_message")
