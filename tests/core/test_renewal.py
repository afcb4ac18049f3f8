"""A session that ends by itself is renewed before it does, and nobody notices."""

import json
import math
import time

import pytest
from test_link import UPDATED, wait_until
from test_reconnect import linked
from websockets.sync.server import ServerConnection

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
