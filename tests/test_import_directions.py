"""Which room may import which, read from the source itself; and that the two inner rooms are cheap to import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("features", "models", "training", "serving")
ALLOWED_ROOMS = {
    "features": {"features"},
    "models": {"features", "models"},
    "training": {"features", "models", "training"},
    "serving": {"features", "models", "serving"},
}
ONLY_IN = {
    # The second is executed by MLflow itself: the registered model, kept as source.
    "mlflow": {"training/tracking.py", "training/request_model.py"},
    "spacy": {"features/pipeline.py", "features/sentences.py", "features/facts.py"},
    "medspacy": {"features/pipeline.py", "features/sentences.py", "features/facts.py"},
    # Each reads what strangers send, so it runs in the processes of serving/documents/pool.py and nowhere else.
    "pypdfium2": {"serving/documents/pdf.py"},
    "striprtf": {"serving/documents/rtf.py"},
    "defusedxml": {"serving/documents/markup.py"},
    "pytesseract": {"serving/documents/recognition.py"},
    "PIL": {"serving/documents/pictures.py", "serving/documents/recognition.py"},
    # The last one only writes.
    "zipfile": {"serving/documents/docx.py", "serving/documents/sniffing.py", "serving/member_record.py"},
}
OUTSIDE_OF_ROOM = {
    "features": {
        "mlflow",
        "sklearn",
        "skops",
        "mapie",
        "fastapi",
        "starlette",
        "sqlalchemy",
        "jinja2",
        "typer",
        "rich",
    },
    "models": {"spacy", "medspacy", "mlflow", "mapie", "fastapi", "starlette", "sqlalchemy", "jinja2", "typer", "rich"},
    "training": {"fastapi", "starlette", "sqlalchemy", "alembic", "jinja2"},
    "serving": {"mlflow", "mapie", "sklearn", "skops", "spacy", "medspacy"},
}
HEAVY = {"spacy", "medspacy", "sklearn", "skops", "scipy", "mlflow", "pydantic", "numpy", "pandas", "loguru", "fastapi"}
# Files whose import of a room or library is allowed although the tables above say otherwise: what training writes
# for people to read is filled in from templates.
EXCEPTIONS: frozenset[tuple[str, str]] = frozenset(
    {("training/report.py", "jinja2"), ("training/model_card.py", "jinja2")}
)


def imported_modules(source: str) -> Iterator[str]:
    """Every module an import statement names, wherever it stands: at the top, in a function, under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they point"
            assert node.module is not None
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            assert isinstance(node.args[0], ast.Constant), "an import of a computed name cannot be checked"
            yield str(node.args[0].value)


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imports_of(path: Path) -> set[str]:
    name = path.relative_to(ROOT).as_posix()
    modules = {module.split(".")[0] for module in imported_modules(path.read_text(encoding="utf-8"))}
    return {module for module in modules if (name, module) not in EXCEPTIONS}


each_source = pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())


def test_every_kind_of_import_is_seen() -> None:
    source = """
import serving.app as app
from training import risk
def later():
    import mlflow.sklearn
    importlib.import_module("spacy")
if TYPE_CHECKING:
    from models.types import Route
"""
    assert set(imported_modules(source)) == {"serving.app", "training", "mlflow.sklearn", "spacy", "models.types"}


@each_source
def test_imports_point_inwards(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    rooms = imports_of(path) & (set(ROOMS) | {"tests", "benchmarks", "docs", "data_samples"})
    assert rooms <= ALLOWED_ROOMS[room]


@each_source
def test_a_library_stays_in_its_files(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    modules = imports_of(path)
    assert not {library for library, files in ONLY_IN.items() if library in modules and name not in files}
    assert not modules & OUTSIDE_OF_ROOM[path.relative_to(ROOT).parts[0]]


@pytest.mark.parametrize("room", ["features", "models"])
def test_importing_a_room_loads_nothing_heavy(room: str) -> None:
    code = f"import json, sys, {room}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert HEAVY.isdisjoint(json.loads(printed))


def test_importing_the_service_loads_nothing_that_reads_files() -> None:
    code = "import json, sys, serving.service; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"pypdfium2", "striprtf", "defusedxml", "pytesseract", "PIL"}.isdisjoint(json.loads(printed))


def test_a_room_is_only_its_public_door_after_import() -> None:
    code = "import features, models; assert callable(features.extract); assert callable(models.triage)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
