"""What is kept from one command for the next."""

import os
from pathlib import Path

import pytest

from pitmap.mapping.engines import store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pitmap" / "networks"


def test_an_entry_is_found_again_by_its_key(folder: Path):
    assert store.kept("a" * 64) is None
    store.keep("a" * 64, b"content")
    assert store.kept("a" * 64) == b"content"
    assert store.kept("b" * 64) is None
    assert [p.name for p in folder.iterdir()] == ["a" * 40]


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 100])
def test_what_is_damaged_is_absent_and_removed(folder: Path, damage: bytes):
    store.keep("a" * 64, b"content")
    (folder / ("a" * 40)).write_bytes(damage)
    assert store.kept("a" * 64) is None
    assert not list(folder.iterdir())


def test_what_was_not_used_for_longest_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "MOST_BYTES", 100)
    for age, name in enumerate("abc"):
        store.keep(name * 64, b"x")
        os.utime(folder / (name * 40), (1000 + age, 1000 + age))
    assert store.kept("a" * 64) == b"x"  # used now
    store.keep("d" * 64, b"x")  # each takes 33 bytes: three have room
    assert sorted(p.name[0] for p in folder.iterdir()) == ["a", "c", "d"]
    store.keep("e" * 64, b"x" * 101)
    assert store.kept("e" * 64) is None


def test_keeping_can_be_switched_off_and_may_fail(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(store.SWITCH, "off")
    store.keep("a" * 64, b"content")
    assert store.kept("a" * 64) is None
    assert not folder.exists()
    monkeypatch.delenv(store.SWITCH)
    folder.parent.mkdir()
    folder.write_text("a file where the folder should be")
    store.keep("a" * 64, b"content")
    assert store.kept("a" * 64) is None
