"""The stand-in's turns: when it hears speech, and what it answers, in which order."""

import pytest
from standin_client import (
    DETECTION,
    END_OF_ANSWER,
    MS,
    TURN,
    Client,
    loud,
    refusal,
    sample,
    silence,
    sound,
    types,
)

from standin import g711
from standin.server import StandIn

ORDINARY_TURN = [
    *TURN,
    "response.output_item.added",
    "conversation.item.created",
    "response.content_part.added",
    "(deltas)",
    *END_OF_ANSWER,
]


def test_speech_is_repeated_in_the_order_of_an_ordinary_turn(hasty: StandIn) -> None:
    with Client(hasty.endpoint) as client:
        client.configure()
        client.say(silence(500) + sample() + silence(700))

        events = client.until("response.done")

    assert types(events) == ORDINARY_TURN
    started, stopped, _, heard = events[:4]
    assert 300 <= started["audio_start_ms"] <= 400
    assert 4060 <= stopped["audio_end_ms"] <= 4160
    assert heard["transcript"] == "(3.5 s of speech)"
    spoken = (silence(500) + sample() + silence(700))[started["audio_start_ms"] * MS :]
    assert sound(events) == spoken[: (stopped["audio_end_ms"] - started["audio_start_ms"]) * MS]
    said = "".join(e["delta"] for e in events if e["type"] == "response.audio_transcript.delta")
    assert said == "You spoke for 3.5 s. I repeat it, because I am only a stand-in."
    assert events[-1]["response"]["status"] == "completed"
    assert events[-1]["response"]["output"][0]["content"][0]["transcript"] == said


def test_the_deltas_are_uneven(hasty: StandIn) -> None:
    with Client(hasty.endpoint) as client:
        client.configure()
        client.send("response.create")

        events = client.until("response.done")

    sizes = {len(sound([event])) // MS for event in events[:-1]} - {0}
    assert min(sizes) >= 40
    assert max(sizes) <= 200
    assert len(sizes) > 4


@pytest.mark.parametrize("chunk", [2, 958, 960, 4802])
def test_the_size_of_the_chunks_does_not_matter(hasty: StandIn, chunk: int) -> None:
    speech = sample()[: 700 * MS] + silence(700)
    if chunk < 100:
        speech = speech[: len(speech) // MS * MS]
        pieces = [speech[i : i + chunk] for i in range(0, 2000, chunk)] + [speech[2000:]]
    else:
        pieces = [speech[i : i + chunk] for i in range(0, len(speech), chunk)]

    with Client(hasty.endpoint) as client:
        client.configure()
        for piece in pieces:
            client.say(piece)
        events = client.until("response.done")

    assert types(events) == ORDINARY_TURN
    assert speech.startswith(sound(events))
    assert len(sound(events)) > 600 * MS


def test_a_pause_within_the_patience_belongs_to_the_turn(hasty: StandIn) -> None:
    speech = sample() + silence(350) + sample() + silence(700)

    with Client(hasty.endpoint) as client:
        client.configure()
        client.say(speech)
        events = client.until("response.done")

    assert types(events).count("input_audio_buffer.speech_started") == 1
    assert len(sound(events)) > 7400 * MS


def test_without_end_of_utterance_detection_silence_alone_ends_a_turn(hasty: StandIn) -> None:
    detection = {"type": "server_vad", "silence_duration_ms": 300}

    with Client(hasty.endpoint) as client:
        client.configure(turn_detection=detection)
        client.say(sample() + silence(350) + sample() + silence(300))
        first = client.until("input_audio_buffer.speech_stopped")
        second = client.until("input_audio_buffer.speech_stopped")

    assert first[-1]["audio_end_ms"] < 3700 < second[-1]["audio_end_ms"]


def test_a_turn_is_not_answered_where_the_client_wants_to_do_it(hasty: StandIn) -> None:
    with Client(hasty.endpoint) as client:
        client.configure(turn_detection={**DETECTION, "create_response": False})
        client.say(sample() + silence(700))
        client.until("conversation.item.created")
        client.send("input_audio_buffer.clear")
        assert client.receive()["type"] == "input_audio_buffer.cleared"

        client.send("response.create")

        assert len(sound(client.until("response.done"))) > 3400 * MS


def test_without_turn_detection_the_client_commits(hasty: StandIn) -> None:
    with Client(hasty.endpoint) as client:
        client.configure(turn_detection=None)
        client.say(sample() + silence(2000) + sample())
        client.send("input_audio_buffer.commit")
        committed = client.until("conversation.item.created")
        client.send("response.create")
        answer = client.until("response.done")
        client.send("input_audio_buffer.commit")
        empty = client.receive()

    assert types(committed) == ORDINARY_TURN[2:5]
    assert sound(answer) == (sample() + silence(2000) + sample())[: len(sound(answer))]
    assert len(sound(answer)) > 9200 * MS
    assert refusal(empty) == ("input_audio_buffer_commit_empty", None)


def test_what_is_cleared_is_not_answered(hasty: StandIn) -> None:
    with Client(hasty.endpoint) as client:
        client.configure()
        client.say(sample())
        client.until("input_audio_buffer.speech_started")
        client.send("input_audio_buffer.clear")
        client.say(silence(1000))
        client.send("input_audio_buffer.commit")

        events = client.until("error")

    assert types(events) == ["input_audio_buffer.cleared", "error"]


def test_a_turn_ends_after_a_minute(hasty: StandIn) -> None:
    with Client(hasty.endpoint) as client:
        client.configure()
        client.say(sample() * 18)

        events = client.until("input_audio_buffer.speech_stopped")

    length_ms = events[-1]["audio_end_ms"] - events[0]["audio_start_ms"]
    assert 59_000 <= length_ms <= 60_000


def test_sound_at_8_khz_is_repeated_at_24(hasty: StandIn) -> None:
    samples = memoryview(sample()).cast("h")
    slower = b"".join(bytes(samples[i : i + 1]) for i in range(0, len(samples), 3))

    with Client(hasty.endpoint) as client:
        client.configure(input_audio_sampling_rate=8000)
        client.say(slower + bytes(700 * 16))
        events = client.until("response.done")

    assert events[3]["transcript"] == "(3.5 s of speech)"
    assert len(sound(events)) == pytest.approx(3600 * MS, rel=0.03)


@pytest.mark.parametrize("coding", ["g711_ulaw", "g711_alaw"])
def test_a_telephone_is_answered_in_its_own_sound(hasty: StandIn, coding: str) -> None:
    tone = memoryview(loud(1000)).cast("h")[::3].tobytes()  # at 8 kHz
    pause = bytes(700 * 16)

    with Client(hasty.endpoint) as client:
        client.configure(input_audio_format=coding, output_audio_format=coding)
        client.say(g711.encoded(tone + pause, coding))
        events = client.until("response.done")

    assert g711.encoded(tone, coding) in sound(events)
    assert len(sound(events)) == pytest.approx(1100 * 8, rel=0.2)
