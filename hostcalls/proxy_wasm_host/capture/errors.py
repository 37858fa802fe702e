"""What goes wrong with a capture file."""

from __future__ import annotations


class CaptureError(Exception):
    """A capture that can't be read or written: what was wrong, where, what would be right.

    `where` is the file and the position in the format's own terms: line and column, a path such as
    `log.entries[3].request.url`, a byte offset or the number of an exchange.
    """

    def __init__(self, what: str, *, where: str, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(f"{where}: {what}" + (f" ({remedy})" if remedy else ""))
