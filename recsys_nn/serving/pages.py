"""Pages for people in a browser: one at /, the documentation at /docs. Nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from importlib.resources import files

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from recsys_nn._version import __version__
from recsys_nn.serving.reload import LiveRun

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_SWAGGER = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}


def add_pages(app: FastAPI, live: LiveRun) -> None:
    """Adds the pages to the service."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("recsys_nn.serving"), PackageLoader("recsys_nn.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = environment.get_template("page.html.j2")

    @app.get("/", include_in_schema=False)
    async def people() -> Response:
        run = live.current
        html = page.render(
            title=run.name, generator=f"recsys_nn serve {__version__}", run=run.health(None), choices=run.choices
        )
        return _protected(html, "style-src {style}")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        shown = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: its interface",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="data:,",
        )
        return _protected(bytes(shown.body).decode(), "style-src 'self' 'unsafe-inline'")  # Swagger UI sets styles

    for name, kind in _SWAGGER.items():
        content = (files("fastapi_offline") / "static" / name).read_bytes()
        app.add_api_route(f"/docs/{name}", _constant(content, kind), include_in_schema=False)


def _constant(content: bytes, kind: str) -> Callable[[], Response]:
    def constant() -> Response:
        return Response(content, media_type=kind)

    return constant


def _protected(html: str, styles: str) -> Response:
    """Makes a page whose browser runs its own scripts alone, and asks nobody but this service."""
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for tag, text in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[tag].append(f"'sha256-{digest}'")
    script, style = (" ".join(found) for found in hashes.values())
    policy = (
        f"default-src 'none'; script-src 'self' {script}; {styles.format(style=style)}; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return HTMLResponse(html, headers=headers)
