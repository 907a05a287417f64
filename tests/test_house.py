"""The structure of the packages: which may import which, and how large folders, modules and functions may be.
CONTRIBUTING.md explains the rules."""

import ast
import importlib
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("codec", "models", "receiver", "sender", "signaling", "bench", "commands")
"""Each package imports only from those before it."""
SIGNALING = ("protocol", "config", "static_files", "call_page", "client", "transport", "call", "web", "session")
"""The same order within signaling; ``rooms`` imports only from the first four."""
FOLDER, MODULE, FUNCTION = 16, 350, 60
"""The largest numbers of Python files in a folder, lines of a module, and lines of a function."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def modules(*packages: str) -> list[Path]:
    return sorted(p for package in packages for p in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Modules that a file imports: at its top, within functions, or only for type checking."""
    out = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            out |= {w if is_module(w) else str(node.module) for w in whole}
    return out


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


def test_packages_import_only_from_those_before_them():
    wrong = []
    for path in modules(*PACKAGES):
        own = PACKAGES.index(name_of(path).split(".")[0])
        for name in imported(path):
            package = name.split(".")[0]
            if package == "facewire" or (package in PACKAGES and PACKAGES.index(package) > own):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_signaling_imports_in_one_direction():
    wrong = []
    for path in modules("signaling"):
        parts = name_of(path).split(".")
        if len(parts) < 2:
            continue
        for name in imported(path):
            other = name.split(".")[1:2]
            if name.split(".")[0] != "signaling" or not other or other[0] == parts[1]:
                continue
            if parts[1] == "rooms":
                fine = other[0] in SIGNALING[:4]
            else:
                fine = other[0] != "rooms" and SIGNALING.index(other[0]) < SIGNALING.index(parts[1])
            if not fine:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_there_are_no_circular_imports():
    graph = {name_of(p): {n for n in imported(p) if n.split(".")[0] in PACKAGES} for p in modules(*PACKAGES)}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            pytest.fail("a circle: " + " -> ".join((*way[way.index(name) :], name)))
        if name in done or name not in graph:
            return
        for other in sorted(graph[name]):
            visit(other, (*way, name))
        done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_folders_modules_and_functions_stay_small():
    wrong = []
    for folder in {p.parent for p in modules(*PACKAGES)}:
        count = len(list(folder.glob("*.py")))
        if count > FOLDER:
            wrong.append(f"{folder.relative_to(ROOT)}: {count} files")
    for path in (*modules(*PACKAGES), ROOT / "facewire.py"):
        lines = len(path.read_text("utf-8").splitlines())
        if lines > MODULE:
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                length = node.end_lineno - node.lineno + 1
                if length > FUNCTION:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines")
    assert not wrong, "\n".join(sorted(wrong))


def test_every_folder_says_what_it_is_for():
    for folder in {p.parent for p in modules(*PACKAGES)}:
        text = ast.get_docstring(tree(folder / "__init__.py"))
        assert len(text or "") > 40, f"{folder.relative_to(ROOT)}/__init__.py has no docstring"


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        if is_module(".".join(parts[:count])):
            found: object = importlib.import_module(".".join(parts[:count]))
            for part in parts[count:]:
                if part in getattr(found, "__dataclass_fields__", {}) or part in getattr(found, "__annotations__", {}):
                    return True
                if not hasattr(found, part):
                    return False
                found = getattr(found, part)
            return True
    return False


def test_references_in_docstrings_exist():
    pytest.importorskip("torch")
    role = re.compile(rf":(?:mod|class|func|meth|data|attr):`((?:{'|'.join(PACKAGES)})\.[\w.]+)`")
    named = {name: path for path in modules(*PACKAGES) for name in role.findall(path.read_text("utf-8"))}
    wrong = [f"{path.relative_to(ROOT)}: {name}" for name, path in named.items() if not resolves(name)]
    assert named
    assert not wrong, "\n".join(wrong)
