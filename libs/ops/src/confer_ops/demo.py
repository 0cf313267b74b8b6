"""Builds the demo portal when its sources differ from what was built."""

import contextlib
from pathlib import Path

from confer_ops import node
from confer_ops.checkout import fingerprint


class Demo:
    """`demo/` of a checkout; `dist/` is what the edge serves, `forms/` the rules of its fields, for sync-svc."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._sources = checkout / "demo"
        self.dist = self._sources / "dist"
        self.forms = self._sources / "forms"
        self._stamp = self.dist / ".built-from"

    @property
    def exists(self) -> bool:
        return (self._sources / "package.json").is_file()

    @property
    def current(self) -> bool:
        with contextlib.suppress(OSError):
            return self._stamp.read_text() == fingerprint([self._sources])
        return False

    def build(self) -> None:
        """CalledProcessError when a step fails; its output says why."""
        source = fingerprint([self._sources])
        tools = node.find_or_install(self._checkout)
        print("installing the demo portal's packages", flush=True)
        node.npm_ci(tools, self._sources)
        print("building the demo portal", flush=True)
        node.npm(tools, self._sources, "run", "build")
        self._stamp.write_text(source)
