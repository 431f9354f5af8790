"""A run as text: its spans as a tree, with their lengths, for `headrace show --trace`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.run import RunRecord
from engine.ports.telemetry import RunIdentity
from observability import names
from observability.record import SpanRecord
from observability.spans import entry_spans, queue_span, run_span, waited_for

FOLD: Final = 20  # siblings of one name that are shown one by one; more become a line with count, p50 and max
ERROR: Final = 100  # characters of an error's message


@dataclass(frozen=True, slots=True)
class Node:
    """One line to be. `length` is in nanoseconds, None while it is still going on."""

    name: str
    started: int
    length: int | None
    note: str
    failed: bool
    children: tuple[Node, ...]


def trace_lines(record: RunRecord, entries: Sequence[Entry]) -> list[str]:
    """The tree of a run, one line a span, in the order in which they began."""
    return list(_draw([_tree(record, entries)]))


def length(nanoseconds: int) -> str:
    """A duration for people: 340 ms, 2.5 s, 3 min 05 s, 2 h 10 min."""
    seconds = nanoseconds / 1e9
    if seconds < 0.9995:  # what would be rounded to 1000 ms is a second
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _tree(record: RunRecord, entries: Sequence[Entry]) -> Node:
    run = RunIdentity(
        record.num, record.id, record.flow, record.version, bytes.fromhex(record.trace), record.span, 0, record.sampled
    )
    began = record.started if record.started is not None else record.created
    spans = [*entry_spans(run, entries, {}, one_trace=True), *queue_span(run, record, began)]
    nodes = [(span.span, span.parent, _of_span(span)) for span in spans]
    nodes += [_under_way(entry) for entry in _open(entries)]
    known = {span for span, _, _ in nodes}
    children: dict[int, list[tuple[int, Node]]] = {}
    for span, parent, node in nodes:
        children.setdefault(parent if parent in known and parent != span else record.span, []).append((span, node))

    def grown(span: int, node: Node) -> Node:
        below = sorted((grown(*child) for child in children.pop(span, ())), key=lambda child: child.started)
        return Node(node.name, node.started, node.length, node.note, node.failed, tuple(below))

    if record.ended is None:
        return grown(record.span, Node(f"flow {record.flow}", began, None, record.state.value, False, ()))
    (root,) = run_span(run, record, began, record.ended, record.state.value, record.error)
    return grown(record.span, _of_span(root))


def _of_span(span: SpanRecord) -> Node:
    attributes = span.attributes()
    notes: list[str] = []
    if number := attributes.get(names.ATTEMPT_NUMBER):
        notes.append(f"#{number}")
    if attributes.get(names.TASK_OUTCOME, attributes.get(names.RUN_OUTCOME)) == kinds.CANCELLED:
        notes.append("cancelled")
    if span.error is not None:
        first_line = span.error.partition("\n")[0][:ERROR]
        notes.append(f"{attributes.get(names.ERROR_TYPE)}: {first_line}".removesuffix(": "))
    return Node(span.name, span.started, span.ended - span.started, " ".join(notes), span.error is not None, ())


def _open(entries: Sequence[Entry]) -> Iterator[Entry]:
    """What has begun and not ended: the last line of its key says so."""
    last = {entry.key: entry for entry in entries if entry.kind != kinds.MOVED}
    return (entry for entry in last.values() if entry.kind in {kinds.STARTED, kinds.WAIT})


def _under_way(entry: Entry) -> tuple[int, int, Node]:
    """The span, the parent and the line. A later attempt stands for its task, which has no line yet."""
    if entry.kind == kinds.WAIT:
        name = names.PREFIXES[names.WAIT] + waited_for(entry)
        return entry.span, entry.parent, Node(name, entry.started, None, "waiting", False, ())
    name = names.PREFIXES[names.TASK] + entry.name
    if entry.attempt < 2:
        return entry.span, entry.parent, Node(name, entry.started, None, "running", False, ())
    return entry.parent, 0, Node(name, entry.started, None, f"running #{entry.attempt}", False, ())


def _draw(nodes: Sequence[Node], indent: str = "", *, root: bool = True) -> Iterator[str]:
    shown = list(_folded(nodes))
    for at, (text, children) in enumerate(shown):
        last = at == len(shown) - 1
        yield f"{indent}{'' if root else '└─ ' if last else '├─ '}{text}"
        yield from _draw(children, indent + ("" if root else "   " if last else "│  "), root=False)


def _folded(nodes: Sequence[Node]) -> Iterator[tuple[str, Sequence[Node]]]:
    """Each node's line and children; many siblings of one name as one line, the failed ones still one by one."""
    counts = {name: len(list(same)) for name, same in groupby(sorted(node.name for node in nodes))}
    folded: set[str] = set()
    for node in nodes:
        if counts[node.name] <= FOLD or node.failed or node.length is None:
            yield _line(node), node.children
        elif node.name not in folded:
            folded.add(node.name)
            yield _summary([n for n in nodes if n.name == node.name and not n.failed and n.length is not None]), ()


def _line(node: Node) -> str:
    mark = "✗ " if node.failed else "… " if node.length is None else ""
    parts = [mark + node.name, length(node.length) if node.length is not None else "", node.note]
    return "  ".join(part for part in parts if part)


def _summary(nodes: Sequence[Node]) -> str:
    lengths = sorted(node.length or 0 for node in nodes)
    middle = lengths[len(lengths) // 2]
    return f"{nodes[0].name}  {len(lengths)} times  p50 {length(middle)}  max {length(lengths[-1])}"
