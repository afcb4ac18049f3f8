"""What is missing before you can talk: settings, sound, sign-in, network, service, in this order.

Every row looks through the very piece that a conversation uses, and fails in its words.
"""

import base64
import json
import logging
import math
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from voicelive import failures
from voicelive.app.cli import hints
from voicelive.app.logs import c_libraries_into
from voicelive.app.options import Options
from voicelive.app.plan import Plan
from voicelive.app.run import open_sink, open_source
from voicelive.app.screen import own_command
from voicelive.app.settings import API_KEY, ENDPOINT, Found, Setting
from voicelive.audio import BYTES_A_SECOND, SAMPLE_RATE
from voicelive.auth import Access, Credential, access_with, fetch_tokens, needed_scopes
from voicelive.devices import import_sounddevice
from voicelive.errors import VoiceLiveError
from voicelive.extras.check.report import Doubt, Report
from voicelive.extras.check.service import check_network, check_service
from voicelive.files import there
from voicelive.service import without_credentials
from voicelive.soundcard import Microphone, Speaker
from voicelive.text import Redactor
from voicelive.uplink import LEAST_PEAK, peak

LISTEN_S = 1.0
NO_SOUND_S = 3.0  # for so long a microphone may take for one second of sound
TONE_HZ, TONE_S, TONE_LEVEL = 440, 0.5, 0.2


def check_all(plan: Plan, tone: bool, hello: bool) -> int:
    """Show a row for each thing that a conversation needs; the exit code of the first that fails.

    `tone` plays a short one. `hello` has the agent answer a typed "Hello.": that costs, and it may act.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # else warnings are shown as they are
    redact = Redactor()
    redact.hide(plan.settings.get(API_KEY))
    report = Report(redact)
    with c_libraries_into(lambda text: None):
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
            report.skip("handshake", "needs all of the above except the sound")
    return report.conclude()


def check_settings(report: Report, plan: Plan) -> bool:
    """A row for each setting, and one for all that are missing or wrong; whether none is."""
    for setting, found in plan.settings.found.items():
        name = setting.name.replace("_", " ")
        if found.value:
            report.look(name, partial(described, setting, found, setting in plan.settings.rejected))
        elif setting.name == "api_version":
            report.look(name, lambda: f"{plan.service.api_version} (default)")

    for name, place in plan.settings.of_libraries().items():
        report.look(name[:17].lower(), partial("{} is set, in {}".format, name, place))

    def problems() -> str:
        elsewhere = [hint for hint in hints(plan.kind) if own_command("check") not in hint]
        plan.settings.raise_problems(elsewhere)
        return "nothing is missing"

    return report.look("all needed", problems)


def described(setting: Setting, found: Found, is_rejected: bool) -> str:
    """A setting's value, unless it is a secret, and where it came from."""
    value = f"set ({len(found.value)} characters)" if setting.secret else found.value
    row = f"{without_credentials(value) if setting == ENDPOINT else value} ({found.source})"
    if is_rejected:
        return Doubt(f"{row}: wrong, see below")
    if setting == API_KEY:
        return Doubt(f"{row}: agents take no key today. Unset it, and run `az login`.")
    return row


def check_sound(report: Report, plan: Plan, tone: bool) -> None:
    """PortAudio, one second of the microphone, the speaker."""
    options = plan.options
    is_replaced = options.input or options.no_mic
    has_portaudio = not (is_replaced and options.output) and report.look("PortAudio", portaudio)
    if has_portaudio or is_replaced:
        report.look("microphone", lambda: listen(options))
    if options.output:
        report.look("speaker", partial(replaceable, options.output))
    elif has_portaudio:
        report.look("speaker", lambda: play(options, tone))


def portaudio() -> str:
    """The version of PortAudio, and of its Python side."""
    sd = import_sounddevice()
    return f"{sd.get_portaudio_version()[1].partition(',')[0]}, sounddevice {sd.__version__}"


def listen(options: Options) -> str:
    """What the microphone is, or is replaced by. Raises VoiceLiveError."""
    with closing(open_source(options)) as source:
        if not isinstance(source, Microphone):
            return source.name
        if not (loud := level(source)):
            hint = failures.silent_microphone()
            return Doubt(f"{source.stream.about}; {hint.message} {hint.remedy}")
        return f"{source.stream.about}; {loud}"


def level(microphone: Microphone) -> str:
    """How loud it is for a second, in dB below full scale; '' for nothing but zeros, as a noise gate gives.

    Raises VoiceLiveError for one that gives no sound.
    """
    timer = threading.Timer(NO_SOUND_S, microphone.close)  # ends the iteration, if nothing comes
    timer.daemon = True
    timer.start()
    pcm, enough = b"", round(LISTEN_S * BYTES_A_SECOND)
    for block in microphone:
        pcm += block
        if len(pcm) >= enough:
            break
    timer.cancel()
    if len(pcm) < enough:
        raise VoiceLiveError(
            f"{microphone.name} gives no sound, or not enough.", "Try another --input-device."
        )
    loudest = peak(pcm)
    if loudest < LEAST_PEAK:
        return ""
    usual = math.sqrt(np.mean((np.frombuffer(pcm, dtype="<i2") / 32768) ** 2))
    return f"level {20 * math.log10(usual):.0f} dBFS, peak {20 * math.log10(loudest):.0f} dBFS"


def play(options: Options, tone: bool) -> str:
    """What the speaker is, or is replaced by; `tone` sounds on it, swelling and fading."""
    with closing(open_sink(options, Path(os.devnull))) as sink:
        if tone:
            seconds = np.arange(round(TONE_S * SAMPLE_RATE)) / SAMPLE_RATE
            wave = np.sin(2 * np.pi * TONE_HZ * seconds) * np.sin(np.pi * seconds / TONE_S)
            sink.play((TONE_LEVEL * 32767 * wave).astype("<i2").tobytes(), "tone")
            if not sink.wait_until_heard(NO_SOUND_S):
                raise VoiceLiveError(f"{sink.name} plays nothing.", "Try another --output-device.")
        about = sink.stream.about if isinstance(sink, Speaker) else sink.name
        return f"{about}{'; a tone was played' if tone else ''}"


def replaceable(path: Path) -> str:
    """A file in place of the speaker, which is not emptied here. Raises VoiceLiveError."""
    try:
        is_device = there(path) == stat.S_IFCHR
    except OSError as error:
        raise failures.unusable_file(path, error.strerror or error) from error
    if not is_device and not os.access(path.parent, os.W_OK):
        raise failures.unusable_file(path, "it cannot be written")
    return f"the file {path}"


def check_sign_in(report: Report, plan: Plan, hide: Callable[[str], None]) -> Access | None:
    """A row for each token; None where one of them is not there."""
    tokens: dict[str, str] = {}
    credential = Credential()

    def fetch(scope: str) -> str:
        with credentials_that_answer() as names:
            tokens.update(fetch_tokens([scope], credential))
        hide(tokens[scope])
        return "; ".join([*names[-1:], *claims(tokens[scope])])

    api_key = plan.settings.get(API_KEY)
    scopes = needed_scopes(plan.target, api_key)
    if plan.service.is_local:
        report.skip("token", "plain text to this machine: a made-up one is sent")
        tokens = dict.fromkeys(scopes, "made-up-token")
    elif not scopes:
        report.skip("token", "the key takes its place")
    else:
        rows = [report.look(urlsplit(scope).netloc, partial(fetch, scope)) for scope in scopes]
        if not all(rows):
            return None
    return access_with(tokens, plan.target, api_key, hide)


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
        return ["it does not describe itself"]
