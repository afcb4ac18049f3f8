"""Where `check` is named, for whom something is missing or fails."""

import pytest
from test_auth import settings

from hub_variant import HUB
from voicelive.app.cli import hints
from voicelive.app.kinds import AgentKind
from voicelive.app.options import Options
from voicelive.errors import VoiceLiveError
from voicelive.extras.check import as_typed
from voicelive_agent import PROJECT


@pytest.mark.parametrize(("kind", "check"), [(PROJECT, "check project`"), (HUB, "check hub`")])
def test_who_misses_a_setting_is_sent_to_the_check_of_that_kind(kind: AgentKind, check: str) -> None:
    found = settings()
    kind.find_target(found)

    with pytest.raises(VoiceLiveError) as failure:
        found.raise_problems(hints(kind))

    assert f"voicelive_agent.py {check} shows each setting" in failure.value.remedy


def test_options_come_back_as_they_were_typed() -> None:
    options = Options({"endpoint": "https://r", "voice": None}, input_device="headset", no_mic=True)

    assert as_typed(options) == ["--endpoint", "https://r", "--input-device", "headset", "--no-mic"]
