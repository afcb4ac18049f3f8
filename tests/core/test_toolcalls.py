"""What the agent asks for besides the user's words: each call is answered once, and told."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from held import SPEECH_STARTED, SPEECH_STOPPED, UPDATED, Event, Held, added, audio, created, done, words

from voicelive.toolcalls import Answer, FunctionCall, in_words

CREATE = "conversation.item.create"


def call(name: str = "time_in", arguments: str = '{"place": "Tokyo"}', id: str = "call_1") -> Event:
    item = {"id": f"item_{id}", "type": "function_call", "status": "completed", "name": name}
    item |= {"call_id": id, "arguments": arguments}
    return {"type": "response.output_item.done", "response_id": "resp_1", "output_index": 0, "item": item}


def request(id: str = "mcpr_1", arguments: str = '{"query": "voice"}') -> Event:
    item = {"id": id, "type": "mcp_approval_request", "server_label": "docs", "name": "search"}
    return {"type": "conversation.item.created", "item": {**item, "arguments": arguments}}


def mcp_call(error: object = None) -> Event:
    item = {"id": "mcp_1", "type": "mcp_call", "server_label": "docs", "name": "search", "error": error}
    item |= {"approval_request_id": "mcpr_1", "arguments": "{}", "output": None}
    return {"type": "response.output_item.done", "response_id": "resp_1", "output_index": 0, "item": item}


def goes(how: str, kind: str = "mcp", item: str = "mcp_1") -> Event:
    return {"type": f"response.{kind}_call.{how}", "item_id": item, "output_index": 0}


class Functions:
    """Takes calls, and answers them when the test says so."""

    def __init__(self) -> None:
        self.calls: list[FunctionCall] = []
        self.answers: list[Answer] = []

    def run(self, call: FunctionCall, answer: Answer) -> bool:
        self.calls.append(call)
        self.answers.append(answer)
        return True


class Calling(Held):
    """A conversation in which functions may be called."""

    def __init__(self, **options: Any) -> None:
        self.functions = Functions()
        super().__init__(run_function=self.functions.run, **options)
        self.handle(UPDATED)

    @property
    def told(self) -> list[tuple[str, object]]:
        """What the service was told: outputs and approvals by their ids, and the rest by its type."""
        items = [message.get("item", {}) for message in self.sent]
        ids = [item.get("call_id") or item.get("approval_request_id") for item in items]
        said = [item.get("output", item.get("approve")) for item in items]
        return [(id or message["type"], word) for message, id, word in zip(self.sent, ids, said, strict=True)]


def test_a_function_is_called_and_the_agent_goes_on_with_what_it_gave() -> None:
    held = Calling()
    held.handle(created(), call())
    held.functions.answers[0]('"noon"')
    assert held.sent == [], "the service makes one response at a time"
    assert not held.conversation.is_resting

    held.handle(done())

    assert held.functions.calls == [FunctionCall("call_1", "time_in", '{"place": "Tokyo"}')]
    assert held.sent[0]["item"]["type"] == "function_call_output"
    assert held.told == [("call_1", '"noon"'), ("response.create", None)]
    assert held.log.getvalue() == 'Agent Tool Call:\ttime_in(place="Tokyo")'
    held.handle(created("resp_2"), done("resp_2"))
    assert held.conversation.is_resting


def test_an_output_that_takes_longer_than_the_response_is_sent_when_it_is_there() -> None:
    held = Calling()
    held.handle(created(), call(), done())
    assert held.sent == [] and not held.conversation.is_resting

    held.functions.answers[0]('"noon"')

    assert held.told == [("call_1", '"noon"'), ("response.create", None)]


def test_calls_at_the_same_time_are_all_answered_before_the_agent_goes_on() -> None:
    held = Calling()
    held.handle(created(), call(id="call_1"), call(id="call_2"), done())

    held.functions.answers[1]("2")
    assert held.told == [("call_2", "2")]
    held.functions.answers[0]("1")

    assert held.told == [("call_2", "2"), ("call_1", "1"), ("response.create", None)]


def test_one_round_may_follow_another() -> None:
    held = Calling()
    held.handle(created(), call(), done())
    held.functions.answers[0]("1")
    held.handle(created("resp_2"), call(id="call_2"), done("resp_2"))
    held.functions.answers[1]("2")

    asked = ("response.create", None)
    assert held.told == [("call_1", "1"), asked, ("call_2", "2"), asked]


@pytest.mark.parametrize("twice", [call(), done(output=[call()["item"]])])
def test_a_call_that_is_told_twice_is_made_and_answered_once(twice: Event) -> None:
    held = Calling()
    held.handle(created(), call(), twice, done())
    for answer in held.functions.answers * 2:
        answer("1")

    assert held.told == [("call_1", "1"), ("response.create", None)]


def test_a_call_that_is_told_in_the_end_only_is_made() -> None:
    held = Calling()
    held.handle(created(), done(output=[call()["item"]]))

    assert [made.id for made in held.functions.calls] == ["call_1"]


def test_a_call_that_was_cut_off_before_it_was_whole_is_not_made() -> None:
    half = call()
    half["item"]["status"] = "incomplete"
    held = Calling()
    held.handle(created(), half, SPEECH_STARTED, done(status="cancelled"))

    assert held.functions.calls == []


def test_who_speaks_while_a_function_runs_gets_one_answer_that_knows_what_it_gave() -> None:
    """The user's own turn has an answer; but the service must get the output of each call."""
    held = Calling()
    held.handle(created(), call(), done(), SPEECH_STARTED)

    held.functions.answers[0]("1")
    held.handle(SPEECH_STOPPED, created("resp_2"), done("resp_2"))

    assert held.told == [("call_1", "1")]
    assert held.conversation.is_resting


