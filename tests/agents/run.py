"""`make test-agents`: each framework in its own virtual environment, made here, run against the adapters' contract.

A framework whose interpreter this machine does not have is skipped, and said so; under CI=true what the machine has
must pass. Environments live in `.venvs/<framework>` and are made once per change of their requirements.
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


# The frameworks' own pins alone: those of the project do not fit beside all of them.
PINNED = frozenset({"agno", "google-adk", "langchain", "langchain-openai", "litellm", "omnicoreagent"})


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


def environment(framework: Framework) -> Path | None:
    """The interpreter of the framework's environment, made where it is not there; None: this machine cannot."""
    if not framework.extra:
        return Path(sys.executable)
    folder = ROOT / ".venvs" / framework.name
    python = folder / "bin" / "python"
    says = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    wanted = hashlib.sha256(repr(framework).encode() + says).hexdigest()
    mark = folder / ".installed"
    if mark.is_file() and mark.read_text() == wanted:
        return python
    made_by = interpreter(framework.pythons)
    if made_by is None:
        return None
    if not python.exists():
        subprocess.run([made_by, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--upgrade", "pip"], check=True)
    pins = folder / "constraints.txt"
    kept = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.partition("==")[0] in PINNED]
    pins.write_text("\n".join(kept))
    what = ["--constraint", str(pins), "--editable", f"{ROOT}[{framework.extra}]", "pytest"]
    subprocess.run([*pip, *what], check=True)
    mark.write_text(wanted)
    return python


def tested(framework: Framework, rest: list[str]) -> str:
    """Run the contract; how it went in a few words."""
    try:
        python = environment(framework)
    except subprocess.CalledProcessError as error:
        return f"FAILED: cannot be installed ({error})"
    if python is None:
        return f"skipped: no Python {' or '.join(framework.pythons)} on this machine"
    env = {
        **os.environ,
        "PENSTOCK_TEST_FRAMEWORK": framework.name,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "127.0.0.1",
    }
    quiet = ["-W", "default", "--no-header", "-p", "no:cacheprovider"]
    ran = subprocess.run([str(python), "-m", "pytest", "-q", *quiet, str(HERE), *rest], cwd=ROOT, env=env, check=False)
    return "passed" if ran.returncode == 0 else "FAILED"


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
    """0 where nothing failed, and under CI nothing was left out for want of an interpreter that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="names, joined by commas")
    parser.add_argument("--table", action="store_true", help="write the table of outcomes into docs/agents.md")
    chosen, rest = parser.parse_known_args()
    names = chosen.only.split(",") if chosen.only else [one.name for one in FRAMEWORKS]
    ends = {}
    folder = tempfile.mkdtemp()
    if chosen.table:
        os.environ["PENSTOCK_OUTCOMES"], rest = folder, [*rest, "-k", "every_event_ends"]
    for framework in FRAMEWORKS:
        if framework.name in names:
            began = time.monotonic()
            print(f"== {framework.name}", flush=True)
            ends[framework.name] = f"{tested(framework, rest)} ({time.monotonic() - began:.0f} s)"
    for name, end in ends.items():
        print(f"{name:12} {end}")
    if chosen.table:
        write_table(Path(folder))
    return int(any(end.startswith("FAILED") for end in ends.values()))


if __name__ == "__main__":
    sys.exit(main())
