"""The data directory is private, and one daemon's alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import hyphad
from hyphad.store.database import Database, StoreError
from hyphad.store.datadir import DataDir

HOLDER = """
import sys
from pathlib import Path
from hyphad.store.datadir import DataDir
DataDir(Path(sys.argv[1])).open()
print("held", flush=True)
sys.stdin.read()
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def holder(tmp_path):
    """A process that holds the directory `data`, and is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "data"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(hyphad.__file__).parents[1])},
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_directory_and_files_are_private_whatever_the_umask(tmp_path, umask):  # AUTH-104
    directory = DataDir(tmp_path / "data")
    before = os.umask(umask)
    try:
        directory.open()
        database = Database.open(directory.database_file)
        await database.write(lambda db: db.execute("INSERT INTO meta VALUES ('a', '1')"))
        await database.backup(directory.path / "copy.db")
    finally:
        os.umask(before)
    names = {path.name: oct(mode_of(path)) for path in directory.path.iterdir()}
    await database.close()
    directory.close()
    assert mode_of(directory.path) == 0o700
    assert names == dict.fromkeys(
        ["copy.db", "hyphad.db", "hyphad.db-shm", "hyphad.db-wal", "hyphad.lock"], "0o600"
    )


async def test_a_database_that_others_could_read_is_made_private(tmp_path):  # AUTH-104
    file = tmp_path / "hyphad.db"
    await Database.open(file).close()
    file.chmod(0o644)
    await Database.open(file).close()
    assert mode_of(file) == 0o600


def test_a_directory_that_is_there_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o750)
    directory = DataDir(tmp_path)
    directory.open()
    directory.close()
    assert mode_of(tmp_path) == 0o750


def test_parents_are_made(tmp_path):
    directory = DataDir(tmp_path / "a" / "b")
    directory.open()
    directory.close()
    assert directory.database_file == tmp_path / "a" / "b" / "hyphad.db"


def test_a_second_daemon_is_refused_at_once_and_told_who_is_there(tmp_path, holder):  # D-28
    path = tmp_path / "data"
    with pytest.raises(StoreError) as refused:
        DataDir(path).open()
    assert str(refused.value) == (
        f"Another hyphad (pid {holder.pid}) is using the data directory {path}. "
        "Stop it first, or choose another with --data-dir."
    )


def test_a_killed_daemon_holds_nothing(tmp_path, holder):  # D-28
    holder.kill()
    holder.wait()
    directory = DataDir(tmp_path / "data")
    directory.open()
    directory.close()


def test_who_is_there_may_be_unknown(tmp_path):
    directory = DataDir(tmp_path)
    directory.open()
    (tmp_path / "hyphad.lock").write_text("")
    with pytest.raises(StoreError, match=r"^Another hyphad is using"):
        DataDir(tmp_path).open()
    directory.close()


def test_a_closed_directory_may_be_opened_again(tmp_path):
    first, second = DataDir(tmp_path), DataDir(tmp_path)
    first.open()
    first.close()
    first.close()
    second.open()
    assert (tmp_path / "hyphad.lock").read_text() == f"{os.getpid()}\n"
    second.close()


def test_a_file_is_no_directory(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(StoreError, match=f"{path} cannot be used: Not a directory.*--data-dir"):
        DataDir(path).open()


def test_a_directory_that_cannot_be_made_is_refused():
    with pytest.raises(StoreError, match=r"^The data directory /proc/hyphad cannot be used: "):
        DataDir(Path("/proc/hyphad")).open()


def test_a_database_that_is_no_file_is_refused(tmp_path):
    (tmp_path / "hyphad.db").mkdir()
    with pytest.raises(StoreError, match=r"hyphad.db cannot be opened: Is a directory"):
        Database.open(tmp_path / "hyphad.db")
