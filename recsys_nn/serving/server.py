"""The process of the service: its address, its signals."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from recsys_nn.errors import ConfigError
from recsys_nn.models import import_keras
from recsys_nn.prediction import listed_files
from recsys_nn.serving.app import LOOPBACK, create_app
from recsys_nn.serving.limits import Limits
from recsys_nn.serving.reload import logger


def serve(folder: Path, *, host: str, port: int, limits: Limits) -> None:
    """Serves a run folder until SIGTERM or Ctrl-C; requests that have begun are answered first.

    Args:
        folder: the run folder to serve.
        host: name or address to listen at.
        port: port to listen at; 0 for any that is free.
        limits: limits of a request.

    Raises:
        ConfigError: where that cannot be listened at.
        ArtifactError: where the folder holds no run that can be used.
    """
    listed_files(folder)  # before TensorFlow is imported, so that it is told at once if there is no run
    with _listening(host, port) as listener:
        _set_up_interpreter()
        app = create_app(folder, limits, hosts=LOOPBACK if _is_loopback(listener) else ("*",))
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=_logging(),
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=int(limits.seconds) + 1,
        )
        name, bound = listener.getsockname()[:2]
        logger.info("%s at http://%s:%d", folder, f"[{name}]" if ":" in name else name, bound)
        signal.signal(signal.SIGTERM, lambda *_: None)  # which uvicorn raises again once it has ended by it
        with suppress(KeyboardInterrupt):  # likewise
            uvicorn.Server(config).run(sockets=[listener])


def _logging() -> dict[str, Any]:
    """Logging settings that write the service's own lines like uvicorn's."""
    own = {logger.name: {"handlers": ["default"], "level": "INFO", "propagate": False}}
    return LOGGING_CONFIG | {"loggers": LOGGING_CONFIG["loggers"] | own}


def _set_up_interpreter() -> None:
    """Sets Python up for short answers beside long ones.

    What is imported is no longer searched for garbage, which takes a third of a second, and a thread that works in
    Python hands over after half a millisecond instead of five.
    """
    import_keras()
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.0005)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigError(f"the service cannot listen at {host}, port {port}: {error.strerror or error}") from None


def _is_loopback(listener: socket.socket) -> bool:
    return ip_address(listener.getsockname()[0]).is_loopback
