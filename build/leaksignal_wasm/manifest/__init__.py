"""Configuration for other people's Envoys and meshes: YAML that needs no edit but names and addresses."""

from leaksignal_wasm.manifest.envoy import envoy_bootstrap, envoy_filter
from leaksignal_wasm.manifest.facts import ModuleFacts, module_facts
from leaksignal_wasm.manifest.istio import FailStrategy, Phase, Traffic, WasmPluginOptions, wasm_plugin
from leaksignal_wasm.manifest.text import to_yaml

__all__ = [
    "FailStrategy",
    "ModuleFacts",
    "Phase",
    "Traffic",
    "WasmPluginOptions",
    "envoy_bootstrap",
    "envoy_filter",
    "module_facts",
    "to_yaml",
    "wasm_plugin",
]
