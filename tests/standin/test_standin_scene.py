"""The stand-in's faults on an open connection: refused, cut, closed, frozen, expired."""

import time

import pytest
import websocket
from program import ENDS_WITHIN_S
from standin_client import MS, NAMED, Client, sound
from websocket import WebSocketTimeoutException

from standin.faults import CLOSE_REASONS, ERRORS
from standin.server import StandIn


def silent_for(client: Client, seconds: float) -> bool:
    """Whether nothing comes, not even a pong."""
    client.socket.settimeout(seconds)
    try:
        client.socket.recv_data_frame(control_frame=True)
    except WebSocketTimeoutException:
        return True
    return False


def test_a_session_update_can_stay_without_an_answer() -> None:
    with StandIn(faults=["no-session"]) as stand_in, Client(stand_in.endpoint) as client:
        client.receive()
        client.send("session.update", session={})
        client.send("session.update", session={"nonsense": 1})
        client.socket.ping()

        opcode, _ = client.socket.recv_data(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_PONG
        assert stand_in.sessions[0].sent == ["session.created"]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_after_the_handshake_ends_the_connection(name: str) -> None:
    with StandIn(faults=[f"error={name}"]) as stand_in, Client(stand_in.endpoint) as client:
        error = client.receive()["error"]

        assert (error["code"], error["message"]) == ERRORS[name]
        assert client.close_code() == 1008


def test_a_conversation_can_be_forgotten() -> None:
    with StandIn(faults=["forget-conversation"]) as stand_in:
        with Client(stand_in.endpoint, {**NAMED, "conversation-id": "conv_1"}) as client:
            assert client.receive()["error"]["code"] == "conversation_not_found"
            assert client.close_code() == 1008
        with Client(stand_in.endpoint) as client:
            assert client.receive()["type"] == "session.created"


@pytest.mark.parametrize("fault", ["drop-after=0.1", "close-after=0.1,1006"])
def test_a_line_is_cut_without_a_close_frame(fault: str) -> None:
    with StandIn(faults=[fault]) as stand_in, Client(stand_in.endpoint) as client:
        client.configure()
        with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
            client.receive()

        assert stand_in.wait_for(lambda: not stand_in.sessions[0].open, 5)


@pytest.mark.parametrize("code", sorted(CLOSE_REASONS.keys() - {1006}))
def test_a_connection_is_closed_with_a_code(code: int) -> None:
    with StandIn(faults=[f"close-after=0.05,{code}"]) as stand_in, Client(stand_in.endpoint) as client:
        client.configure()

        _, frame = client.socket.recv_data(control_frame=True)

        expected = b"" if code == 1005 else code.to_bytes(2, "big") + CLOSE_REASONS[code].encode()
        assert frame == expected


def test_a_frozen_service_does_nothing_more() -> None:
    with StandIn(pace=1, faults=["freeze-after=0.1"]) as stand_in:
        client = Client(stand_in.endpoint)
        client.configure()
        client.send("response.create")
        client.socket.settimeout(0.5)
        with pytest.raises(WebSocketTimeoutException):
            client.until("response.done")
        client.socket.ping()

        assert silent_for(client, 0.2)
        client.vanish()


def test_a_service_that_stops_reading_says_its_sentence_to_the_end() -> None:
    with StandIn(pace=8, faults=["stop-reading-after=0.05"]) as stand_in:
        client = Client(stand_in.endpoint)
        client.configure()
        client.send("response.create")
        events = [client.receive()]
        while len(sound(events)) < 1000 * MS:  # which takes longer than 0.05 s
            events.append(client.receive())
        client.socket.ping()

        assert client.until("response.done")[-1]["response"]["status"] == "completed"
        assert silent_for(client, 0.2)
        with pytest.raises((WebSocketTimeoutException, OSError)):
            while True:
                client.say(bytes(2**20))
        client.vanish()


def test_a_session_expires_when_it_says() -> None:
    with StandIn(faults=["expires-in=0.1"]) as stand_in, Client(stand_in.endpoint) as client:
        updated = client.configure()
        _, frame = client.socket.recv_data(control_frame=True)

        assert frame == (1001).to_bytes(2, "big") + b"session expired"
        assert 0 <= time.time() - updated["session"]["expires_at"] < 1


@pytest.mark.parametrize("fault", ["freeze-after=0", "stop-reading-after=0"])
def test_the_end_of_the_stand_in_waits_for_no_fault(fault: str) -> None:
    with StandIn(faults=[fault]) as stand_in:
        client = Client(stand_in.endpoint)
        client.configure()
        assert silent_for(client, 0.1)
        begin_s = time.monotonic()

    assert time.monotonic() - begin_s < ENDS_WITHIN_S
    client.vanish()
