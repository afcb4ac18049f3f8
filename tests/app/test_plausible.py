"""Values that are plainly something else: caught with variable, value and place."""

import pytest

from voicelive.app import plausible
from voicelive.app.settings import AGENT_ID, AGENT_NAME, ENDPOINT, LANGUAGE, VOICE, Setting, Settings
from voicelive.errors import VoiceLiveError


def problems(settings: Settings) -> str:
    with pytest.raises(VoiceLiveError) as failure:
        settings.raise_problems()
    assert failure.value.exit_code == 2
    return failure.value.message


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("contoso", "https://contoso.services.ai.azure.com"),
        ("contoso.services.ai.azure.com", "https://contoso.services.ai.azure.com"),
        ("contoso.cognitiveservices.azure.com/", "https://contoso.cognitiveservices.azure.com/"),
        ("localhost:8080", "localhost:8080"),
        ("https://gateway.example/ai", "https://gateway.example/ai"),
    ],
)
def test_an_endpoint_that_lacks_its_beginning_is_completed(given: str, meant: str) -> None:
    assert Settings({}, {"AZURE_VOICE_LIVE_ENDPOINT": given}, {}).get(ENDPOINT) == meant


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        (AGENT_NAME, "asst_abc", "agent name 'asst_abc' (AI_FOUNDRY_AGENT_NAME in .env) is the id of"),
        (AGENT_ID, "anna", "agent id 'anna' (AI_FOUNDRY_AGENT_ID in .env) is not an id (asst_...)"),
        (AGENT_NAME, "anna:three", "must have a number as its version"),
        (ENDPOINT, "https://ai.azure.com/foundry/p?tid=1", "is a portal's address"),
        (LANGUAGE, "xx_YY", "language 'xx_YY' (AZURE_VOICE_LIVE_LANGUAGE in .env) is not a language"),
        (LANGUAGE, "de-DE,xx_YY", "in .env) has 'xx_YY', which is not a language such as"),
        (VOICE, "alloy", "voice 'alloy' (AZURE_VOICE_LIVE_VOICE in .env) is not the name of an Azure voice"),
    ],
)
def test_what_is_plainly_something_else_is_named_with_its_place(
    setting: Setting, value: str, said: str
) -> None:
    settings = Settings({}, {}, {setting.variables[0]: value})
    settings.get(setting)
    settings.get(setting)

    assert problems(settings).count(said) == 1


@pytest.mark.parametrize(
    "voice",
    [
        "en-US-AvaNeural",
        "en-US-Ava:DragonHDLatestNeural",
        "en-US-AvaMultilingualNeural",
        "zh-CN-liaoning-XiaobeiNeural",
        "sr-Latn-RS-NicholasNeural",
        "wuu-CN-XiaotongNeural",
        "en-us-andrew:DragonHDOmniLatestNeural",
    ],
)
def test_voices_of_every_form_pass(voice: str) -> None:
    assert plausible.voice(voice) == voice


def test_what_copying_leaves_around_a_value_is_taken_off() -> None:
    shell = {"AI_FOUNDRY_AGENT_NAME": "\u200b\u201canna:3\u201d\u00a0\ufeff"}

    assert Settings({}, shell, {}).get(AGENT_NAME) == "anna:3"


def test_a_variable_that_is_misspelt_is_named_with_what_was_meant() -> None:
    shell = {"AZURE_VOICE_LIVE_ENDPIONT": "x", "AI_FOUNDRY_SOMETHING": "x", "AZURE_VOICE_LIVE_VOICE": "x"}
    settings = Settings({}, shell, {"AI_FOUNDRY_AGENT_NAMES": "x", "PROJECT_NAMES": "not ours by its form"})
    settings.look_for_misspelt()

    told = problems(settings)
    assert "AZURE_VOICE_LIVE_ENDPIONT in the shell" in told
    assert "did you mean AZURE_VOICE_LIVE_ENDPOINT?" in told
    assert "AI_FOUNDRY_AGENT_NAMES in .env is not known: did you mean AI_FOUNDRY_AGENT_NAME?" in told
    assert told.count("did you mean") == 2
