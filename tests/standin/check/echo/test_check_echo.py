"""`check`, where the service refuses the client's echo reference."""

from checked import FILES, Checked
from program import NAMED

from standin.server import StandIn


def test_a_service_that_refuses_the_reference_is_asked_without_as_in_a_conversation() -> None:
    with StandIn(faults=["no-client-reference"]) as stand_in:
        asked = ("--endpoint", stand_in.endpoint, *NAMED, *FILES, "--echo-cancellation", "client")
        checked = Checked(*asked)

    assert checked.exit_code == 0
    assert checked.text.count("session.created") == 2
    assert "once more, without the client's echo reference" in checked.text
    assert checked.found("session.updated").startswith("everything as asked for")
