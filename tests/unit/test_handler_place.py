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
