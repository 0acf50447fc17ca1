"""How often requests are really sent, which only who writes them to the connection knows."""

from types import SimpleNamespace

import aiohttp
from attrs import define

from ingest.model.traffic import Meter


@define
class Sent:
    """Counts how often a request is really sent: aiohttp itself repeats one that a server cut."""

    meters: tuple[Meter, Meter]
    times: int = 0

    def count(self) -> None:
        """Count once more."""
        self.times += 1
        for meter in self.meters:
            meter.requests += 1
            if self.times > 1:
                meter.retried += 1


def counting() -> aiohttp.TraceConfig:
    """Return what makes a session count: each of its requests comes with a `Sent`."""

    async def sent(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        _parameters: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        context.trace_request_ctx.count()

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(sent)
    return config
