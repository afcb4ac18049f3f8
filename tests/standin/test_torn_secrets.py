"""A secret that the service repeats in pieces is as little shown as a whole one."""

import json
from pathlib import Path

import pytest
from planted import JWT, KEY, SECRETS, Machine
from program import NAMED, Program
from servers import forwards_to, websocket_server
from websockets.sync.server import ServerConnection

from voicelive.text import LEAST_PART


@pytest.fixture
def machine(tmp_path: Path, question: str) -> Machine:
    return Machine(tmp_path, question)


def parts_shown(program: Program) -> list[str]:
    """What is left of the secrets wherever something is written, line breaks and marks between it or not."""
    texts = (program.stdout, program.stderr, program.conversation_log, program.technical_log)
    return [
        secret[at : at + LEAST_PART]
        for secret in SECRETS
        for at in range(len(secret) - LEAST_PART + 1)
        if any(secret[at : at + LEAST_PART] in text for text in texts)
    ]


def repeats_in_pieces(client: ServerConnection, secret: str, size: int) -> None:
    """A service that says it in deltas, in several items, in frames of one message, in events of any kind."""
    client.recv()
    pieces = [secret[at : at + size] for at in range(0, len(secret), size)]
    events: list[dict[str, object]] = [
        {"type": "session.created", "session": {"id": "sess_1"}},
        {"type": "session.updated", "session": {"id": "sess_1"}},
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.added", "response_id": "resp_1", "item": {"id": "item_0"}},
    ]
    for kind in ("audio_transcript", "text", "function_call_arguments"):
        part = {"type": f"response.{kind}.delta", "item_id": f"item_{kind}", "response_id": "resp_1"}
        events += [{**part, "delta": f"Your {piece}" if piece is pieces[0] else piece} for piece in pieces]
    for number, half in enumerate((secret[: len(secret) // 2], secret[len(secret) // 2 :])):
        item = {"item_id": f"half_{number}", "response_id": "resp_1"}
        events += [
            {"type": "response.audio_transcript.done", **item, "transcript": half},
            {"type": "warning", "warning": {"message": half}},
            {"type": f"some.{half}.event", "half": half},
        ]
    for event in events:
        text = json.dumps(event)
        client.send([text[at : at + size] for at in range(0, len(text), size)])  # each a frame
    client.send(secret[: len(secret) // 2])
    client.send(secret[len(secret) // 2 :])
    client.close(1008, secret[len(secret) // 3 :][:100])


@pytest.mark.parametrize("size", [7, 20])
@pytest.mark.parametrize("secret", [JWT, KEY], ids=["token", "key"])
def test_a_secret_that_comes_in_pieces_is_hidden(
    machine: Machine, logs: Path, secret: str, size: int
) -> None:
    key = KEY if secret is KEY else ""
    with websocket_server(lambda client: repeats_in_pieces(client, secret, size)) as url:
        proxy = forwards_to(int(url.split(":")[2].split("/")[0]))
        with machine.runs(logs, proxy, "project", *NAMED, AZURE_VOICE_LIVE_API_KEY=key) as program:
            assert program.wait() == 1, program.stderr

    assert "Your [hidden]" in program.stdout
    assert "The service warns: [hidden]" in program.stderr
    assert "some.[hidden]" in program.technical_log
    assert ".delta" not in program.technical_log, (
        "they are counted: the words come once more when they are whole"
    )
    assert parts_shown(program) == []
