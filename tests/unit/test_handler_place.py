"""A handler comes from the app's own folder, whatever else is installed under the same name."""

from __future__ import annotations

import sys

import pytest

from penstock.engine.handler import import_attribute
from penstock.errors import HandlerError


@pytest.fixture
def two_packages(tmp_path, monkeypatch):
    """An app and a stranger with a package of one name; returns the app."""
    for owner in ("stranger", "app"):
        folder = tmp_path / owner / "penstock_test_agents"
        folder.mkdir(parents=True)
        (folder / "work.py").write_text(f"def whose():\n    return {owner!r}\n", encoding="utf-8")
    (tmp_path / "stranger" / "penstock_test_agents" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "stranger"), *sys.path])
    yield tmp_path / "app"
    for name in [name for name in sys.modules if name.startswith("penstock_test_agents")]:
        del sys.modules[name]


def test_the_apps_own_package_comes_first(two_packages):
    (two_packages / "penstock_test_agents" / "__init__.py").touch()

    assert import_attribute("penstock_test_agents.work:whose", two_packages)() == "app"


def test_a_strangers_module_is_refused_not_run(two_packages):
    with pytest.raises(HandlerError, match="not from this app") as caught:
        import_attribute("penstock_test_agents.work:whose", two_packages)

    assert "__init__.py" in caught.value.hint


def test_installed_handlers_are_welcome(tmp_path):
    assert import_attribute("json:dumps", tmp_path)([]) == "[]"


def test_a_module_that_is_not_there_is_named_with_where_it_was_looked_for(tmp_path):
    with pytest.raises(HandlerError, match="cannot import") as caught:
        import_attribute("penstock_test_absent.work:run", tmp_path)

    assert caught.value.hint.startswith(f"there is no module 'penstock_test_absent' in {tmp_path.resolve()}")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import penstock_test_library_nobody_has", "No module named 'penstock_test_library_nobody_has'"),
        ("raise SystemExit('run me as a script')", "SystemExit: run me as a script"),
        ("x = 1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_module_that_fails_shows_its_own_traceback(tmp_path, monkeypatch, source, said):
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"penstock_test_broken_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(f"{source}\n", encoding="utf-8")

    with pytest.raises(HandlerError, match="cannot import") as caught:
        import_attribute(f"{name}:run", tmp_path)

    assert said in caught.value.hint
    assert f"{name}.py" in caught.value.hint
    assert "penstock/engine" not in caught.value.hint
