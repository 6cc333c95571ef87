"""Modules that are imported at their first use, so that commands start quickly."""

import importlib
import typing


class later:
    """A module by its name: `tf = later("tensorflow")`."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> typing.Any:
        return getattr(importlib.import_module(self._name), attribute)
