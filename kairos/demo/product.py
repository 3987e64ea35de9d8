"""The product of the demo: an onboarding of six steps, and a help page beside them."""

from dataclasses import dataclass

SITE = "https://app.example.com"
PAUSE_SECONDS = 12.0
"""A silence this long on a visible page is a pause; shorter ones are reading."""


@dataclass(frozen=True)
class Page:
    """One page of the onboarding, and how hard people find it.

    `height` is in CSS pixels; `pause_chance` and `failure_chance` are per visit of the page.
    """

    name: str
    height: int
    action: str
    pause_chance: float
    failure_chance: float
    form: str | None = None
    setup: str | None = None
    milestone: str | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{SITE}/{self.name}"


STEPS = (
    Page("welcome", 3200, "get_started", 0.08, 0.03),
    Page("profile", 1400, "save_profile", 0.15, 0.06, "profile", None, "profile_completed"),
    Page("verification", 2600, "verify_identity", 0.45, 0.14, "identity", "verification"),
    Page(
        "integration", 4200, "connect_source", 0.22, 0.18,
        None, "integration", "integration_configured",
    ),
    Page("team", 1100, "send_invites", 0.12, 0.05, "invite", None, "team_invited"),
    Page("done", 900, "open_product", 0.04, 0.0, None, None, "onboarding_completed"),
)  # fmt: skip
HELP = Page("help", 6400, "search_help", 0.1, 0.0)
ERRORS = {
    "get_started": "offline",
    "save_profile": "validation",
    "verify_identity": "document_unreadable",
    "connect_source": "credentials_refused",
    "send_invites": "address_invalid",
}
