"""Flows from files: `FILE`, `FILE:FLOW` or a folder, imported under the name that any other program would give them.

The name matters: journals hold the names of exception classes, and another process must find the same class again.
"""

from __future__ import annotations

import ast
import difflib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

from engine import tracebacks
from engine.flow import Flow
from engine.model.errors import HeadraceError, UnknownFlow, UsageError


@dataclass(frozen=True, slots=True)
class Chosen:
    """One flow, and every flow that it could start as a child."""

    flow: Flow[..., Any]
    flows: Sequence[Flow[..., Any]]


def choose(target: str) -> Chosen:
    """The flow of `FILE:FLOW`, or the only one of `FILE`. Folders work as well.

    Raises UsageError when the file is missing, cannot be imported or has several flows, UnknownFlow with near matches.
    """
    path, name = split(target)
    declared = load([path])
    if name is None and len(declared) > 1:
        names = " or ".join(f"{path}:{flow.name}" for flow in declared)
        raise UsageError(f"{path} has {len(declared)} flows; say which one: {names}")
    flow = declared[0] if name is None else _named(declared, name, path)
    return Chosen(flow, with_children([flow]))


def split(target: str) -> tuple[Path, str | None]:
    """`FILE:FLOW` in its two parts. A colon that belongs to the path of an existing file is no separator."""
    path, colon, name = target.rpartition(":")
    if not colon or not path or Path(target).exists():
        return Path(target), None
    return Path(path), name


def load(paths: Iterable[Path]) -> list[Flow[..., Any]]:
    """The flows that these files and folders declare, in their order. Raises UsageError."""
    flows: dict[int, Flow[..., Any]] = {}
    for path in paths:
        found = [flow for file in _files(path) for flow in _flows_of(_import(file))]
        if not found:
            raise UsageError(f"{path} declares no flow; a flow is an `async def` function with `@flow` above it")
        flows.update((id(flow), flow) for flow in found)
    return list(flows.values())


def with_children(flows: Iterable[Flow[..., Any]]) -> list[Flow[..., Any]]:
    """These flows, and those that stand in the modules they come from, and so on: what a node needs to run them."""
    found: dict[int, Flow[..., Any]] = {}
    todo = list(flows)
    while todo:
        flow = todo.pop()
        if id(flow) not in found:
            found[id(flow)] = flow
            todo += [value for value in flow.fn.__globals__.values() if _is_flow(value)]
    return list(found.values())


def place(flow: Flow[..., Any]) -> str:
    """`FILE:FLOW`, by which the flow can be found again."""
    return f"{Path(flow.fn.__code__.co_filename).resolve()}:{flow.name}"


def _named(flows: Sequence[Flow[..., Any]], name: str, path: Path) -> Flow[..., Any]:
    for flow in flows:
        if name in (flow.name, flow.fn.__name__):
            return flow
    names = [flow.name for flow in flows]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {path}:{near[0]}?" if near else f"it has {', '.join(names)}"
    raise UnknownFlow(f"{path} has no flow {name!r}; {hint}")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = [file for file in _walk(path) if _may_declare(file)]
        if not files:
            raise UsageError(f"the folder {path} has no Python file that imports from `engine`")
        return files
    if not path.is_file():
        raise UsageError(f"there is no file {path}{_near_file(path)}")
    if path.suffix != ".py":
        raise UsageError(f"{path} is not a Python file: its name must end in .py")
    return [path]


def _walk(folder: Path) -> Iterator[Path]:
    """Python files in order of name, without hidden folders, environments and tests."""
    for where, folders, files in os.walk(folder):
        here = Path(where)
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")) and not _is_environment(here / f))
        yield from (here / f for f in sorted(files) if f.endswith(".py") and not f.startswith(("test_", "conftest")))


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").exists()


def _may_declare(file: Path) -> bool:
    """Whether a file imports from the engine: others are not run only because they lie in the folder."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError):
        return True  # importing it tells what is wrong
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    return any(
        (isinstance(node, ast.ImportFrom) and node.module == "engine")
        or (isinstance(node, ast.Import) and any(alias.name == "engine" for alias in node.names))
        for node in ast.walk(tree)
    )


def _near_file(path: Path) -> str:
    if path.with_name(f"{path.name}.py").is_file():
        return f"; did you mean {path}.py?"
    if not path.parent.is_dir():
        return f", nor a folder {path.parent}"
    names = [file.name for file in path.parent.glob("*.py")]
    near = difflib.get_close_matches(path.name, names, 1)
    return f"; did you mean {path.with_name(near[0])}?" if near else ""


def _import(file: Path) -> ModuleType:
    """The module of a file, in a package when its folder is one, else by its own name, as Python does for a script."""
    file = file.resolve()
    parts = [file.stem] if file.stem != "__init__" else []
    folder = file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    name = ".".join(parts)
    _check_name(file, name, parts)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        module = import_module(name)
    except HeadraceError as error:
        raise UsageError(f"{file}: {error}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"{file} cannot be imported:\n{tracebacks.of(error)}") from error
    _check_origin(file, name, module)
    return module


def _check_name(file: Path, name: str, parts: Sequence[str]) -> None:
    if any("." in part for part in parts):
        raise UsageError(f"{file} cannot be imported: rename it, a dot in its name separates packages")
    if parts[0] in sys.stdlib_module_names:
        raise UsageError(f"{file} cannot be imported: rename it, {parts[0]!r} is a module of Python itself")
    if (known := sys.modules.get(name)) is not None:
        _check_origin(file, name, known)


def _check_origin(file: Path, name: str, module: ModuleType) -> None:
    origin = getattr(module, "__file__", None)
    if origin is None or Path(origin).resolve() != file:
        raise UsageError(
            f"{file} cannot be imported as {name!r}: that is the name of {origin or 'another module'} as well. "
            f"Rename one of them, or make their folders packages with an empty __init__.py"
        )


def _is_flow(value: object) -> TypeGuard[Flow[..., Any]]:
    return isinstance(value, Flow)


def _flows_of(module: ModuleType) -> list[Flow[..., Any]]:
    """The flows a module declares; those it only imports when it declares none."""
    flows: list[Flow[..., Any]] = list(
        {id(value): value for value in vars(module).values() if _is_flow(value)}.values()
    )
    return [flow for flow in flows if flow.fn.__module__ == module.__name__] or flows