def test_an_output_that_comes_in_the_answer_to_something_else_is_told_after_it() -> None:
    held = Calling()
    held.handle(created(), call(), done(), SPEECH_STARTED, SPEECH_STOPPED, created("resp_2"))
    held.functions.answers[0]("1")
    assert held.sent == []

    held.handle(done("resp_2"))

    assert held.told == [("call_1", "1"), ("response.create", None)]


def test_a_message_that_is_typed_while_a_function_runs_is_answered_at_once() -> None:
    held = Calling()
    held.handle(created(), call(), done())
    held.conversation.say("Are you there?")
    held.handle(created("resp_2"))
    held.functions.answers[0]("1")
    held.handle(done("resp_2"))

    asked = ("response.create", None)
    assert held.told == [(CREATE, None), asked, ("call_1", "1"), asked]


def typed(held: Held) -> None:
    held.conversation.say("Are you there?")


def spoken(held: Held) -> None:
    held.handle(SPEECH_STARTED, SPEECH_STOPPED)


@pytest.mark.parametrize("turn", [typed, spoken])
def test_a_turn_that_an_agent_which_waits_for_us_does_not_answer_is_asked_about_again(
    turn: Callable[[Held], None],
) -> None:
    held = Calling(approve="ask")
    held.handle(created(), call(), request(), done())
    turn(held)
    asked = [("response.create", None)]
    before = len(held.told)
    held.functions.answers[0]("1")
    assert held.told[before:] == [("call_1", "1")], "a question is open"

    held.conversation.decide(False)

    assert held.told[before + 1 :] == [("mcpr_1", False), *asked]
    held.handle(created("resp_2"), done("resp_2"))
    assert held.told[before + 2 :] == asked and held.conversation.is_resting


def test_what_a_function_gives_after_the_line_was_lost_is_answered_to_nobody() -> None:
    held = Calling()
    held.handle(created(), call(), done())
    held.conversation.pause()
    held.handle(UPDATED)
    held.functions.answers[0]("1")

    assert held.sent == []
    assert held.notes[0] == "What time_in returned comes too late: the connection was lost."
    assert held.conversation.is_resting


@pytest.mark.parametrize("run", [None, lambda call, answer: False])
def test_a_function_that_is_not_there_is_declined_and_told(run: Any) -> None:
    held = Held(run_function=run)
    held.handle(UPDATED, created(), call("open_door", "{}"), done())

    output = json.loads(held.sent[0]["item"]["output"])
    assert output == {"error": "open_door is not available here."}
    assert held.sent[1]["type"] == "response.create"
    assert "open_door is not available here: docs/make-it-yours.md" in held.notes[0]


def test_a_person_is_asked_once_about_a_tool_that_asks_first_and_agrees() -> None:
    held = Calling(approve="ask")
    held.handle(created(), request(), request(), done())

    assert held.notes == ['The agent wants to use search(query="voice") of docs. Type y or n, then Enter.']
    assert held.sent == [] and not held.conversation.is_resting
    assert held.conversation.decide(True)

    assert held.sent[0]["item"]["type"] == "mcp_approval_response"
    assert held.told == [("mcpr_1", True)], "the service runs it, and is asked to go on then"
    assert held.log.getvalue() == 'Agent Tool Call:\tsearch(query="voice") of docs (approved)'
    held.handle(goes("in_progress"), goes("completed"), mcp_call())
    assert held.told[1:] == [("response.create", None)]


def test_a_person_denies_and_the_agent_goes_on() -> None:
    held = Calling(approve="ask")
    held.handle(created(), request(), done())
    held.conversation.decide(False)

    assert held.told == [("mcpr_1", False), ("response.create", None)]


def test_one_question_is_asked_after_the_other() -> None:
    held = Calling(approve="ask")
    held.handle(created(), request("mcpr_1"), request("mcpr_2", '{"query": "other"}'), done())
    assert len(held.notes) == 1
    held.conversation.decide(True)
    assert "other" in held.notes[1]
    held.conversation.decide(False)

    assert held.told[:2] == [("mcpr_1", True), ("mcpr_2", False)]
    assert not held.conversation.decide(True), "nothing is asked any more"


@pytest.mark.parametrize(("approve", "answer"), [("none", False), ("all", True)])
def test_where_nobody_is_asked_the_rule_decides_at_once(approve: Any, answer: bool) -> None:
    held = Calling(approve=approve)
    held.handle(created(), request(), done())

    assert held.told[0] == ("mcpr_1", answer)
    assert held.notes == []


