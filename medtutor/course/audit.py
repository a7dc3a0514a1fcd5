"""Are vulnerabilities known of the locked packages?  `make audit` (needs the network).

python -m medtutor.course.audit              asks the advisory database of PyPI
python -m medtutor.course.audit -s osv       asks osv.dev; options go to pip-audit

Exit status 0: all packages were looked up and nothing is known; 1: something is known; 2: not checked, or not
all, since the database could not be reached or does not have a package.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from medtutor.guide import ROOT, read_lock

AUDITOR = "pip-audit==2.10.1"  # maintained by the Python Packaging Authority; uv runs it apart from .venv
FORMAT = ["--format", "json", "--progress-spinner", "off", "--disable-pip", "--no-deps"]


def main(options=(), root=ROOT):
    """Print what is known of the packages in requirements.lock, for all systems; gives the exit status."""
    if {"-h", "--help"} & set(options):
        print(__doc__)
        return 0
    pins = sorted({pin.split(";")[0].strip() for pin in read_lock(root / "requirements.lock")})
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for path in write_requirements(pins, Path(folder)):
            answer, said = ask(path, options)
            if answer is None:
                print(f"Not checked: pip-audit had no answer. It says:\n  {said}", file=sys.stderr)
                return 2
            found += answer
    return report(pins, found)


def write_requirements(pins, folder):
    """The pins in files of which none names a package twice, which pip-audit refuses -> [path]"""
    files = []
    for pin in pins:
        name = pin.split("==")[0]
        lines = next((lines for lines in files if name not in lines), None)
        if lines is None:
            files.append(lines := {})
        lines[name] = pin
    paths = [folder / f"{number}.txt" for number in range(len(files))]
    for path, lines in zip(paths, files, strict=True):
        path.write_text("\n".join(lines.values()) + "\n", encoding="utf-8")
    return paths


def ask(path, options=()):
    """What pip-audit found of the packages in a file, or None; and the last line that it said."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "tool",
        "run",
        AUDITOR,
        *FORMAT,
        "--requirement",
        str(path),
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    said = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    try:
        return json.loads(done.stdout)["dependencies"], said[0]
    except (ValueError, KeyError, TypeError):
        return None, said[0]


def report(pins, answer):
    """Print the vulnerabilities and what could not be checked; gives the exit status.

    pins    ["name==version"] that were asked about
    answer  [{"name": …, "version": …, "vulns": […]}], without vulns where the database does not have it
    """
    known = {f"{each['name']}=={each['version']}": each["vulns"] for each in answer if "vulns" in each}
    for pin, found in known.items():
        for each in found:
            mended = ", ".join(each["fix_versions"]) or "no version"
            print(f"{pin}  {' '.join([each['id'], *each['aliases']])}  mended in {mended}")
    missing = [pin for pin in pins if pin not in known]
    if missing:
        named = ", ".join(missing[:5]) + f" and {len(missing) - 5} more" * (len(missing) > 5)
        print(f"Not checked, since the database does not have them: {named}", file=sys.stderr)
    affected = sum(map(bool, known.values()))
    print(f"{len(known)} of {len(pins)} locked packages looked up, vulnerabilities known of {affected}.")
    return 1 if affected else 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
