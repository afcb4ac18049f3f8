"""What the service is told in a conversation, besides the session and the sound [reference]."""

from voicelive.session import Message

UNIMPORTANT = "unimportant"  # event id of messages, by which an error about them is known
ANSWER_REQUEST: Message = {"type": "response.create"}
CANCELLATION: Message = {"type": "response.cancel"}


def typed_message(text: str) -> Message:
    """A message that was typed."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return {"type": "conversation.item.create", "item": item}


def truncation(item: str, heard_ms: int) -> Message:
    """So much of an answer was heard before the user cut in."""
    what = {"item_id": item, "content_index": 0, "audio_end_ms": heard_ms}
    return {"type": "conversation.item.truncate", "event_id": UNIMPORTANT, **what}
