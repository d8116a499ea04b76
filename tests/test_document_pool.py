"""Files are read in processes that can be killed: whatever a file does, its reader is replaced and the service goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from document_files import NOTE, html, pdf, pdf_of_objects, rtf, stream

from serving.documents.limits import Limits
from serving.documents.pool import ReadingPool
from serving.errors import ServiceStoppingError

QUICK = Limits(seconds=10, recognition=False, memory_bytes=600_000_000)


@pytest.fixture
def pool() -> Iterator[ReadingPool]:
    with ReadingPool(QUICK, processes=1) as made:
        yield made


def readers() -> set[int]:
    """The reading processes this one has started and that still run."""
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and is_reader(entry)}


def is_reader(entry: Path) -> bool:
    try:
        mine = f"\nPPid:\t{os.getpid()}\n" in (entry / "status").read_text()
        return mine and b"serving.documents.worker" in (entry / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def folders(process: int) -> list[Path]:
    environment = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    return [Path(entry.removeprefix("TMPDIR=")) for entry in environment if entry.startswith("TMPDIR=")]


def bomb_of_a_page(megabytes: int) -> bytes:
    """A PDF of a few kilobytes whose one page unpacks to so many megabytes."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"1 0 0 1 0 0 cm " * 65_536) for _ in range(megabytes)) + packer.flush()
    return pdf_of_objects(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>>",
            stream(packed, b"/Filter/FlateDecode"),
        ]
    )


def test_one_process_reads_one_document_after_the_other(pool: ReadingPool) -> None:
    before = readers()
    first = pool.read(pdf(NOTE), "application/pdf")
    process = readers() - before
    second = pool.read(pdf(NOTE), "application/pdf")
    assert first == second
    assert first.unread is None
    assert len(process) == 1
    assert readers() - before == process


def test_a_process_that_runs_is_taken_before_another_is_started() -> None:
    before = readers()
    with ReadingPool(QUICK, processes=4) as pool:
        for _ in range(3):
            pool.read(rtf(NOTE), "")
        assert len(readers() - before) == 1


def test_nothing_is_started_before_a_file_comes() -> None:
    before = readers()
    with ReadingPool(QUICK):
        assert readers() == before


def test_a_reader_killed_in_between_is_replaced(pool: ReadingPool) -> None:
    before = readers()
    pool.read(rtf(NOTE), "")
    (process,) = readers() - before
    os.kill(process, signal.SIGKILL)
    assert pool.read(rtf(NOTE), "").unread == "could not be read: its reader broke off"
    assert NOTE in pool.read(rtf(NOTE), "").text


def test_a_reader_that_hangs_is_killed_in_time_and_replaced() -> None:
    before = readers()
    with ReadingPool(Limits(seconds=2, recognition=False), processes=1) as pool:
        pool.read(rtf(NOTE), "")
        (process,) = readers() - before
        os.kill(process, signal.SIGSTOP)
        begin = time.monotonic()
        assert pool.read(rtf(NOTE), "").unread == "took too long to read"
        assert time.monotonic() - begin < 10
        assert NOTE in pool.read(rtf(NOTE), "").text
        assert process not in readers()


def test_a_file_that_takes_the_processor_is_given_up() -> None:
    # striprtf looks through the rest of the file for the end of every open font.
    slow = rb"{\rtf1{\fonttbl" + rb"{\f0" * 40_000
    with ReadingPool(Limits(seconds=1, recognition=False), processes=1) as pool:
        assert pool.read(slow, "application/rtf").unread == "took too long to read"
        assert pool.read(html("Well."), "text/html").text == "Well."


def test_a_file_that_eats_memory_is_given_up() -> None:
    with ReadingPool(Limits(seconds=30, recognition=False, memory_bytes=256_000_000), processes=1) as pool:
        assert pool.read(bomb_of_a_page(200), "application/pdf").unread == "could not be read: its reader broke off"
        assert NOTE in pool.read(rtf(NOTE), "").text


def test_more_documents_than_processes_are_all_read() -> None:
    with ReadingPool(QUICK, processes=2) as pool, ThreadPoolExecutor(8) as threads:
        texts = [f"Note {number} of many." for number in range(24)]
        found = list(threads.map(lambda text: pool.read(rtf(text), ""), texts))
    assert [document.text for document in found] == texts


def test_closing_ends_the_processes_and_removes_what_they_wrote() -> None:
    before = readers()
    pool = ReadingPool(QUICK, processes=1)
    pool.read(rtf(NOTE), "")
    (process,) = readers() - before
    (folder,) = folders(process)
    assert folder.is_dir()
    pool.close()
    pool.close()
    assert readers() == before
    assert not folder.exists()
    with pytest.raises(ServiceStoppingError):
        pool.read(rtf(NOTE), "")


def test_a_document_in_its_reader_while_the_service_stops_is_not_called_unreadable() -> None:
    before = readers()
    pool = ReadingPool(QUICK, processes=1)
    pool.read(rtf(NOTE), "")
    (process,) = readers() - before
    os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(pool.read, rtf(NOTE), "")
        threading.Timer(0.3, pool.close).start()
        with pytest.raises(ServiceStoppingError):
            reading.result(timeout=10)


def test_a_reader_whose_service_is_gone_ends_and_cleans_up(tmp_path: Path) -> None:
    code = (
        "import os; from serving.documents.pool import ReadingPool; from serving.documents.limits import Limits\n"
        "pool = ReadingPool(Limits(recognition=False), processes=1); pool.read(b'Some words here.', '')\n"
        "print(len(os.listdir(os.environ['TMPDIR'])), flush=True); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (run.stdout, run.returncode) == ("1\n", -signal.SIGKILL)
    deadline = time.monotonic() + 20
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_knows_no_secret_of_the_service(pool: ReadingPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    before = readers()
    pool.read(rtf(NOTE), "")
    (process,) = readers() - before
    assert "secret" not in Path(f"/proc/{process}/environ").read_text()
    limits = Path(f"/proc/{process}/limits").read_text()
    assert (
        f"Max address space{str(QUICK.memory_bytes).rjust(22)}".split()
        == limits[limits.index("Max address") :].split()[:4]
    )
    assert "Max core file size        0" in limits
