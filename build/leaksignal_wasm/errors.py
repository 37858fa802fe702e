"""The one error that the command line shows to people."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right: what was wrong, where, and what would be right.

    The command line prints the three parts and exits with 1; nothing else in the project catches it to go on.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(
            ": ".join(part for part in (where, what) if part) + (f" ({remedy})" if remedy else "")
        )
