"""The benchmarks on PostgreSQL by name, each on a server of its own; on the command line, `postgres` means them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.postgres import history, latency, rows, sharing
from bench.postgres.server import durable_server
from bench.row import Options, Row


def on_a_server(measure: Callable[[str, Options], Iterator[Row]]) -> Callable[[Options], Iterator[Row]]:
    """The benchmark, which is given a server's URL, with a server that lasts as long as it does."""

    def measured(options: Options) -> Iterator[Row]:
        with durable_server() as url:
            yield from measure(url, options)

    return measured


BENCHES: dict[str, Callable[[Options], Iterator[Row]]] = {
    "postgres-chain": on_a_server(rows.chain),
    "postgres-fan-out": on_a_server(rows.fan_out),
    "postgres-latency": on_a_server(latency.measure),
    "postgres-sharing": on_a_server(sharing.measure),
    "postgres-history": on_a_server(history.measure),
}
