"""The wheel holds the package and nothing else: no app, no tests, no documents; but the starter and `py.typed`."""

from __future__ import annotations

import email
import zipfile
from pathlib import Path

import pytest
from source_tree import ROOT, tracked

builder = pytest.importorskip("hatchling.builders.wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built from the tree as it is, in this process, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = builder.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(Path(built))


def test_wheel_holds_the_package_and_its_metadata_only(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"penstock"}


def test_wheel_is_typed_and_carries_the_starter(wheel):
    names = set(wheel.namelist())
    starter = {path.relative_to(ROOT).as_posix() for path in tracked() if "penstock/cli/starter" in path.as_posix()}

    assert "penstock/py.typed" in names
    assert "penstock/local_kafka/jars.lock" in names
    assert starter
    assert starter <= names, "`penstock init` copies these"


def test_wheel_carries_every_module(wheel):
    ours = {path.relative_to(ROOT).as_posix() for path in tracked() if path.is_relative_to(ROOT / "penstock")}

    assert ours <= set(wheel.namelist())


def test_wheel_says_what_it_needs_and_what_it_starts(wheel):
    (name,) = (one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
    said = email.message_from_bytes(wheel.read(name))
    (entries,) = (wheel.read(one).decode() for one in wheel.namelist() if one.endswith("entry_points.txt"))

    assert said["Name"] == "penstock"
    assert said["Requires-Python"] == ">=3.11"
    assert {"local", "uvloop"} <= set(said.get_all("Provides-Extra"))
    assert "penstock = penstock.cli.main:main" in entries
    assert any(one.endswith("LICENSE") for one in wheel.namelist())
