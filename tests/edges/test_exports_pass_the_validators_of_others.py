"""What `penstock export` writes is accepted by those who read such files: Kubernetes, KEDA, AsyncAPI, Compose."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from penstock.cli.main import cli

Absent = Callable[[str], None]
ROOT = Path(__file__).parents[2]
APPS = [ROOT, ROOT / "examples" / "saga", ROOT / "examples" / "omnidaemon"]  # handlers, runs, connectors
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "penstock-tests" / "asyncapi-parser-3"
ASYNCAPI = """
const { Parser, fromFile } = require("@asyncapi/parser");
(async () => {
  let bad = 0;
  for (const file of process.argv.slice(2)) {
    const { document, diagnostics } = await fromFile(new Parser(), file).parse();
    const errors = diagnostics.filter((one) => one.severity === 0);
    for (const one of errors) console.log(`${file}: ${one.path.join(".")}: ${one.message}`);
    if (!document || errors.length) bad += 1;
    else console.log(`${file}: ${document.version()}, ${document.channels().all().length} channels`);
  }
  process.exit(bad ? 1 : 0);
})();
"""

# Apart from the tests' own packages: they bring a plugin for pytest.
KEDA_TYPES = "cloudcoil-models-keda==2.16.1.0"
KEDA = """
import sys, yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
for file in sys.argv[1:]:
    for found in yaml.safe_load_all(open(file)):
        known = ScaledObject.model_validate(found).model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert known == found, f"{file}: {found} is known as {known}"
        print(f"{file}: {found['metadata']['name']}: known")
"""


def exported(what: str, folder: Path, *words: str) -> list[Path]:
    """The export of some apps here, as files."""
    found = []
    for app in APPS:
        done = CliRunner().invoke(cli, ["export", what, "-f", str(app / "topology.yaml"), *words])
        assert done.exit_code == 0, done.output
        found.append(folder / f"{app.name}.yaml")
        found[-1].write_text(done.stdout, encoding="utf-8")
    return found


def run(*command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **more}
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=150, env=environ
    )


@pytest.fixture(scope="session")
def parser(absent: Absent) -> Path:
    """The folder where AsyncAPI's own parser is installed."""
    if shutil.which("npm") is None:
        absent("AsyncAPI's parser needs node and npm")
    if not (CACHE / "node_modules" / "@asyncapi" / "parser" / "package.json").is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        done = run("npm", "install", "--prefix", CACHE, "--no-audit", "--no-fund", "--silent", "@asyncapi/parser@3")
        if done.returncode:
            absent(f"npm could not install @asyncapi/parser: {done.stderr[-500:]}")
    return CACHE


@pytest.fixture(scope="session")
def keda_types(absent: Absent) -> Path:
    """A Python that has KEDA's types."""
    folder = CACHE.with_name("keda-types")
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        run(sys.executable, "-m", "venv", folder)
        done = run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", KEDA_TYPES)
        if done.returncode:
            absent(f"pip could not install {KEDA_TYPES}: {done.stderr[-500:]}")
        (folder / "ready").touch()
    return python


@pytest.fixture(scope="session")
def kubernetes_validate(absent: Absent) -> Path:
    found = Path(sys.executable).parent / "kubernetes-validate"
    if importlib.util.find_spec("kubernetes_validate") is None:
        absent("kubernetes-validate is not installed: pip install kubernetes-validate")
    return found


def test_kubernetes_takes_the_objects(tmp_path: Path, kubernetes_validate: Path) -> None:
    files = exported("k8s", tmp_path, "--image", "shop:1")
    done = run(kubernetes_validate, "--strict", *files)
    assert done.returncode == 0, done.stdout + done.stderr

    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(files[0].read_text(encoding="utf-8").replace("  replicas:", "  replica:"), encoding="utf-8")
    assert run(kubernetes_validate, "--strict", wrong).returncode != 0


def test_keda_takes_the_objects(tmp_path: Path, keda_types: Path) -> None:
    """By the types that are generated from KEDA's own definitions; what they do not know does not come back."""
    script = tmp_path / "validate.py"
    script.write_text(KEDA, encoding="utf-8")
    files = exported("keda", tmp_path, "--prometheus", "http://prometheus:9090")
    done = run(keda_types, script, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": known") >= len(files)

    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(files[0].read_text(encoding="utf-8").replace("minReplicaCount:", "minReplicas:"), encoding="utf-8")
    assert run(keda_types, script, wrong).returncode != 0


def test_asyncapi_takes_the_document(tmp_path: Path, parser: Path) -> None:
    script = tmp_path / "validate.js"
    script.write_text(ASYNCAPI, encoding="utf-8")
    files = exported("asyncapi", tmp_path)
    modules = str(parser / "node_modules")
    done = run("node", script, *files, NODE_PATH=modules)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("3.0.0, ") == len(files)

    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(files[0].read_text(encoding="utf-8").replace("action:", "actoin:"), encoding="utf-8")
    assert run("node", script, wrong, NODE_PATH=modules).returncode != 0


def test_compose_takes_the_services(tmp_path: Path, absent: Absent) -> None:
    if shutil.which("docker-compose") is None:
        absent("docker-compose is not installed")
    for file in exported("compose", tmp_path, "--image", "shop:1"):
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        said.pop("name", None)  # version 1, which distributions still ship, does not know it
        file.write_text(yaml.safe_dump(said), encoding="utf-8")
        done = run("docker-compose", "-f", file, "config", "--quiet")
        assert done.returncode == 0, done.stdout + done.stderr
