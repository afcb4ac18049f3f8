"""Push to talk: the user says by a key where a turn begins and ends; in between, nothing is heard."""

import time
from collections.abc import Iterator

import pytest
from held import UPDATED, Event, Held, audio, created, done

from voicelive.audio import BLOCK_BYTES, BLOCK_S
from voicelive.session import ECHO, PUSH_TO_TALK, pushes_to_talk, session_update
from voicelive.turns import Turn
from voicelive.uplink import only_while

COMMITTED: Event = {"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": "u1"}


def held(**options: object) -> Held:
    """A conversation by push to talk, whose session stands."""
    ready = Held(first_message={"type": "session.update", "session": PUSH_TO_TALK}, **options)  # type: ignore[arg-type]
    ready.handle(UPDATED)
    return ready


def speak(held: Held, blocks: int = 50) -> None:
    """So many blocks of 20 ms, the last of which was heard just now, are sent."""
    began = time.monotonic() - blocks * BLOCK_S
    for number in range(blocks):
        held.turns.heard.add(BLOCK_S, began + (number + 1) * BLOCK_S, 0.5)


def take_turn(held: Held, blocks: int = 50) -> None:
    held.conversation.talk(True)
    speak(held, blocks)
    held.conversation.talk(False)
    held.conversation.end_turn()


def kinds(held: Held) -> list[str]:
    return [message["type"] for message in held.sent]


def test_a_turn_is_committed_and_its_answer_asked_for() -> None:
    talk = held()

    take_turn(talk)

    assert kinds(talk) == ["input_audio_buffer.commit", "response.create"]
    assert not talk.conversation.is_resting, "its answer is to be waited for"


@pytest.mark.parametrize(("blocks", "sent"), [(0, []), (4, ["input_audio_buffer.clear"])])
def test_an_empty_turn_is_not_committed(blocks: int, sent: list[str]) -> None:
    talk = held()

    take_turn(talk, blocks)

    assert kinds(talk) == sent
    assert talk.conversation.is_resting


def test_a_turn_that_begins_silences_the_agent_and_tells_how_much_was_heard() -> None:
    talk = held(is_current=True)
    talk.handle(created(), audio(b"\1\1" * 24_000))
    talk.render(12_000)

    talk.conversation.talk(True)

    assert kinds(talk) == ["conversation.item.truncate", "response.cancel"]
    talk.render(4_800)
    assert not any(talk.render(4_800))


def test_the_answer_waits_until_the_one_that_was_silenced_is_over() -> None:
    talk = held()
    talk.handle(created())
    take_turn(talk)
    assert kinds(talk) == ["response.cancel", "input_audio_buffer.commit"]

    talk.handle(done(status="cancelled"))

    assert kinds(talk)[2:] == ["response.create"]


def test_who_goes_on_before_the_answer_came_is_not_talked_over() -> None:
    talk = held()
    take_turn(talk)
    talk.conversation.talk(True)

    talk.handle(created(), audio(b"\1\1" * 4_800), done(status="cancelled"))

    assert kinds(talk)[2:] == ["response.cancel"]
    assert not any(talk.render(4_800))


def test_what_is_typed_during_a_turn_is_answered_with_it() -> None:
    talk = held()
    talk.conversation.talk(True)
    talk.conversation.say("This one.")
    assert kinds(talk) == []

    speak(talk)
    talk.conversation.talk(False)
    talk.conversation.end_turn()

    assert kinds(talk) == ["input_audio_buffer.commit", "conversation.item.create", "response.create"]


def test_a_turn_has_its_times_as_one_that_the_service_notices() -> None:
    over: list[Turn] = []
    talk = held(keep=over.append)
    speak(talk, 10)
    take_turn(talk)
    ended_at = time.monotonic()

    done_event = {"type": "conversation.item.input_audio_transcription.completed"}
    talk.handle(COMMITTED, {**done_event, "item_id": "u1", "transcript": "Be loud."})
    talk.turns.settle(is_all_heard=True)

    (turn,) = over
    assert turn.start is not None and turn.end is not None
    assert turn.end - turn.start == pytest.approx(1.0, abs=0.03)
    assert turn.end == pytest.approx(ended_at, abs=0.1)


def test_a_turn_during_which_the_line_drops_is_over() -> None:
    talk = held()
    talk.conversation.talk(True)
    speak(talk)

    talk.conversation.pause()
    talk.conversation.end_turn()

    assert not talk.conversation.talks
    assert kinds(talk) == []
    talk.handle(UPDATED)
    assert talk.conversation.is_resting


def test_only_what_belongs_to_a_turn_is_sent_and_its_end_comes_last() -> None:
    talks, sent = False, list[object]()

    def blocks() -> Iterator[bytes]:
        nonlocal talks
        for number in range(8):
            talks = number in (2, 3, 6)
            yield bytes([number]) * BLOCK_BYTES

    for block in only_while(lambda: talks, lambda: sent.append("end"))(blocks()):
        sent.append(block[0])

    assert sent == [2, 3, 4, "end", 6, 7, "end"], "the block that was under way belongs to it"


def test_no_turn_detection_at_all_means_the_same_wherever_it_was_asked_for() -> None:
    of_file = session_update("2026-07-15", "Ava", ECHO["server"], {"turn_detection": None})

    assert pushes_to_talk(of_file)
    assert not pushes_to_talk(session_update("2026-07-15", "Ava", ECHO["server"], {}))
    assert not pushes_to_talk(session_update("2026-07-15", "Ava", ECHO["server"], {}, from_agent=True))
