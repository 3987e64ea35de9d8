"""What outlasts the sandbox's process: a snapshot, and a log of what took effect since.

The log is written before a request is answered, so that even a killed sandbox holds what it has
acknowledged. A vendor's own bookkeeping beside its witness is in the snapshot alone, which an
orderly stop writes.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reverse_etl.sandbox.vendor import Vendor


class Memory:
    """The state file of a sandbox, and the log that its snapshot names."""

    def __init__(self, path: Path, vendors: Mapping[str, Vendor]):
        """Remember these vendors in `path`; `recall` must come first."""
        self.path = path
        self.vendors = vendors
        self.number = 0
        self.log: int | None = None

    def recall(self) -> None:
        """Give the vendors what they held, and begin to log what they do."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            snapshot = json.loads(self.path.read_text())
            self.number = snapshot["log_number"]
            for name, state in snapshot["vendors"].items():
                if name in self.vendors:
                    self.vendors[name].load(state)
        for line in self._lines():
            name, change, arguments = line
            if name in self.vendors:
                getattr(self.vendors[name].witness, change)(*arguments)
        for vendor in self.vendors.values():
            vendor.witness.take_changes()
        self.save()
        for vendor in self.vendors.values():
            vendor.remember = self.append

    def append(self, name: str, changes: list[tuple[str, tuple[Any, ...]]]) -> None:
        """Log changes of one vendor, in one write."""
        lines = "".join(json.dumps([name, *change]) + "\n" for change in changes)
        if self.log is not None:
            os.write(self.log, lines.encode())

    def save(self) -> None:
        """Write the snapshot, whole or not at all, and begin a new log."""
        old = self._log_path()
        self.number += 1
        self.close()
        self.log = os.open(self._log_path(), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        vendors = {name: vendor.dump() for name, vendor in self.vendors.items()}
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps({"log_number": self.number, "vendors": vendors}))
        os.replace(partial, self.path)
        old.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the log."""
        if self.log is not None:
            os.close(self.log)
            self.log = None

    def _log_path(self) -> Path:
        return self.path.with_suffix(f".{self.number}.log")

    def _lines(self) -> list[tuple[str, str, list[Any]]]:
        if not self._log_path().exists():
            return []
        lines = self._log_path().read_text().splitlines(keepends=True)
        # a line without its end was never acknowledged
        return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]
