"""How the questions look on a terminal."""

import pytest
from emulator import terminal

from voicelive.app.settings import ENDPOINT
from voicelive.extras.init import WHERE


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_where_a_value_is_found_is_told_without_a_word_torn(columns: int) -> None:
    with terminal("init", log_dir=None, columns=columns) as screen:
        screen.wait_for("Endpoint:")
        screen.type("\x04")  # not Ctrl-C: a signal just before Python reads waits for the next key
        screen.wait_for("Nothing was changed.")
        assert screen.wait() == 1

    assert WHERE[ENDPOINT] in " ".join(screen.text.split())
