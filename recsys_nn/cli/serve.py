"""``recsys-nn serve``: a run as an HTTP service."""

from __future__ import annotations

from typing import Annotated

import typer

from recsys_nn.cli.shared import RunFolder
from recsys_nn.errors import required


def serve(
    run: RunFolder,
    host: Annotated[
        str, typer.Option(help="Address to listen at. At 0.0.0.0 other machines can reach it.", metavar="ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at. 0 takes any free port.")] = 8000,
    max_pairs: Annotated[int, typer.Option(min=1, help="Largest number of pairs in a request.")] = 100_000,
    max_body: Annotated[
        int, typer.Option(min=1, help="Largest size of a request's body, in bytes.", metavar="BYTES")
    ] = 8 * 2**20,
    time_limit: Annotated[float, typer.Option(help="Time limit for an answer, in seconds.", metavar="SECONDS")] = 10,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Largest number of requests that are worked on or wait.")
    ] = 64,
) -> None:
    """Serve predictions and recommendations over HTTP, with a web page at /.

    The run folder may be replaced while it is served: the new run answers from then on. There is no log-in: whoever
    reaches the address may send any request.
    """
    required("recsys_nn.serving.server", "serve")
    from recsys_nn.config import validated
    from recsys_nn.serving import Limits
    from recsys_nn.serving import serve as run_server

    given = {"pairs": max_pairs, "body": max_body, "seconds": time_limit, "waiting": max_waiting}
    run_server(run, host=host, port=port, limits=validated(Limits, given))
