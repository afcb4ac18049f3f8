"""Files of ours: where they may be, who may read them, and a disk that takes nothing."""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voicelive.files import DRAIN_S, MOST_PARTS, Behind, create, create_raw, make_folder, replace

on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither the modes nor the pipes")


def link(path: Path) -> None:
    path.symlink_to(path.with_name("precious"))


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nobody"))


def pipe(path: Path) -> None:
    os.mkfifo(path)


ODD = [link, dangling_link, pipe, Path.mkdir]


@on_posix
@pytest.mark.parametrize("plant", [*ODD, Path.touch])
@pytest.mark.parametrize("make", [create, create_raw])
def test_a_new_file_takes_the_place_of_nothing(
    tmp_path: Path, make: Callable[[Path], object], plant: Callable[[Path], None]
) -> None:
    (tmp_path / "precious").write_text("precious")
    plant(tmp_path / "new")

    with pytest.raises(FileExistsError):
        make(tmp_path / "new")

    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "nobody").exists()


@on_posix
@pytest.mark.parametrize("plant", ODD)
def test_only_a_file_is_replaced(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    (tmp_path / "precious").write_text("precious")
    plant(tmp_path / "new")

    with pytest.raises(OSError, match="only a file is replaced"):
        replace(tmp_path / "new")

    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "new").is_symlink() or (tmp_path / "new").exists()
    assert not (tmp_path / "nobody").exists()


@on_posix
def test_a_file_that_is_replaced_is_another_one_for_its_owner_only(tmp_path: Path) -> None:
    path, other_name = tmp_path / "heard.wav", tmp_path / "precious"
    path.write_text("before")
    path.chmod(0o666)
    other_name.hardlink_to(path)

    with path.open() as open_before, replace(path) as file:
        file.write(b"new")

        assert open_before.read() == other_name.read_text() == "before"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="who may write everything is not refused")
def test_a_file_that_may_not_be_written_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "heard.wav").touch(0o400)

    with pytest.raises(PermissionError, match="Permission denied"):
        replace(tmp_path / "heard.wav")

    assert (tmp_path / "heard.wav").exists()


def test_a_device_is_written_to() -> None:
    with replace(Path(os.devnull)) as file:
        assert file.write(b"new") == 3


@on_posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o177])
def test_folders_are_for_their_owner_only_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "a" / "logs"
    before = os.umask(umask)
    try:
        make_folder(folder)
        create(folder / "new").close()
    finally:
        os.umask(before)

    assert [stat.S_IMODE(made.stat().st_mode) for made in (folder, folder.parent)] == [0o700, 0o700]
    assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o600


@on_posix
def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    make_folder(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_what_waits_for_the_disk_is_written_in_its_order_before_the_end() -> None:
    written: list[int] = []
    behind = Behind[int]("any", written.extend, pytest.fail)
    for number in range(MOST_PARTS):
        behind.put(number)
    behind.close()

    assert written == list(range(MOST_PARTS))


def test_a_disk_that_takes_nothing_holds_nobody_up_and_is_told_once() -> None:
    told: list[str] = []
    released = threading.Event()

    def hang(parts: Iterator[int]) -> None:
        next(parts)
        released.wait()

    behind = Behind("any", hang, told.append)
    began = time.monotonic()
    for number in range(2 * MOST_PARTS):
        behind.put(number)
    filled_s = time.monotonic() - began
    behind.close()
    released.set()

    assert filled_s < DRAIN_S <= time.monotonic() - began < 2 * DRAIN_S
    assert told == ["the disk is too slow"]


def test_a_disk_that_fails_is_told_in_its_words_once() -> None:
    told: list[str] = []

    def fail(parts: Iterator[int]) -> None:
        raise OSError(28, "No space left on device")

    behind = Behind("any", fail, told.append)
    behind.close()
    for number in range(2 * MOST_PARTS):
        behind.put(number)

    assert told == ["No space left on device"]
