"""What may stand in no tracked file: hosts of package registries, paths of somebody's machine, secrets, big files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from source_tree import ROOT, tracked

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("maven", "google", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
        ("conda", "anaconda", "org"),
        ("registry-1", "docker", "io"),
        ("packages", "confluent", "io"),
    )
)
MACHINE = re.compile(
    r"(?<![\w./-])/(?:"
    + "|".join(("home/" + r"[a-z]", "Us" + "ers/[A-Za-z]", "ro" + "ot/", "wo" + r"rk/", "tm" + r"p/(?!\.\.)[a-z]/"))
    + ")"
)
SECRET = re.compile("|".join(("AK" + "IA[0-9A-Z]{16}", "s" + "k-[A-Za-z0-9]{20,}", "BEGIN [A-Z ]*PRIV" + "ATE KEY")))
BIGGEST = 1 << 20
IMAGE_PATHS = ("docker/Dockerfile",)  # paths inside an image are nobody's machine


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked():
        try:
            found.append((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {found.group()}"
        for name, text in texts()
        for found in pattern.finditer(text)
    ]


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_host_of_a_package_registry(host):
    """Tools know their registry, and people set a mirror of their own; a name written here would win over both."""
    assert lines_with(re.compile(re.escape(host))) == []


def test_no_path_of_a_developers_machine():
    found = [line for line in lines_with(MACHINE) if not line.startswith(IMAGE_PATHS)]

    assert found == []


def test_no_secret():
    assert lines_with(SECRET) == []


def test_no_big_file():
    big = [str(path.relative_to(ROOT)) for path in tracked() if path.stat().st_size > BIGGEST]

    assert big == []


def test_text_ends_with_one_line_end_and_holds_no_tab():
    """What .editorconfig asks for, in every text that is ours."""
    ours = {".py", ".md", ".yaml", ".yml", ".toml", ".avsc", ".lock", ".txt"}
    wrong = []
    for name, text in texts():
        if Path(name).suffix not in ours or not text:
            continue
        if (
            not text.endswith("\n")
            or text.endswith("\n\n")
            or "\r" in text
            or re.search(r"[ \t]+$", text, re.MULTILINE)
        ):
            wrong.append(name)

    assert wrong == []
