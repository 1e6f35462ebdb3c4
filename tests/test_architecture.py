"""The shape of the code base, held by tests: imports run one way, heavy libraries load late, files stay readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = {  # package -> the packages of ours it may import
    "grounding": set(),
    "scenes": {"grounding"},
    "backends": {"grounding"},
    "jobs": {"grounding", "backends", "scenes"},
    "training": {"grounding", "backends", "scenes", "jobs"},
    "ui": {"grounding", "backends", "scenes", "jobs"},
}
OURS = {*LAYERS, "app"}

ONLY_IN = {  # library -> where it may be imported
    "gradio": ("ui/",),
    "torch": ("backends/paligemma", "training/"),
    "transformers": ("backends/paligemma", "training/"),
    "google": ("backends/gemini",),
    "av": ("grounding/video", "grounding/film"),
    "supervision": ("grounding/overlays", "training/evaluate"),
}

HEAVY = ("torch", "transformers", "supervision", "google.genai", "cv2", "av", "huggingface_hub.hf_api")


def sources() -> list[Path]:
    return [ROOT / "app.py", *(path for package in LAYERS for path in sorted((ROOT / package).rglob("*.py")))]


@cache
def imports(path: Path) -> frozenset[str]:
    """Every absolute module name imported anywhere in the file, type-checking blocks left out."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for block in [node for node in ast.walk(tree) if isinstance(node, ast.If)]:
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
            block.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    package = name_of(path).split("/")[0]
    allowed = {package} | LAYERS.get(package, OURS)
    wrong = {name for name in imports(path) if name.split(".")[0] in OURS - allowed}
    assert not wrong, f"{name_of(path)} must not import {wrong}"


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_each_library_is_imported_only_where_it_belongs(path: Path) -> None:
    wrong = {
        name
        for name in imports(path)
        if (places := ONLY_IN.get(name.split(".")[0])) and not name_of(path).startswith(places)
    }
    assert not wrong, f"{name_of(path)} must not import {wrong}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_no_library_has_a_place_where_it_is_not_imported(library: str) -> None:
    found = [name_of(path) for path in sources() if library in {name.split(".")[0] for name in imports(path)}]
    assert not [place for place in ONLY_IN[library] if not any(name.startswith(place) for name in found)]


def test_actions_know_no_gradio() -> None:
    assert "gradio" not in {name.split(".")[0] for name in imports(ROOT / "ui" / "actions.py")}


def test_the_page_starts_without_importing_anything_heavy() -> None:
    script = f"import sys, app, backends; print([m for m in {HEAVY!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert loaded.stdout.strip().endswith("[]"), loaded.stdout + loaded.stderr


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_no_module_is_past_four_hundred_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_exceptions_are_caught_broadly_only_at_the_web_boundary(path: Path) -> None:
    broad = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert not broad or name_of(path) == "ui/messages.py"


def test_the_app_itself_is_only_a_composition_root() -> None:
    assert len((ROOT / "app.py").read_text().splitlines()) <= 60


def test_every_tracked_file_is_under_ten_megabytes() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sizes = {name: (ROOT / name).stat().st_size for name in tracked.split("\0") if name and (ROOT / name).exists()}
    assert not {name: size for name, size in sizes.items() if size >= 10_000_000}
    assert sum(sizes.values()) < 60_000_000
