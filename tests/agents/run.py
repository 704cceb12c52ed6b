"""`make test-agents`: each framework in its own virtual environment, made here, run against the adapters' contract.

A framework whose interpreter this machine does not have is skipped, and said so; what the machine has must pass.
Environments live in `.venvs/<framework>`, made once per change of their requirements, all packages as in
`pins/<framework>.txt`: the frameworks do not fit beside each other. `--pin` makes them anew without pins, and writes
those. A test that hangs ends the run of its framework after two minutes with the place of every thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Framework:
    """One framework: the interpreters it runs on, best first (none: the one this runs on), and its extra."""

    name: str
    pythons: tuple[str, ...] = ()
    extra: str = ""


FRAMEWORKS = (
    Framework("chat"),
    Framework("custom"),
    Framework("omnidaemon"),
    Framework("langchain", ("3.11", "3.12", "3.13"), "langchain"),
    Framework("agno", ("3.13", "3.12", "3.11"), "agno"),
    Framework("adk", ("3.11", "3.12", "3.13"), "adk"),
    Framework("omnicore", ("3.12", "3.13"), "omnicore"),
)


INSTALLED_WITHIN, TESTED_WITHIN, ONE_TEST = 900, 600, 120  # seconds; a test of its own ends by itself within 90
AT_ONCE = 4  # they mostly wait


def interpreter(versions: tuple[str, ...]) -> str | None:
    """A Python of one of these versions: on PATH, this one, or one that pyenv has."""
    for version in versions:
        if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
            return sys.executable
        found = [shutil.which(f"python{version}")]
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        found += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
        for one in found:
            if one and subprocess.run([one, "-c", "import ssl"], capture_output=True, check=False).returncode == 0:
                return one
    return None


def environment(framework: Framework, *, pin: bool) -> Path | None:
    """The interpreter of the framework's environment, made where it is not there; None: this machine cannot."""
    if not framework.extra:
        return Path(sys.executable)
    folder, pins = ROOT / ".venvs" / framework.name, HERE / "pins" / f"{framework.name}.txt"
    python, mark = folder / "bin" / "python", folder / ".installed"
    wanted = _digest(framework, pins)
    if not pin and mark.is_file() and mark.read_text() == wanted:
        return python
    made_by = interpreter(framework.pythons)
    if made_by is None:
        return None
    _called(made_by, "-m", "venv", "--clear", str(folder))
    pip = (str(python), "-m", "pip", "--disable-pip-version-check")
    if not pin:  # the pins are whole: nothing is to be resolved, which took pip most of its time
        _called(*pip, "install", "--quiet", "--no-deps", "--no-compile", "--requirement", str(pins))
        _called(*pip, "install", "--quiet", "--no-deps", "--editable", str(ROOT))
        _called(*pip, "check")
    else:
        _called(*pip, "install", "--quiet", "--editable", f"{ROOT}[{framework.extra}]", "pytest")
        found = _called(*pip, "freeze", "--exclude-editable").splitlines()
        pins.write_text("".join(f"{line}\n" for line in sorted(found, key=str.lower) if "==" in line))
    mark.write_text(_digest(framework, pins))
    return python


def _digest(framework: Framework, pins: Path) -> str:
    """Changes with what is to be installed."""
    said = pins.read_bytes() if pins.is_file() else b""
    return hashlib.sha256(repr(framework).encode() + said).hexdigest()


def _called(*command: str) -> str:
    """What it printed. Raises CalledProcessError, TimeoutExpired."""
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALLED_WITHIN)
    return ran.stdout


