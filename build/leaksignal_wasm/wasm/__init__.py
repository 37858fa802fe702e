"""WebAssembly modules: read, changed section by section, written back."""

from leaksignal_wasm.wasm.module import Module
from leaksignal_wasm.wasm.reader import WasmFormatError
from leaksignal_wasm.wasm.sections import Section, custom
from leaksignal_wasm.wasm.types import PAGE, Export, Global, Import, Kind, Limits, Segment, Signature

__all__ = [
    "PAGE",
    "Export",
    "Global",
    "Import",
    "Kind",
    "Limits",
    "Module",
    "Section",
    "Segment",
    "Signature",
    "WasmFormatError",
    "custom",
]
