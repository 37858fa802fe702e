"""Answers calls, given as source, with what a module makes of them.

Runs natively (`python runner.py MODULE [FILE [SOURCE]] <calls.json >answers.json`: the extension module's file, and Python
source with more names for the calls) and, as part of a filter, inside the wasm: it imports nothing that a filter could not.
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


def answer(module: "ModuleType", call: "CodeType | str", more: "dict[str, object]") -> str:
    """Return the repr of what the call gives, or `raises NAME`. Beside the module's names it sees `more`."""
    helpers = Helpers(module)
    names = {name: getattr(helpers, name) for name in ("warned", "notified", "made")}
    names |= {
        name: getattr(module, name) for name in getattr(module, "__all__", ())
    }  # some are made on demand
    try:
        return repr(eval(call, {**vars(module), **names, **more}))  # noqa: S307 - our own cases
    except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
        return f"raises {type(error).__name__}"


def main() -> None:
    import json  # noqa: PLC0415 - a filter has no use for it
    from importlib import import_module  # noqa: PLC0415
    from importlib.util import module_from_spec, spec_from_file_location  # noqa: PLC0415
    from runpy import run_path  # noqa: PLC0415

    name, file, source = (*sys.argv[1:], "", "")[:3]
    if file:
        spec = spec_from_file_location(name, file)
        assert spec
        assert spec.loader
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    module = import_module(name)
    more: dict[str, object] = {**run_path(source), name: module} if source else {}
    json.dump([answer(module, call, more) for call in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
