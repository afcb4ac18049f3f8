"""What is missing before one can talk: settings, sound, sign-in, network, service, in this order.

Every row looks through the very piece that a conversation uses, and fails in its words.
"""

import base64
import json
import logging
import math
import os
import re
import socket
import ssl
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from websocket._url import get_proxy_info  # private, but what the connection itself asks

from voicelive import VoiceLiveError, failures
from voicelive.audio import BLOCK_S, SAMPLE_RATE
from voicelive.auth import Access, access_with, fetch_tokens, needed_scopes, without_credentials
from voicelive.call import NO_ANSWER_S, SESSION_TIMEOUT_S
from voicelive.connection import CONNECT_TIMEOUT_S, Connection, tls_context
from voicelive.conversation import ANSWER_REQUEST, typed_message
from voicelive.devices import import_sounddevice
from voicelive.logs import Redactor, c_libraries_into
from voicelive.screen import printable
from voicelive.session import Message
from voicelive.settings import ENDPOINT, Found, Setting
from voicelive.soundcard import Microphone, Speaker
from voicelive.talk import Plan, dial
from voicelive.uplink import LEAST_PEAK, peak
from voicelive.wav import WavSource

LISTEN_S = 1.0
NO_SOUND_S = 3.0  # for so long a microphone may take for one second of sound
TONE_HZ, TONE_S, TONE_LEVEL = 440, 0.5, 0.2
GREETING = "Hello."


def check_all(plan: Plan, tone: bool, hello: bool) -> int:
    """Show a row for each thing that a conversation needs; the exit code of the first that fails.

    `tone` plays a short one. `hello` has the agent answer a typed "Hello.": that costs, and it may act.
    """
    redact = Redactor()
    with open(os.devnull, "w") as nowhere, c_libraries_into(nowhere), Report(redact) as report:  # noqa: PTH123
        report.head("Settings")
        is_set = check_settings(report, plan)
        report.head("Sound")
        check_sound(report, plan, tone)
        report.head("Sign-in")
        access = check_sign_in(report, plan, redact.hide)
        report.head("Network")
        is_reached = check_network(report, plan)
        report.head("Service")
        if is_set and is_reached and access:
            check_service(report, plan, access, hello)
        else:
            report.skip("handshake", "needs all of the above but the sound")
    return report.conclude()


class Report:
    """The rows as they are found: a table on a terminal, lines elsewhere."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._first: tuple[str, VoiceLiveError] | None = None  # row that failed
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._table = Table.grid("", "", "", "", padding=(0, 2, 0, 0))
        self._table.columns[2].ratio = 1
        self._table.columns[3].justify = "right"
        is_plain = not self._console.is_terminal or self._console.is_dumb_terminal
        self._live = None if is_plain else Live(self._table, console=self._console)

    def __enter__(self) -> "Report":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def head(self, title: str) -> None:
        """The title of the rows that follow."""
        if self._live:
            self._table.add_row(Text(title, "bold"))
        else:
            self._console.print(title, soft_wrap=True)

    def look(self, name: str, find: Callable[[], str]) -> bool:
        """A row with what `find` finds, and how long that took; whether it raised no VoiceLiveError."""
        began = time.monotonic()
        status, failure = "ok", None
        try:
            found = find()
        except VoiceLiveError as error:
            failure = error
        except Exception:
            failure = failures.bug()
            failure.remedy += f"\n{traceback.format_exc()}"
        if failure:
            status, found = "FAILED", failure.message
            self._first = self._first or (name, failure)
        took_ms = round(1000 * (time.monotonic() - began))
        self._show(status, name, found, f"{took_ms} ms" if took_ms else "")
        return failure is None

    def skip(self, name: str, why: str) -> None:
        """A row that was not looked at."""
        self._show("-", name, why, "")

    def conclude(self) -> int:
        """What to do next, and the exit code."""
        text, exit_code = "All is well.", 0
        if self._first:
            name, failure = self._first
            text, exit_code = f"{name}: {failure.remedy} Then check again.", failure.exit_code
        self._console.print(self._redact(printable(text)), soft_wrap=self._live is None)
        return exit_code

    def _show(self, status: str, name: str, found: str, took: str) -> None:
        found = self._redact(printable(found))
        if self._live:
            style = {"ok": "green", "FAILED": "bold red"}.get(status, "")
            self._table.add_row(Text(status, style), name, Text(found), took)
            self._live.refresh()
        else:
            lines = found.replace("\n", "\n" + 26 * " ")
            self._console.print(f"{status:>6}  {name:16}  {lines}  {took}".rstrip(), soft_wrap=True)


def check_settings(report: Report, plan: Plan) -> bool:
    """A row for each that is set, and one for all that are missing or impossible; whether none is."""
    needed_scopes(plan.target, plan.settings)  # asks for the key
    for setting, found in plan.settings.found.items():
        name = setting.name.replace("_", " ")
        if found.value:
            report.look(name, partial(described, setting, found))
        elif setting.name == "api_version":
            report.look(name, lambda: f"{plan.service.api_version} (default)")

    def problems() -> str:
        plan.settings.raise_problems()
        return "nothing is missing"

    return report.look("all needed", problems)


def described(setting: Setting, found: Found) -> str:
    """A setting's value, unless it is a secret, and where it came from."""
    value = f"set ({len(found.value)} characters)" if setting.secret else found.value
    return f"{without_credentials(value) if setting == ENDPOINT else value} ({found.source})"


