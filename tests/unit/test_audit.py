"""The check of the lock for known vulnerabilities: what it asks, and when it may say that there are none."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from medtutor.course import audit

LOCK = """\
anyio==4.16.0 \\
    --hash=sha256:aa
contourpy==1.3.3 ; python_full_version < '3.13' \\
    --hash=sha256:bb
contourpy==1.4.0 ; python_full_version >= '3.13' \\
    --hash=sha256:cc
"""
PINS = ["anyio==4.16.0", "contourpy==1.3.3", "contourpy==1.4.0"]
FLAW = {"id": "PYSEC-1", "fix_versions": ["4.17"], "aliases": ["CVE-1"], "description": "long"}


def found(pin, *flaws):
    name, version = pin.split("==")
    return {"name": name, "version": version, "vulns": list(flaws)}


@pytest.fixture
def audited(monkeypatch, tmp_path, capsys):
    """audited(stdout, stderr): exit status and what was printed, where pip-audit answers so."""

    def call(stdout, stderr="WARNING: unimportant\nit says this", *options):
        asked = []

        def run(command, **_):
            path = command[command.index("--requirement") + 1]
            asked.append((command, Path(path).read_text(encoding="utf-8").split()))
            answer = stdout.pop(0) if isinstance(stdout, list) else stdout
            return SimpleNamespace(stdout=answer, stderr=stderr, returncode=0)

        monkeypatch.setattr(subprocess, "run", run)
        (tmp_path / "requirements.lock").write_text(LOCK, encoding="utf-8")
        status = audit.main(options, tmp_path)
        captured = capsys.readouterr()
        return status, captured.out + captured.err, asked

    return call


def answers(*dependencies):
    """What pip-audit writes for the first file and for the second."""
    return [json.dumps({"dependencies": each}) for each in (dependencies[:2], dependencies[2:])]


def test_every_locked_version_of_every_system_is_asked_about_and_none_twice_in_a_file(audited):
    _, _, asked = audited(answers(), "", "-s", "osv")
    assert [pins for _, pins in asked] == [["anyio==4.16.0", "contourpy==1.3.3"], ["contourpy==1.4.0"]]
    assert all(command[-2:] == ["-s", "osv"] and audit.AUDITOR in command for command, _ in asked)


def test_all_is_well_only_where_all_were_looked_up(audited):
    status, text, _ = audited(answers(*map(found, PINS)))
    assert status == 0 and "3 of 3 locked packages looked up, vulnerabilities known of 0" in text


def test_a_known_vulnerability_is_named_with_what_mends_it(audited):
    status, text, _ = audited(answers(found(PINS[0], FLAW), *map(found, PINS[1:])))
    assert status == 1 and "anyio==4.16.0  PYSEC-1 CVE-1  mended in 4.17" in text


def test_packages_that_the_database_does_not_have_are_not_called_safe(audited):
    """pip-audit itself ends with status 0 and "No known vulnerabilities found" there."""
    skipped = {"name": "contourpy", "skip_reason": "not found"}
    status, text, _ = audited(answers(found(PINS[0]), skipped, found(PINS[2])))
    assert status == 2 and "does not have them: contourpy==1.3.3\n" in text


@pytest.mark.parametrize("second", ["", "no json", "{}", "[]"])
def test_a_database_that_cannot_be_reached_is_told_and_no_success(audited, second):
    status, text, _ = audited([answers(*map(found, PINS))[0], second])
    assert status == 2 and text.startswith("Not checked") and "it says this" in text
