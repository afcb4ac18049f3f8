"""Whatever the service sends: a malformed event costs itself, and nothing else."""

import json

from held import UPDATED, Held, audio, created
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import websocket_server
from websockets.sync.server import ServerConnection

from voicelive.connection import Connection

KINDS = [
    "session.created",
    "session.updated",
    "error",
    "warning",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.created",
    "conversation.item.truncated",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "response.created",
    "response.output_item.added",
    "response.audio.delta",
    "response.audio_transcript.delta",
    "response.audio_transcript.done",
    "response.text.delta",
    "response.text.done",
    "response.done",
    "some.future.event",
]
FIELDS = ["session", "error", "warning", "item", "response", "delta", "text", "transcript"]
IDS = ["item_id", "response_id", "previous_item_id", "id", "code", "message", "status", "role"]
SMALL = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SMALL | st.sampled_from(["item_1", "resp_1", "AAAA", "AAA=", "failed", "assistant"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS + IDS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | SMALL},
    optional=dict.fromkeys(FIELDS + IDS, VALUES),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, max_size=8))
def test_no_event_harms_what_comes_after_it(events: list[dict[str, object]]) -> None:
    held = Held(is_current=True)
    held.handle(UPDATED, *events)
    while held.playback.interrupt():  # whatever the events gave it to play
        pass
    held.render(4_800)

    held.handle(created("resp_next"), audio(b"\1\0\2\0", "resp_next", "item_next"))

    assert held.render(2) == b"\1\0\2\0"
    assert json.dumps(held.sent)


FRAMES = st.binary(max_size=200) | st.text(max_size=100) | VALUES.map(json.dumps)


@settings(max_examples=40, deadline=None)
@given(frames=st.lists(FRAMES, max_size=10))
def test_no_frame_harms_what_comes_after_it(frames: list[str | bytes]) -> None:
    def service(client: ServerConnection) -> None:
        for frame in frames:
            client.send(frame)
        client.send('{"type": "next"}')

    with websocket_server(service) as url:
        received = list(Connection(url, {}))

    assert received[-1] == {"type": "next"}
    assert all(isinstance(event, dict) for event in received)
