"""A server's metrics, for Prometheus at ``/metrics``. They contain no room names and no addresses."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """A server's own registry, so that several servers can run in one process."""

    def __init__(self, totals: Callable[[], tuple[int, int]], sockets: Callable[[], int]) -> None:
        """``totals``: open rooms and the peers in them; ``sockets``: open sockets."""
        self.registry = registry = CollectorRegistry()
        for name, text, value in (
            ("rooms", "Open rooms", lambda: totals()[0]), ("peers", "Peers in rooms", lambda: totals()[1]),
            ("sockets", "Open signaling sockets", sockets),
        ):  # fmt: skip
            Gauge(f"facewire_{name}", text, registry=registry).set_function(value)
        self.joins = Counter("facewire_joins", "Peers that entered a room", registry=registry)
        self.refused = Counter("facewire_refused", "Sockets and requests refused", ["code"], registry=registry)
        self.messages = Counter("facewire_messages", "Messages relayed", ["type"], registry=registry)
        self.join_seconds = Histogram(
            "facewire_join_seconds", "From a peer's join to the answer", buckets=BUCKETS, registry=registry
        )  # fmt: skip

    async def page(self, _: web.Request) -> web.Response:
        """Handle GET ``/metrics``."""
        return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
