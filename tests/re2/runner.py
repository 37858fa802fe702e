"""Answers calls, given as source, with what a module makes of them.

Runs natively (`python runner.py MODULE [FOLDER] <calls.json >answers.json`) and, as part of a filter, inside the wasm: it
imports nothing that a filter could not.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType


class Helpers:
    """What calls may use beside the module itself."""

    def __init__(self, module: "ModuleType") -> None:
        self.module = module

    def warned(self, call: "object") -> "object":
        """Call with notification by warning; return the messages."""
        import warnings  # noqa: PLC0415 - only this case needs it

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.notified(self.module.FALLBACK_WARNING, call)
        return [str(warning.message) for warning in caught]

    def notified(self, level: int, call: "object") -> "object":
        """Call with this level of notification, on a fresh cache."""
        self.module.purge()
        self.module.set_fallback_notification(level)
        try:
            return call()  # type: ignore[operator]  # a case's lambda
        finally:
            self.module.set_fallback_notification(self.module.FALLBACK_QUIETLY)

    def made(
        self, patterns: "list[str] | list[bytes]", *arguments: "object", **options: "object"
    ) -> "object":
        """Return a compiled Set."""
        patterns_set = self.module.Set(*arguments, **options)
        for pattern in patterns:
            patterns_set.add(pattern)
        patterns_set.compile()
        return patterns_set


def answer(module: "ModuleType", call: "CodeType | str") -> str:
    """Return the repr of what the call gives, or `raises NAME`."""
    helpers = Helpers(module)
    names = {name: getattr(helpers, name) for name in ("warned", "notified", "made")}
    names |= {
        name: getattr(module, name) for name in getattr(module, "__all__", ())
    }  # some are made on demand
    try:
        return repr(eval(call, {**vars(module), **names}))  # noqa: S307 - our own cases
    except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
        return f"raises {type(error).__name__}"


def main() -> None:
    import json  # noqa: PLC0415 - a filter has no use for it
    from importlib import import_module  # noqa: PLC0415

    name, *folders = sys.argv[1:]
    sys.path[:0] = folders
    module = import_module(name)
    json.dump([answer(module, call) for call in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
