"""A session that ends by itself is renewed before it does, and nobody notices."""

import json
import math
import time

import pytest
from test_link import UPDATED, wait_until
from test_reconnect import linked, talks
from websockets.sync.server import ServerConnection

from voicelive import reconnect
from voicelive import session as session_module
from voicelive.connection import WAKE_S, Connection


@pytest.mark.parametrize("left_s", [-3600, 90])
def test_a_clock_that_is_wrong_does_not_renew_without_end(left_s: int) -> None:
    session = {"id": "sess_1", "expires_at": int(time.time()) + left_s}

    def expired(client: ServerConnection) -> None:
        client.send(json.dumps({"type": "session.updated", "session": session}))
        while True:
            client.recv()

    with linked(expired) as line:
        wait_until(line.link, line.conversation.ready.is_set)
        line.link.over.wait(3 * WAKE_S)  # nothing tells of what is not done
        ends_at = line.conversation.ends_at

    assert ends_at == math.inf
    assert len(line.asked) == 1


def test_a_session_is_renewed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "LEAST_SESSION_S", 1.0)
    session = {"id": "sess_1", "expires_at": int(time.time()) + 30}
    updated = json.dumps({"type": "session.updated", "session": session})

    def expires(client: ServerConnection) -> None:
        client.send(updated)
        while True:
            client.recv()

    with linked(expires) as line:
        wait_until(line.link, lambda: len(line.asked) == 2)

    assert "The session is renewed." in line.notes


EXPIRED = json.dumps({"type": "error", "error": {"code": "session_expired", "message": "60 minutes"}})


def test_a_session_that_has_expired_is_replaced_though_the_service_leaves_it_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconnect, "SHORT_LIVED_S", 0.0)
    with linked(talks(EXPIRED)) as line:
        wait_until(line.link, lambda: len(line.asked) == 2 and line.conversation.ready.is_set())

    assert any("session_expired" in note for note in line.notes)
    assert "The session is renewed." in line.notes


@pytest.mark.parametrize("reason", ["Session expired", "maximum duration of the session"])
def test_a_normal_close_that_tells_of_the_end_of_the_session_is_no_end_of_the_conversation(
    reason: str,
) -> None:
    def closes(client: ServerConnection) -> None:
        client.send(UPDATED)
        client.close(1000, reason)

    with linked(closes) as line:
        wait_until(line.link, lambda: len(line.asked) == 2 and line.conversation.ready.is_set())

    assert any("Trying again." in note for note in line.notes)


@pytest.mark.parametrize("code", [1000, None])
def test_sessions_that_expire_as_soon_as_they_stand_end_the_conversation(code: int | None) -> None:
    with linked(*[talks(EXPIRED, code=code)] * 4) as line:
        assert line.link.over.wait(10)

    assert len(line.asked) == reconnect.SHORT_LIVED_TIMES
    assert "That was 3 times in a row" in str(line.link.failure)


def test_what_is_typed_while_a_session_is_renewed_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "LEAST_SESSION_S", 1.0)
    session = {"id": "sess_1", "expires_at": int(time.time()) + 30}
    updated = json.dumps({"type": "session.updated", "session": session})
    received: list[str] = []
    say_goodbye = Connection.say_goodbye

    def expires(client: ServerConnection) -> None:
        client.send(updated)
        while True:
            client.recv()

    def listens(client: ServerConnection) -> None:
        client.send(UPDATED)
        while True:
            received.append(str(client.recv()))

    with linked(expires, listens) as line:

        def close_while_somebody_types(connection: Connection) -> None:
            monkeypatch.setattr(Connection, "say_goodbye", say_goodbye)
            line.conversation.say("Hello.")
            say_goodbye(connection)

        monkeypatch.setattr(Connection, "say_goodbye", close_while_somebody_types)
        wait_until(line.link, lambda: any("Hello." in message for message in received))

    assert "The session is renewed." in line.notes