def test_without_a_person_what_is_asked_is_denied() -> None:
    held = Calling(approve="ask")
    held.handle(created(), request("mcpr_1"), done())
    held.conversation.leave()
    held.handle(created("resp_2"), request("mcpr_2"), done("resp_2"))

    assert [word for _, word in held.told if word is not None] == [False, False]


def test_the_arguments_of_a_request_may_come_after_it() -> None:
    held = Calling(approve="ask")
    late = {"type": "response.mcp_call_arguments.done", "item_id": "mcpr_1", "arguments": '{"query": "late"}'}
    held.handle(created(), request(arguments=""), late, done())

    assert held.notes == ['The agent wants to use search(query="late") of docs. Type y or n, then Enter.']


def test_what_was_asked_is_void_when_the_line_is_lost() -> None:
    held = Calling(approve="ask")
    held.handle(created(), request(), done())
    held.conversation.pause()

    assert not held.conversation.decide(True)
    assert held.notes[1:] == ["There is nothing left to approve: the connection was lost."]


@pytest.mark.parametrize("error", ["No such page.", {"message": "No such page."}])
def test_a_tool_that_failed_is_told_once_with_the_services_words(error: object) -> None:
    held = Calling()
    held.handle(created(), goes("in_progress"), goes("failed"), mcp_call(error), done())

    assert held.notes == ["The agent failed in using search of docs: No such page."]


def test_a_tool_that_failed_without_a_reason_is_told() -> None:
    held = Calling()
    held.handle(
        created(), goes("in_progress", "web_search", "ws_1"), goes("failed", "web_search", "ws_1"), done()
    )

    assert held.notes == ["The agent failed in searching the web."]


def test_tools_that_could_not_be_listed_are_told() -> None:
    item = {
        "id": "mcpl_1",
        "type": "mcp_list_tools",
        "server_label": "docs",
        "error": {"message": "HTTP 401"},
    }
    held = Calling()
    held.handle(
        {"type": "conversation.item.created", "item": item},
        {"type": "mcp_list_tools.failed", "item_id": "mcpl_1"},
    )

    assert held.notes == ["The agent cannot use the tools of docs: listing them failed: HTTP 401"]


def test_what_the_agent_does_in_silence_is_told_while_it_lasts() -> None:
    held = Calling()
    begun = {"type": "response.web_search_call.searching", "response_id": "resp_1", "item_id": "ws_1"}
    held.handle(created(), begun)
    activity = held.conversation.tools.activity
    assert activity and activity.what == "searching the web"

    held.handle({**begun, "type": "response.web_search_call.completed"})

    assert held.conversation.tools.activity is None


@pytest.mark.parametrize(
    "begun",
    [
        {"type": "response.file_search_call.in_progress", "response_id": "resp_1", "item_id": "fs_1"},
        {"type": "response.invocation.delta", "delta": {"event": "progress"}},
    ],
)
def test_what_never_said_that_it_is_over_ends_with_its_response(begun: Event) -> None:
    held = Calling()
    held.handle(created(), begun)
    assert held.conversation.tools.activity

    held.handle(done())

    assert held.conversation.tools.activity is None
    assert held.conversation.is_resting


def test_an_agent_that_tells_by_itself_what_its_tool_gave_is_not_asked_to() -> None:
    said = {**added(), "item": {"id": "item_1", "type": "message", "role": "assistant"}}
    held = Calling()
    held.handle(created(), goes("in_progress"), goes("completed"), mcp_call(), said, words("Done."), done())

    assert held.sent == []
    assert held.conversation.is_resting


def test_the_sources_of_an_answer_stand_behind_it() -> None:
    cited = {"type": "url_citation", "url": "https://example.org/a", "title": "A page"}
    annotation = {"type": "response.audio_transcript.annotation.added", "annotation_index": 0}
    annotation |= {"response_id": "resp_1", "item_id": "item_1", "annotation": cited}
    file = {**annotation, "annotation": {"type": "file_citation", "filename": "rules.pdf"}}
    held = Calling()
    held.handle(created(), added(), words("So it is."), annotation, annotation, file, audio(b"\1\0"), done())

    assert held.log.getvalue().splitlines() == [
        "Agent Audio Response:\tSo it is.",
        "Agent Sources:\tA page (https://example.org/a); rules.pdf",
    ]


def test_an_answer_with_nothing_in_it_is_told() -> None:
    held = Calling()
    held.handle(created(), done(output=[]))

    assert held.notes == ["The agent's answer is empty."]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"place": "Köln", "n": 3}', 'f(place="Köln", n=3)'),
        ("{}", "f()"),
        ("", "f"),
        ("[1]", "f([1])"),
        ("not\nJSON", "f(not JSON)"),
        ('{"text": "' + "word " * 100 + '"}', None),
    ],
)
def test_a_call_is_shown_in_one_line(arguments: str, shown: str | None) -> None:
    line = in_words("f", arguments)

    assert line == shown or (shown is None and len(line) < 220 and line.endswith(" ...)"))
