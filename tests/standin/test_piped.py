"""Lines that come from a pipe, as a script sends them: one after the other, each with its answer."""

import os
from pathlib import Path

from program import Program


def test_each_line_from_a_pipe_waits_for_the_answer_to_the_one_before(logs: Path) -> None:
    program = Program("demo", "--no-mic", "--output", os.devnull, log_dir=logs)
    for line in ("One", "Two", "q", "never sent"):  # all of them before there is a session
        program.type(line)

    assert program.wait() == 0, program.stderr
    answers = [line.partition(". I am")[0] for line in program.stdout.splitlines()]
    assert answers == [
        *("You (typed): One", 'Agent: You wrote "One"', "You (typed): Two", 'Agent: You wrote "Two"'),
    ]
    assert ": 2 answers, 0 interrupted, 0 reconnects." in program.stderr
    assert "Files:" in program.stderr
