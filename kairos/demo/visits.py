"""What people do: a visit is a small state machine over the pages of the onboarding."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from kairos.demo.browser import Browser, Log, iso
from kairos.demo.people import DAY_MS, HOUR_MS, Person
from kairos.demo.product import ERRORS, HELP, PAUSE_SECONDS, STEPS, Page

SESSION_GAP_MS = 31 * 60_000
"""Visits are further apart than the gap that ends a session, so that one visit is one session."""

State = Callable[[], "State | None"]


@dataclass
class Progress:
    """How far a person has come; it lasts from visit to visit."""

    step: int = 0
    open_setups: set[str] = field(default_factory=set)

    @property
    def is_finished(self) -> bool:
        """Say whether every step is done."""
        return self.step >= len(STEPS)


class Visit:
    """One visit: each state acts in the browser and names the state that follows, or none."""

    def __init__(self, person: Person, progress: Progress, browser: Browser):
        """Begin where the person stopped last time."""
        self.person = person
        self.progress = progress
        self.browser = browser
        self.rng = person.rng
        self.failed_attempts: Counter[str] = Counter()
        self.is_hurried = self.rng.random() < 0.35

    def run(self, end_ms: int) -> int:
        """Act until the person leaves or time is up; return when they left, in epoch ms."""
        state: State | None = self.arrive
        while state is not None and self.browser.now_ms < end_ms:
            state = state()
        return self.browser.now_ms

    @property
    def page(self) -> Page:
        """The page of the step at hand; those who have finished look at any page again."""
        if self.progress.is_finished:
            return self.rng.choice(STEPS[2:])
        return STEPS[self.progress.step]

    def arrive(self) -> State | None:
        """Log in, when the person has an account and this browser does not know them."""
        if self.person.signed_up_ms is not None and not self.browser.is_known:
            self.browser.open(STEPS[0])
            for _ in range(self.rng.choice((0, 0, 0, 0, 1, 1, 2, 3))):
                self.type_password()
                self.browser.send("login_failed")
            self.type_password()
            self.browser.is_known = True
            self.browser.send("login_succeeded")
            self.identify()
            self.browser.linger(0.5, 2)
            self.browser.leave()
        return self.read

    def type_password(self) -> None:
        """Point at the login form and type something into it."""
        self.browser.linger(0.5, 2)
        self.browser.move_pointer()
        for _ in range(2):
            self.browser.linger(1, 4)
            self.browser.send("key_press")

    def read(self) -> State | None:
        """Open the page of the step and look around."""
        page = self.page
        self.browser.open(page)
        self.browser.send("cta_impression", cta_id=page.action)
        gestures = self.rng.randint(2, 5) if self.is_hurried else self.rng.randint(4, 10)
        depth = min(1.0, max(0.1, self.rng.gauss(self.person.thoroughness, 0.2)))
        for gesture in range(1, gestures + 1):
            self.browser.linger(1, 8)
            self.browser.move_pointer()
            self.browser.scroll_to(depth * gesture / gestures)
        if self.rng.random() < 0.07:
            self.browser.hide(self.rng.uniform(15, 240))
            self.browser.linger(0.5, 3)
            self.browser.move_pointer()
        if self.rng.random() < 0.06 and not self.person.is_keyboard_only:
            self.browser.linger(1, 2)
            self.browser.send(
                "hover", element_id=page.action, duration_ms=self.rng.randint(400, 4000)
            )
        if self.rng.random() < page.pause_chance * self.person.hesitation:
            return self.hesitate
        return self.revisit if self.progress.is_finished else self.attempt

    def hesitate(self) -> State | None:
        """Pause on the visible page, and then go on, seek help or give up."""
        seconds = self.rng.triangular(PAUSE_SECONDS + 0.5, 60, 16)
        if not self.person.is_keyboard_only:
            self.browser.note("session_pause", self.browser.now_ms + round(PAUSE_SECONDS * 1000))
        self.browser.wait(seconds)
        self.browser.move_pointer()
        if self.rng.random() < 0.2:
            return self.seek_help
        if self.rng.random() < 0.4 * (1 - self.person.patience):
            return self.give_up
        return self.revisit if self.progress.is_finished else self.attempt

    def attempt(self) -> State | None:
        """Do what the page asks for."""
        page = self.page
        if page.form:
            self.browser.linger(0.5, 3)
            self.browser.send("form_started", form_id=page.form)
            for _ in range(self.rng.randint(2, 6)):
                self.browser.linger(1, 6)
                self.browser.send("key_press")
        if page.setup and page.setup not in self.progress.open_setups:
            self.browser.linger(0.5, 3)
            self.browser.send("setup_started", setup_id=page.setup)
            self.progress.open_setups.add(page.setup)
        if self.rng.random() < page.failure_chance:
            return self.fail
        if page.setup and self.rng.random() < 0.12 * (1.5 - self.person.patience):
            return self.give_up
        return self.advance

    def fail(self) -> State | None:
        """Press the key button in vain, once or several times."""
        page = self.page
        spot = (self.rng.randint(300, 900), self.rng.randint(200, 600))
        for _ in range(self.rng.choice((1, 1, 2, 3, 3, 4, 5))):
            self.browser.linger(2.5, 7)
            self.browser.click(page.action, *spot)
            self.browser.send("cta_click_failed", cta_id=page.action, error=ERRORS[page.action])
            self.failed_attempts[page.action] += 1
            if self.failed_attempts[page.action] == 3:
                self.browser.note("cta_failure")
        if self.rng.random() < 0.2 and not self.person.is_keyboard_only:
            self.rage(page, spot)
        if self.rng.random() < 0.25:
            return self.hesitate
        if self.rng.random() < 0.5 * (1 - self.person.patience):
            return self.give_up
        return self.advance

    def rage(self, page: Page, spot: tuple[int, int]) -> None:
        """Click four times on the same spot within a second."""
        self.browser.linger(2, 4)
        for click in range(4):
            self.browser.click(page.action, spot[0] + click, spot[1])
            if click == 2:
                self.browser.note("rage_click")
            self.browser.linger(0.1, 0.25)

    def advance(self) -> State | None:
        """Succeed with this step, and go on to the next one or leave it for another day."""
        page = self.page
        self.browser.linger(1, 5)
        self.browser.click(page.action, self.rng.randint(300, 900), self.rng.randint(200, 600))
        self.browser.send("cta_click", cta_id=page.action)
        if page.form:
            self.browser.send("form_submitted", form_id=page.form)
        if page.setup:
            self.browser.send("setup_completed", setup_id=page.setup)
            self.progress.open_setups.discard(page.setup)
        if self.progress.step == 0:
            self.sign_up()
        self.progress.step += 1
        if page.milestone:
            self.browser.linger(0.1, 0.5)
            self.browser.send(page.milestone)
            self.browser.note("milestone_reached")
        if self.progress.is_finished:
            self.person.completed_ms = self.browser.now_ms
            self.browser.note("onboarding_completed")
            if self.browser.now_ms - self.person.signed_up_ms < DAY_MS:
                self.browser.note("completed_within_24_hours")
        self.browser.leave()
        if self.progress.is_finished or self.rng.random() < 0.3 * (1 - self.person.patience):
            return None
        return self.read

    def sign_up(self) -> None:
        """Become known: from here on this browser says who it is."""
        self.browser.is_known = True
        self.person.signed_up_ms = self.browser.now_ms
        self.browser.send("sign_up")
        self.identify()

    def identify(self) -> None:
        """Tell the product who this is, in the words of `users.csv`."""
        self.browser.send("identify", traits=traits(self.person, self.browser.now_ms))

    def seek_help(self) -> State | None:
        """Look at the help page and come back to the same step."""
        self.browser.leave()
        self.browser.open(HELP)
        self.browser.linger(1, 4)
        self.browser.send("help_tip_shown", tip_id="verification_documents")
        for depth in range(self.rng.randint(1, 5)):
            self.browser.linger(2, 8)
            self.browser.move_pointer()
            self.browser.scroll_to(0.2 * (depth + 1))
        self.browser.send("help_tip_dismissed", tip_id="verification_documents")
        self.browser.linger(0.5, 2)
        self.browser.leave()
        return self.revisit if self.progress.is_finished else self.read

    def give_up(self) -> State | None:
        """Leave without having done the step."""
        self.browser.linger(0.5, 3)
        self.browser.leave()
        return None

    def revisit(self) -> State | None:
        """Look at one page more, or be done."""
        if self.browser.page:
            self.browser.linger(0.5, 3)
            self.browser.leave()
        return self.read if self.rng.random() < 0.5 else None


def live(person: Person, end_ms: int) -> Log:
    """Let a person visit the product until `end_ms`; return what happened up to then."""
    log, progress, rng = Log(), Progress(), person.rng
    known_devices: set[str] = set()
    at_ms, visits_left = person.first_seen_ms, rng.randint(2, 5)
    while at_ms < end_ms:
        device = rng.choice(person.devices) if person.signed_up_ms else person.devices[0]
        is_known = device.anonymous_id in known_devices
        browser = Browser(person, device, at_ms, is_known, log)
        left_ms = Visit(person, progress, browser).run(end_ms)
        if browser.is_known:
            known_devices.add(device.anonymous_id)
        visits_left -= 1
        at_ms = next_visit(person, left_ms, end_ms, visits_left)
    if progress.open_setups:
        log.facts.append(("setup_left_open", log.events[-1][0]))
    log.events = [(at, event) for at, event in log.events if at <= end_ms]
    log.facts = [(fact, at) for fact, at in log.facts if at <= end_ms]
    return log


def next_visit(person: Person, left_ms: int, end_ms: int, visits_left: int) -> int:
    """Say when the person comes back, in epoch ms; `end_ms` when they do not."""
    earliest_ms = left_ms + SESSION_GAP_MS
    at_ms = end_ms
    if visits_left > 0 and person.rng.random() < 0.4 + 0.4 * person.patience:
        at_ms = earliest_ms + round(person.rng.lognormvariate(2.3, 1.2) * HOUR_MS)
    last_ms = person.last_visit_ms
    if last_ms is not None and earliest_ms <= last_ms and at_ms + 2 * HOUR_MS > last_ms:
        return last_ms
    return at_ms


def traits(person: Person, at_ms: int) -> dict[str, object]:
    """Give what the product knows of a person, under the names of `raw.users`."""
    return {
        "account_id": person.account_id,
        "email_hash": person.email_hash,
        "segment": person.segment,
        "time_zone": person.time_zone,
        "locale": person.locale,
        "signed_up_at": iso(person.signed_up_ms),
        "consents": person.consents,
        "plan": "team" if person.account_id else "free",
        "updated_at": iso(at_ms),
    }