def check_sound(report: Report, plan: Plan, tone: bool) -> None:
    """PortAudio, one second of the microphone, the speaker."""
    there = report.look("PortAudio", portaudio)
    if plan.input_file:
        path = plan.input_file
        report.look("microphone", lambda: f"the file {WavSource(path).name}")
    elif there:
        report.look("microphone", lambda: listen(plan.input_device))
    if plan.output_file:
        report.skip("speaker", f"the file {plan.output_file}")
    elif there:
        report.look("speaker", lambda: play(plan.output_device, tone))


def portaudio() -> str:
    """The version of PortAudio, and of its Python side."""
    sd = import_sounddevice()
    return f"{sd.get_portaudio_version()[1].partition(',')[0]}, sounddevice {sd.__version__}"


def listen(device: str | None) -> str:
    """What the microphone is, and its level over a second in dB below full scale."""
    with closing(Microphone(device)) as microphone:
        timer = threading.Timer(NO_SOUND_S, microphone.close)  # ends the iteration, if nothing comes
        timer.start()
        pcm = b"".join(islice(microphone, round(LISTEN_S / BLOCK_S)))
        timer.cancel()
        if not pcm:
            raise VoiceLiveError(f"{microphone.name} gives no sound at all.", "Try another --input-device.")
        loudest = peak(pcm)
        if loudest < LEAST_PEAK:
            raise failures.silent_microphone()
        level = math.sqrt(np.mean((np.frombuffer(pcm, dtype="<i2") / 32768) ** 2))
        loud = f"level {20 * math.log10(level):.0f} dBFS, peak {20 * math.log10(loudest):.0f} dBFS"
        return f"{microphone.stream.about}; {loud}"


def play(device: str | None, tone: bool) -> str:
    """What the speaker is; `tone` sounds on it, swelling and fading."""
    with closing(Speaker(device)) as speaker:
        if tone:
            seconds = np.arange(round(TONE_S * SAMPLE_RATE)) / SAMPLE_RATE
            wave = np.sin(2 * np.pi * TONE_HZ * seconds) * np.sin(np.pi * seconds / TONE_S)
            speaker.play((TONE_LEVEL * 32767 * wave).astype("<i2").tobytes(), "tone")
            if not speaker.wait_until_heard(NO_SOUND_S):
                raise VoiceLiveError(f"{speaker.name} plays nothing.", "Try another --output-device.")
        return f"{speaker.stream.about}{'; a tone was played' if tone else ''}"


def check_sign_in(report: Report, plan: Plan, hide: Callable[[str], None]) -> Access | None:
    """A row for each token; None where one of them is not there."""
    tokens: dict[str, str] = {}

    def fetch(scope: str) -> str:
        with credentials_that_answer() as names:
            tokens.update(fetch_tokens([scope]))
        hide(tokens[scope])
        return "; ".join([*names[-1:], *claims(tokens[scope])])

    scopes = needed_scopes(plan.target, plan.settings)
    if plan.service.is_local:
        report.skip("token", "plain text to this machine: a made-up one is sent")
        tokens = dict.fromkeys(scopes, "made-up-token")
    elif not scopes:
        report.skip("token", "the key takes its place")
    else:
        rows = [report.look(urlsplit(scope).netloc, partial(fetch, scope)) for scope in scopes]
        if not all(rows):
            return None
    return access_with(tokens, plan.target, plan.settings, hide)


@contextmanager
def credentials_that_answer() -> Iterator[list[str]]:
    """The credentials of DefaultAzureCredential's chain that gave a token, from its log: it has no API."""
    names: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if found := re.search(r"acquired a token from (\w+)", record.getMessage()):
                names.append(found[1])

    logger, listener = logging.getLogger("azure.identity"), Listener()
    level, spreads = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # its warnings are in the failure that it raises
    try:
        yield names
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = spreads


def claims(token: str) -> list[str]:
    """What a token says of itself: audience, tenant, user or app, minutes left. Not verified."""
    try:
        payload = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        left = f"{(found['exp'] - time.time()) / 60:.0f} minutes left" if "exp" in found else ""
        is_app = found.get("idtyp") == "app"
        user = next(
            (found[name] for name in ("upn", "preferred_username", "unique_name") if name in found), ""
        )
        app = f"app {found.get('appid') or found.get('azp')}"
        tenant = f"tenant {found['tid']}" if "tid" in found else ""
        return [part for part in (app if is_app else user, tenant, f"for {found.get('aud')}", left) if part]
    except (ValueError, LookupError, TypeError, AttributeError):
        return ["it tells nothing of itself"]


