"""Rewrites a string in response bodies of any size as they stream by: an internal host name becomes the public one.

The plugin configuration is JSON: {"search": "http://internal.example", "replace": "https://www.example"}.

A match may lie across two chunks. Where a chunk ends in what may be the beginning of a match, the filter pauses: the
proxy keeps the bytes and shows them again together with the next ones. If the stream ends there, or trailers follow,
they go out as they are, for then there is no match. So nothing is held in the filter, and no byte can be lost.
"""

from __future__ import annotations

import json

from proxy_wasm import Action, HttpContext, PluginContext


class BodyRewrite(HttpContext):
    """Replaces `plugin.search` by `plugin.replace` in bodies of text."""

    plugin: BodyRewritePlugin
    active = False

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        headers = self.response_headers
        kind = headers.get("content-type") or b""
        # A compressed body would have to be decoded first; this example leaves it alone.
        self.active = not end_of_stream and kind.startswith(b"text/") and "content-encoding" not in headers
        if self.active and len(self.plugin.search) != len(self.plugin.replace):
            # The length is known only when the last byte went by, long after the headers.
            headers.remove("content-length")

    def on_response_body(self, body_size: int, end_of_stream: bool) -> Action:
        if not self.active:
            return Action.CONTINUE
        body = self.response_body.read()
        if self.plugin.search in body:
            body = body.replace(self.plugin.search, self.plugin.replace)
            self.response_body.replace(body)
        return Action.CONTINUE if end_of_stream or not self.plugin.may_go_on(body) else Action.PAUSE


class BodyRewritePlugin(PluginContext):
    """Holds the two strings."""

    http_context = BodyRewrite
    search = b""
    replace = b""

    def on_configure(self, configuration: bytes) -> bool:
        settings = json.loads(configuration)
        self.search, self.replace = settings["search"].encode(), settings["replace"].encode()
        return bool(self.search)

    def may_go_on(self, body: bytes) -> bool:
        """Whether the end of `body` is the beginning of a match."""
        return any(body.endswith(self.search[:length]) for length in range(1, len(self.search)))
