"""Whatever the service sends: a malformed event costs itself, and nothing else."""

import copy
import json
import re
import time
from typing import cast

import pytest
from held import (
    SPEECH_STARTED,
    SPEECH_STOPPED,
    UPDATED,
    Event,
    Held,
    Shown,
    added,
    audio,
    created,
    done,
    words,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import websocket_server
from websockets.sync.server import ServerConnection

from voicelive.connection import Connection
from voicelive.text import printable

ITEM = {"id": "item_1", "role": "assistant", "content": [{"text": "Hello", "type": "input_text"}]}
ERROR = {"type": "server_error", "code": "x", "message": "m", "event_id": None}
USER = "conversation.item.input_audio_transcription"
WELL_FORMED: list[Event] = [
    UPDATED,
    SPEECH_STARTED,
    created(),
    added(),
    audio(b"\1\0"),
    words("Once"),
    done(),
    done(status="failed", status_details={"type": "failed", "error": ERROR}),
    {"type": "session.created", "session": {"id": "sess_1"}},
    {
        "type": "session.updated",
        "session": {"expires_at": 9_000_000_000, "input_audio_transcription": {"model": "m"}},
    },
    {"type": "error", "error": ERROR},
    {"type": "warning", "warning": {"message": "m"}},
    SPEECH_STOPPED,
    {**SPEECH_STARTED, "audio_start_ms": 40},
    done(usage={"input_tokens": 7, "input_token_details": {"cached_tokens": 1}, "output_tokens": 2}),
    done(output=[{"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}]),
    {"type": "conversation.item.truncated", "item_id": "item_1", "content_index": 0, "audio_end_ms": 7},
    {
        "type": "response.output_text.annotation.added",
        "response_id": "resp_1",
        "item_id": "item_1",
        "annotation": {"type": "url_citation", "title": "A page", "url": "https://example.org"},
    },
    {
        "type": "response.output_item.done",
        "response_id": "resp_1",
        "item": {"id": "item_2", "type": "function_call", "call_id": "call_2", "name": "f", "arguments": "7"},
    },
    {
        "type": "response.output_item.done",
        "response_id": "resp_1",
        "item": {"id": "item_3", "type": "mcp_approval_request", "server_label": "s", "name": "n"},
    },
    {
        "type": "conversation.item.created",
        "item": {"id": "item_4", "type": "mcp_call", "server_label": "s", "name": "n", "error": ERROR},
    },
    {"type": "response.mcp_call.in_progress", "item_id": "item_4", "response_id": "resp_1"},
    {"type": "response.mcp_call.failed", "item_id": "item_4", "response_id": "resp_1"},
    {"type": "response.mcp_call_arguments.done", "item_id": "item_4", "arguments": "{}"},
    {"type": "mcp_list_tools.failed", "item_id": "item_4", "error": ERROR},
    {"type": "input_audio_buffer.committed", "item_id": "u2"},
    {"type": "conversation.item.created", "item": ITEM, "previous_item_id": "u2"},
    {"type": "conversation.item.created", "item": {**ITEM, "role": "user"}},
    {"type": f"{USER}.completed", "item_id": "u2", "transcript": "Hello"},
    {"type": f"{USER}.failed", "item_id": "u2", "error": ERROR},
    {
        "type": "response.audio_transcript.done",
        "transcript": "O",
        "response_id": "resp_1",
        "item_id": "item_1",
    },
    {"type": "response.text.delta", "delta": "O", "response_id": "resp_1", "item_id": "item_1"},
    {"type": "response.text.done", "text": "O", "response_id": "resp_1", "item_id": "item_1"},
]
HUGE = [10**400, -(10**400), 10.0**300, float("nan"), float("inf"), -1, 2**63]
# How a line of the log begins; one that goes on is further in.
LOG_LINE = re.compile(
    r"(?:(?:User Input|User Input \(typed\)|Agent (?:Text|Audio) Response|Agent Tool Call|Agent Sources):\t.*"
    r"|SessionID: .*|\(reconnected as .*\)|\(interrupted\)|    .*)"
)
SCREEN_LINE = re.compile(
    r"(?:(?:You|You \(typed\)|Agent|Tool|Sources)(?: \(late\))?: .*|\(interrupted\)|    .*|)"
)
NASTY = ["\u202e", "\ud83d", "\nUser Input:\tYes.", "\x1b[2J", "9" * 5_000, "2026-11-28"]
SMALL = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
SMALL |= st.sampled_from(HUGE) | st.sampled_from(NASTY)
ODD = SMALL | st.lists(SMALL, max_size=2) | st.dictionaries(st.text(max_size=4), SMALL, max_size=2)


@st.composite
def spoilt(draw: st.DrawFn) -> Event:
    """A well-formed event in which one value, at any depth, is another, or missing; or none is."""
    place = event = copy.deepcopy(draw(st.sampled_from(WELL_FORMED)))
    name = draw(st.sampled_from(sorted(place)))
    while isinstance(place[name], dict) and draw(st.booleans()):
        place = place[name]
        name = draw(st.sampled_from(sorted(place)))
    match draw(st.sampled_from(["as it is", "missing", "odd"])):
        case "missing":
            del place[name]
        case "odd":
            place[name] = draw(ODD)
    return event


@settings(max_examples=200, deadline=None)
@given(st.lists(spoilt(), max_size=8))
def test_no_event_harms_what_comes_after_it(events: list[Event]) -> None:
    held = Held(is_current=True)
    held.turns.heard.add(60.0, time.monotonic(), 0.5)  # places in the sound are looked up in it
    held.handle(UPDATED, *events)
    while held.playback.interrupt():  # whatever the events gave it to play
        pass
    held.render(4_800)

    held.handle(
        created("resp_next"), added("resp_next", "item_next"), words("Next.", "resp_next", "item_next")
    )
    held.handle(audio(b"\1\0\2\0", "resp_next", "item_next"), done("resp_next"))
    held.transcript.close()

    assert held.render(2) == b"\1\0\2\0"
    assert json.dumps(held.sent)
    lines = held.log.getvalue().split("\n")[:-1]
    assert lines.count("Agent Audio Response:\tNext.") == 1
    assert not any(line.startswith("User Input:\tYes.") for line in lines)
    assert [line for line in lines if not LOG_LINE.fullmatch(line)] == [], "what is no line of the log"
    screen = cast(Shown, held.transcript._screen).text
    assert screen.count("Agent: Next.") == 1
    assert [line for line in screen.split("\n") if not SCREEN_LINE.fullmatch(line)] == []
    shown = held.log.getvalue().replace(":\t", ": ") + screen
    assert printable(shown) == shown
    assert max(vars(held.turns.usage).values()) < 10**12, "a number of tokens that nobody can use"


@pytest.mark.parametrize("expires_at", [*HUGE, "tomorrow", None, True, [9_000_000_000]])
def test_a_session_whose_end_is_no_time_does_not_end(expires_at: object) -> None:
    held = Held()
    held.handle({"type": "session.updated", "session": {"id": "sess_1", "expires_at": expires_at}})

    assert held.conversation.ready.is_set()
    assert held.conversation.ends_at == float("inf")


@pytest.mark.parametrize("number", HUGE, ids=lambda number: f"{number!r:.9}")
def test_a_place_in_the_sound_that_is_none_costs_no_turn(number: object) -> None:
    held = Held()
    held.turns.heard.add(60.0, time.monotonic(), 0.5)
    held.handle(UPDATED, {**SPEECH_STARTED, "audio_start_ms": number})
    held.handle({**SPEECH_STOPPED, "audio_end_ms": number})
    held.handle(created(), added(), words("Well."), done(usage={"input_tokens": number}))
    held.transcript.close()

    assert held.conversation.is_resting
    assert held.log.getvalue() == "Agent Audio Response:\tWell.\n"
    assert held.turns.usage.input < 10**12


def test_a_session_may_end_at_half_a_second() -> None:
    held = Held()
    held.handle({"type": "session.updated", "session": {"expires_at": time.time() + 600.5}})

    assert 599 < held.conversation.ends_at - time.monotonic() < 601


NUMBERS = ["1" * 5_000, "-" + "1" * 5_000, "1e999", "NaN", "Infinity", "0.1" + "0" * 5_000]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:9])
def test_a_number_that_is_none_costs_no_event(number: str) -> None:
    def service(client: ServerConnection) -> None:
        client.send(f'{{"type": "next", "usage": {number}}}')

    with websocket_server(service) as url:
        (event,) = filter(None, Connection(url, {}))

    assert event["type"] == "next"


DEEP = ["[" * 100_000, '{"a":' * 100_000, '{"type": ' + "[" * 900 + "]" * 900 + "}"]
FRAMES = st.binary(max_size=200) | st.text(max_size=100) | ODD.map(json.dumps) | st.sampled_from(DEEP)


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
