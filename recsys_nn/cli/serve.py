"""``recsys-nn serve``: a run as an HTTP service."""

from __future__ import annotations

from typing import Annotated

import typer

from recsys_nn.cli.shared import RunFolder
from recsys_nn.errors import required


def serve(
    run: RunFolder,
    host: Annotated[
        str, typer.Option(help="Where to listen; others than this machine reach it at 0.0.0.0.", metavar="ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    max_pairs: Annotated[int, typer.Option(min=1, help="Most pairs of one request.")] = 100_000,
    max_body: Annotated[int, typer.Option(min=1, help="Most bytes of a request's body.", metavar="BYTES")] = 8 * 2**20,
    time_limit: Annotated[float, typer.Option(help="Most seconds for an answer.", metavar="SECONDS")] = 10,
    max_waiting: Annotated[int, typer.Option(min=1, help="Most requests that wait for their turn.")] = 64,
) -> None:
    """Serve predictions and recommendations over HTTP, with a page for people at /.

    The folder may be replaced while it is served: the new run answers from then on. Whoever reaches the address may ask
    everything; there is no log-in.
    """
    required("recsys_nn.serving.server", "serve")
    from recsys_nn.config import validated
    from recsys_nn.serving import Limits
    from recsys_nn.serving import serve as run_server

    given = {"pairs": max_pairs, "body": max_body, "seconds": time_limit, "waiting": max_waiting}
    run_server(run, host=host, port=port, limits=validated(Limits, given))
