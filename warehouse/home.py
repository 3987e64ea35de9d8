"""Where Kairos keeps its state."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
"""The dbt project: the folder that holds `dbt_project.yml`."""


@dataclass(frozen=True)
class Home:
    """The places in which state lives; all of them can be moved by the environment."""

    root: Path
    warehouse: Path
    ledger_url: str
    landing: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Home":
        """Read KAIROS_HOME, KAIROS_WAREHOUSE and KAIROS_LEDGER_URL; each has a default."""
        root = Path(env.get("KAIROS_HOME") or PROJECT / ".kairos").expanduser().resolve()
        warehouse = env.get("KAIROS_WAREHOUSE")
        return cls(
            root=root,
            warehouse=Path(warehouse).expanduser().resolve()
            if warehouse
            else root / "warehouse.duckdb",
            ledger_url=env.get("KAIROS_LEDGER_URL") or f"sqlite:///{root / 'ledger.db'}",
            landing=root / "landing",
        )

    def ensure(self) -> "Home":
        """Create the folders, readable by their owner alone: events are personal data."""
        for folder in (self.root, self.landing, self.warehouse.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self