def tested(framework: Framework, rest: list[str], *, pin: bool) -> tuple[str, str]:
    """Run the contract; how it went in a few words, and all that was printed."""
    try:
        python = environment(framework, pin=pin)
    except subprocess.CalledProcessError as error:
        return "FAILED: cannot be installed", str(error.stderr)
    except subprocess.TimeoutExpired:
        return f"FAILED: not installed within {INSTALLED_WITHIN} s", ""
    if python is None:
        return f"skipped: no Python {' or '.join(framework.pythons)} on this machine", ""
    own = {"PENSTOCK_TEST_FRAMEWORK": framework.name, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    pytest = [str(python), "-m", "pytest", "-q", "--no-header", "-W", "default", "-p", "no:cacheprovider"]
    pytest += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    pytest += ["-o", f"faulthandler_timeout={ONE_TEST}", "-o", "faulthandler_exit_on_timeout=true"]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as out:  # some write where they stand
        to = {"stdout": out, "stderr": subprocess.STDOUT, "cwd": folder, "env": {**os.environ, **own}}
        try:
            ran = subprocess.run([*pytest, str(HERE), *rest], check=False, timeout=TESTED_WITHIN, **to)
            end = "passed" if ran.returncode == 0 else "FAILED"
        except subprocess.TimeoutExpired:
            end = f"FAILED: not done within {TESTED_WITHIN} s"
        out.seek(0)
        return end, out.read()


def timed(framework: Framework, rest: list[str], *, pin: bool) -> str:
    """The same, printed when it has ended."""
    began = time.monotonic()
    end, printed = tested(framework, rest, pin=pin)
    end = f"{end} ({time.monotonic() - began:.0f} s)"
    print(f"== {framework.name}: {end}\n{printed}", flush=True)
    return end


def write_table(folder: Path) -> None:
    """The outcomes of each event, a column a framework, between the two marks of docs/agents.md."""
    ends = {
        one.name: json.loads(path.read_text()) for one in FRAMEWORKS if (path := folder / f"{one.name}.json").exists()
    }
    events = [json.loads(line) for line in (HERE / "events.jsonl").read_text().splitlines()]
    lines = [f"| event | {' | '.join(ends)} |", "|---" * (len(ends) + 1) + "|"]
    for index, event in enumerate(events):
        cells = [", ".join(found[index]).replace("dead_lettered", "dead letter:") for found in ends.values()]
        lines.append(f"| {event['text']} | {' | '.join(cells)} |")
    page = ROOT / "docs" / "agents.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition("--table -->\n")
    _, _, after = rest.partition("<!-- /outcomes -->")
    page.write_text(f"{before}--table -->\n{chr(10).join(lines)}\n<!-- /outcomes -->{after}", encoding="utf-8")


def main() -> int:
    """0 where nothing failed; 2 for a framework that is unknown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="names, joined by commas")
    parser.add_argument("--table", action="store_true", help="write the table of outcomes into docs/agents.md")
    parser.add_argument("--prepare", action="store_true", help="make the environments, and run nothing")
    parser.add_argument("--pin", action="store_true", help="install what is newest, and write it into pins/")
    chosen, rest = parser.parse_known_args()
    names = chosen.only.split(",") if chosen.only else [one.name for one in FRAMEWORKS]
    if unknown := sorted(set(names) - {one.name for one in FRAMEWORKS}):
        parser.error(f"no framework {unknown[0]!r}; there are {', '.join(one.name for one in FRAMEWORKS)}")
    if chosen.prepare:
        for one in FRAMEWORKS:
            environment(one, pin=False)
        return 0
    folder = tempfile.mkdtemp()
    if chosen.table:
        os.environ["PENSTOCK_OUTCOMES"], rest = folder, [*rest, "-k", "every_event_ends"]
    wanted = [one for one in FRAMEWORKS if one.name in names]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = {one.name: pool.submit(timed, one, rest, pin=chosen.pin) for one in reversed(wanted)}
    ends = {one.name: ends[one.name].result() for one in wanted}
    for name, end in ends.items():
        print(f"{name:12} {end}")
    if chosen.table:
        write_table(Path(folder))
    return int(any(end.startswith("FAILED") for end in ends.values()))


if __name__ == "__main__":
    sys.exit(main())
