"""Whether the service is reached, and what it makes of us: network, handshake, session, voice."""

import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from voicelive import failures
from voicelive.app.plan import Plan
from voicelive.auth import Access, in_background
from voicelive.connection import Connection
from voicelive.errors import VoiceLiveError
from voicelive.extras.check.report import Report
from voicelive.handshake import CONNECT_TIMEOUT_S, dial, proxy_before
from voicelive.library import open_connection
from voicelive.reconnect import GOODBYE_S, NO_ANSWER_S, SESSION_TIMEOUT_S
from voicelive.service import Service
from voicelive.session import (
    ANSWER_REQUEST,
    Message,
    Offer,
    typed_message,
    without_refused,
)
from voicelive.tls import tls_context
from voicelive.toolcalls import in_words

GREETING = "Hello."

Place = tuple[str, int]  # host and port


def check_network(report: Report, plan: Plan) -> bool:
    """Proxy, name, TCP and TLS; whether the service, or the proxy before it, is reached."""
    if not plan.service.url:
        report.skip("name", "needs an endpoint")
        return False
    place, is_proxy = first_hop(plan.service)
    if is_proxy:
        report.skip("proxy", "{}:{} (HTTPS_PROXY)".format(*place))

    def row(name: str, find: Callable[[Place], str]) -> bool:
        return report.look(name, partial(explained, find, place, is_proxy))

    if not (row("name", resolve) and row("TCP", connect)):
        return False
    if is_proxy or plan.service.is_local:
        report.skip("TLS", "through the proxy, with the handshake" if is_proxy else "none on this machine")
        return True
    return row("TLS", encrypt)


def first_hop(service: Service) -> tuple[Place, bool]:
    """To whom the connection goes first, and whether that is a proxy."""
    parts = urlsplit(service.url)
    host = parts.hostname or ""
    if service.is_local:
        return (host, parts.port or 80), False
    proxy = proxy_before(service.host)
    return ((proxy.host, proxy.port), True) if proxy else ((host, parts.port or 443), False)


def explained(find: Callable[[Place], str], place: Place, is_proxy: bool) -> str:
    """What is found at a place. Raises VoiceLiveError where nothing is."""
    try:
        return find(place)
    except (OSError, ValueError) as error:  # ValueError: a name that cannot be
        where = "{}:{}".format(*place)
        raise failures.not_connected(error, where, where if is_proxy else "") from error


def resolve(place: Place) -> str:
    """The addresses of a host."""
    asked = in_background(partial(socket.getaddrinfo, *place, type=socket.SOCK_STREAM))
    found = asked.result()  # which can be interrupted (on Windows from Python 3.14 on)
    return f"{place[0]} is " + ", ".join(dict.fromkeys(str(one[4][0]) for one in found))


def connect(place: Place) -> str:
    """Whether somebody listens there."""
    with dial(*place, time.monotonic() + CONNECT_TIMEOUT_S):
        return "{}:{} answers".format(*place)


def encrypt(place: Place) -> str:
    """The version of TLS, and the certificate."""
    with (
        dial(*place, time.monotonic() + CONNECT_TIMEOUT_S) as plain,
        tls_context().wrap_socket(plain, server_hostname=place[0]) as tls,
    ):
        return f"{tls.version()}, {certificate(tls.getpeercert())}"


def certificate(found: Any) -> str:
    """Who issued a certificate, and until when it is valid."""
    issuer = {name: value for part in found.get("issuer", ()) for name, value in part}
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"])).date()
    who = issuer.get("organizationName") or issuer.get("commonName")
    return f"certificate by {who}, valid until {until}"


def check_service(report: Report, plan: Plan, access: Access, hello: bool) -> None:
    """The handshake, the session, and with `hello` the agent's voice."""
    request_id = str(uuid.uuid4())
    lines: list[Line] = []

    def shake_hands() -> str:
        try:
            connection = open_connection(plan.service, plan.target, access, plan.offer, request_id)
        except VoiceLiveError as failure:
            failure.message += f"\nRequest id: {request_id}"
            raise
        lines.append(Line(connection, plan.first_message, plan.offer))
        return f"HTTP 101, request id {request_id}"

    if not report.look("handshake", shake_hands):
        return
    with closing(lines[0]) as line:
        is_accepted = report.look("session.created", line.create) and report.look(
            "session.updated", line.update
        )
        if is_accepted and hello and not line.less:
            report.look("agent", line.greet)
    if line.less:  # once more, as in a conversation
        plan.offer.asked_with(line.less)
        check_service(report, replace(plan, first_message=line.less), access, hello)


