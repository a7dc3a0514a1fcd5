"""What the tests of explorers share: the state that a page holds, and its script's arithmetic run in node."""

import json
import re
import subprocess

import pytest

UPGRADE = r'^upgrade\("[^"]+", {}, render\);$'
MEASURED = UPGRADE.format(r"/\* measured \*/ (.*) /\* end of measured \*/")


def state_of(page, measured=True):
    """The state that a page hands to its script, marked as measured or not, read as the browser reads it."""
    return json.loads(re.search(MEASURED if measured else UPGRADE.format("(.*)"), page, re.M)[1])


def in_node(folder, program, modules=(), timeout=60):
    """ask(anything) -> what `program`, which reads JSON and writes JSON, answers in node.

    program  the text of an ES module;  modules  files beside it, as {name there: path}
    """
    driver = pytest.importorskip(
        "playwright._impl._driver", reason="playwright, which brings node, is missing"
    )
    for name, path in dict(modules).items():
        (folder / name).write_bytes(path.read_bytes())
    (folder / "ask.mjs").write_text(program, encoding="utf-8")
    command = [driver.compute_driver_executable()[0], "ask.mjs"]

    def ask(asked):
        asked = json.dumps(asked).encode()
        answer = subprocess.run(command, input=asked, capture_output=True, cwd=folder, timeout=timeout)
        assert answer.returncode == 0, answer.stderr.decode()
        return json.loads(answer.stdout)

    return ask