def check_network(report: Report, plan: Plan) -> bool:
    """Proxy, name, TCP and TLS; whether the service, or the proxy before it, is reached."""
    if not plan.service.url:
        report.skip("name", "needs an endpoint")
        return False
    parts = urlsplit(plan.service.url)
    is_secure = not plan.service.is_local
    port = parts.port or (443 if is_secure else 80)
    place, proxy = (parts.hostname or "", port), None
    if is_secure:
        proxy_host, proxy_port, _ = get_proxy_info(place[0], is_secure)
        proxy = (proxy_host, proxy_port or 80) if proxy_host else None
    if proxy:
        report.look("proxy", lambda: "{}:{} (HTTPS_PROXY)".format(*proxy))
        place = proxy

    def resolve() -> str:
        found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
        return f"{place[0]} is " + ", ".join(dict.fromkeys(str(one[4][0]) for one in found))

    def connect() -> str:
        with socket.create_connection(place, CONNECT_TIMEOUT_S):
            return "{}:{} answers".format(*place)

    def encrypt() -> str:
        with (
            socket.create_connection(place, CONNECT_TIMEOUT_S) as plain,
            tls_context().wrap_socket(plain, server_hostname=place[0]) as tls,
        ):
            return f"{tls.version()}, {certificate(tls.getpeercert())}"

    def explained(find: Callable[[], str]) -> Callable[[], str]:
        def found() -> str:
            try:
                return find()
            except OSError as error:
                raise failures.not_connected(error, "{}:{}".format(*place)) from error

        return found

    if not (report.look("name", explained(resolve)) and report.look("TCP", explained(connect))):
        return False
    if proxy or not is_secure:
        report.skip("TLS", "through the proxy, with the handshake" if proxy else "none on this machine")
        return True
    return report.look("TLS", explained(encrypt))


def certificate(found: Any) -> str:
    """Who issued a certificate, and until when it is valid."""
    issuer = {name: value for part in found.get("issuer", ()) for name, value in part}
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"])).date()
    who = issuer.get("organizationName") or issuer.get("commonName")
    return f"certificate by {who}, valid until {until}"


def check_service(report: Report, plan: Plan, access: Access, hello: bool) -> None:
    """The handshake, the session, and with `hello` the agent's voice."""
    request_id = str(uuid.uuid4())
    opened: list[Connection] = []

    def shake_hands() -> str:
        try:
            opened.append(dial(plan.service, plan.target, access, request_id, plan.first_message))
        except VoiceLiveError as failure:
            failure.message += f"\nRequest id: {request_id}"
            raise
        return f"HTTP 101, request id {request_id}"

    if not report.look("handshake", shake_hands):
        return
    (connection,) = opened
    with closing(Line(connection)) as line:

        def create() -> str:
            connection.send(plan.first_message)
            session = line.wait_for("session.created", SESSION_TIMEOUT_S)["session"]
            return f"{session['id']}, {session.get('model', 'no model named')}"

        def update() -> str:
            session = line.wait_for("session.updated", SESSION_TIMEOUT_S)["session"]
            return "; ".join(differences(plan.first_message["session"], session)) or "all as asked for"

        def greet() -> str:
            connection.send(typed_message(GREETING))
            connection.send(ANSWER_REQUEST)
            line.wait_for("response.audio.delta", NO_ANSWER_S, failures.no_answer)
            return f"the agent answers {GREETING!r} in sound"

        if report.look("session.created", create) and report.look("session.updated", update) and hello:
            report.look("agent", greet)


class Line:
    """The events of a connection, one kind after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._events = iter(connection)

    def wait_for(
        self, kind: str, timeout_s: float, late: Callable[[float], VoiceLiveError] = failures.no_session
    ) -> Message:
        """The next event of a kind. Raises VoiceLiveError for an error, the end, or none in time."""
        timer = threading.Timer(timeout_s, self._connection.close)  # ends the iteration
        timer.start()
        deadline = time.monotonic() + timeout_s
        try:
            for event in self._events:
                match event:
                    case {"type": "error", "error": Mapping() as error}:
                        raise failures.service_error(error)
                    case {"type": found} if found == kind:
                        return event
        finally:
            timer.cancel()
        if time.monotonic() >= deadline:
            raise late(timeout_s)
        raise failures.connection_ended(self._connection.close_code, self._connection.close_reason)

    def close(self) -> None:
        """Say goodbye."""
        closing = threading.Thread(target=self._connection.close, name="goodbye")
        closing.start()
        for _ in self._events:
            pass
        closing.join()


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