class Line:
    """A connection, step by step. Each step says what it found, and raises VoiceLiveError."""

    def __init__(self, connection: Connection, first_message: Message, offer: Offer) -> None:
        self.less: Message | None = None
        """The session to ask for where the service refuses a part of this one."""
        self._refused: Message = {}  # the error that does
        self._connection = connection
        self._first_message = first_message
        self._offer = offer
        self._events = connection.events()

    def create(self) -> str:
        """Ask for the session: its id and model."""
        self._connection.send(self._first_message)
        session = self.wait_for(tells_session("session.created"), SESSION_TIMEOUT_S)["session"]
        return f"{session.get('id', 'no id')}, {session.get('model', 'no model named')}"

    def update(self) -> str:
        """The session as the service has it, where that is not as asked for."""
        try:
            session = self.wait_for(tells_session("session.updated"), SESSION_TIMEOUT_S)["session"]
        except VoiceLiveError as failure:
            less, what = without_refused(self._first_message, self._refused, self._offer)
            if not what:
                raise
            self.less = less
            return f"{failure.message}: once more, without {what}"
        return "; ".join(differences(self._first_message["session"], session)) or "everything as asked for"

    def greet(self) -> str:
        """Have the agent speak."""
        self._connection.send(typed_message(GREETING))
        self._connection.send(ANSWER_REQUEST)
        event = self.wait_for(is_answer, NO_ANSWER_S, failures.no_answer)
        if "item" in event:
            return f"the agent answers {GREETING!r} by asking for {in_words(str(event['item'].get('name')))}"
        return f"the agent answers {GREETING!r} in sound"

    def wait_for(
        self,
        is_it: Callable[[Message], bool],
        timeout_s: float,
        late: Callable[[float], VoiceLiveError] = failures.no_session,
    ) -> Message:
        """The next such event. Raises VoiceLiveError for an error, the end, or none in time."""
        give_up_at, refusal = time.monotonic() + timeout_s, None
        for event in self._events:
            match event:
                case {"type": "error", "error": Mapping() as error}:
                    self._refused, failure = error, failures.service_error(error)
                    _, what = without_refused(self._first_message, error, self._offer)
                    if what or not failures.is_refusal(failure):
                        raise failure
                    if refusal:  # to a session that was asked for once
                        raise failures.voice_agent()
                    refusal = failure
                case Mapping() if is_it(event):
                    return event
            if time.monotonic() > give_up_at:
                raise refusal or late(timeout_s)
        if refusal:
            raise refusal
        raise failures.connection_ended(self._connection.close_code, self._connection.close_reason)

    def close(self) -> None:
        """Say goodbye."""
        self._connection.say_goodbye()
        cut_at = time.monotonic() + GOODBYE_S
        for _ in self._events:
            if time.monotonic() > cut_at:
                self._connection.cut()


def tells_session(kind: str) -> Callable[[Message], bool]:
    """Whether an event is of this kind, with a session in it."""
    return lambda event: event.get("type") == kind and isinstance(event.get("session"), Mapping)


def is_answer(event: Message) -> bool:
    """Whether the agent speaks, or asks for a tool, which is an answer, too."""
    match event:
        case {"type": "response.audio.delta", "delta": _}:
            return True
        case {
            "type": "response.output_item.done" | "conversation.item.created",
            "item": {"type": "function_call" | "mcp_approval_request" | "mcp_call"},
        }:
            return True
    return False


def differences(asked: Message, got: Message, path: str = "") -> list[str]:
    """The fields of a session that the service has otherwise than asked for: `voice.name: a, not b`."""
    found = []
    for name, value in asked.items():
        there = got.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            found += differences(value, there, f"{path}{name}.")
        elif there != value:
            found.append(f"{path}{name}: {json.dumps(there)}, not {json.dumps(value)}")
    return found
