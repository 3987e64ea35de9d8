"""The comparison of a replay as one page that needs nothing else."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape

from warehouse.replay import Decisions, Replay

WIDTH, HEIGHT = 960, 220
LEFT, BOTTOM = 48, 24
LABEL = 40
"""Room for the text under a bar."""
BEFORE, AFTER = "#8a94a6", "#2458d3"

STYLE = f"""
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1c2430; max-width: {WIDTH}px;
  margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #e3e7ee;
  vertical-align: top; }}
.same {{ opacity: .55; }}
.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
svg {{ width: 100%; height: auto; }} svg text {{ font-size: 12px; fill: #5b6472; }}
.key {{ display: inline-block; width: .8em; height: .8em; margin-right: .3em; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #12161d; color: #e6eaf1; }} th, td {{ border-color: #2a313d; }}
  svg text {{ fill: #a3acba; }}
}}
"""


def page(done: Replay, start: datetime, end: datetime, trials: list[str]) -> str:
    """Write the comparison as HTML."""
    basis = "as recorded" if done.is_recorded else "with the settings as they are"
    settings = ", ".join(trials) or "the settings as they are"
    change = f" ({done.after.sends / done.before.sends - 1:+.0%})" if done.before.sends else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Replay</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head><body>
<h1>Replay of {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC</h1>
<p>Replayed with {escape(settings)}, in {done.steps:,} steps: <b>{done.after.sends:,} messages
instead of {done.before.sends:,}</b>{change}.
{done.differing_decisions:,} decisions about {_people(done.people_affected)} differ.
{_people(done.people_gained)} would get a message who got none;
{_people(done.people_lost)} who got one would get none.</p>
<h2>Messages</h2>
<p><span class="key" style="background:{BEFORE}"></span>{basis}: {done.before.sends:,} &nbsp;
<span class="key" style="background:{AFTER}"></span>replayed: {done.after.sends:,}</p>
{_chart(done, start, end)}
<table><thead><tr><th></th><th>{basis}</th><th>replayed</th></tr></thead><tbody>
<tr><td>Busiest hours, UTC</td><td>{_hours(done.before)}</td><td>{_hours(done.after)}</td></tr>
<tr><td>Messages per person</td><td>{_shares(done.before)}</td><td>{_shares(done.after)}</td></tr>
</tbody></table>
<h2>Messages by trigger</h2>
<table><thead><tr><th>Trigger</th><th class="n">{basis}</th>
<th class="n">replayed</th><th class="n">difference</th></tr></thead><tbody>{_sends(done)}</tbody>
</table>
<h2>Decisions</h2>
<p>What became of every moment. <b>send</b>: the message goes out. <b>ghost</b>: it would, but the
person is in a control or a holdout. <b>suppressed</b>: it does not, for the reason given.
<b>deferred</b>: it was still waiting at the end.</p>
<table><thead><tr><th>Trigger</th><th>Outcome</th><th>Reason</th><th class="n">{basis}</th>
<th class="n">replayed</th><th class="n">difference</th></tr></thead><tbody>{_reasons(done)}</tbody>
</table></body></html>
"""


def _sends(done: Replay) -> str:
    triggers = sorted({trigger for trigger, _, _ in done.before.by_reason | done.after.by_reason})
    return "".join(
        _row(
            [trigger],
            *(
                sum(n for key, n in version.by_reason.items() if key[:2] == (trigger, "send"))
                for version in (done.before, done.after)
            ),
        )
        for trigger in triggers
    )


def _reasons(done: Replay) -> str:
    """Write a row per reason; a trigger is named in the first of its rows."""
    named = ""
    rows = []
    for (trigger, outcome, reason), before, after in _counts(done):
        name = "" if trigger == named else trigger
        rows.append(_row([name, outcome, reason.replace("_", " ")], before, after))
        named = trigger
    return "".join(rows)


def _row(words: list[str], before: int, after: int) -> str:
    cells = "".join(f"<td>{escape(word)}</td>" for word in words)
    difference = f"{after - before:+,}" if after != before else "0"
    look = "n same" if after == before else "n"
    return (
        f'<tr>{cells}<td class="n">{before:,}</td><td class="n">{after:,}</td>'
        f'<td class="{look}">{difference}</td></tr>'
    )


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def _counts(done: Replay) -> list[tuple[tuple[str, str, str], int, int]]:
    before, after = done.before.by_reason, done.after.by_reason
    return [(key, before[key], after[key]) for key in sorted(before | after)]


def _hours(decisions: Decisions) -> str:
    return "<br>".join(
        f"{hour:%Y-%m-%d %H:00}: {count:,}" for hour, count in decisions.busiest_hours
    )


def _shares(decisions: Decisions) -> str:
    return "<br>".join(
        f"{sends}: {_people(people)}" for sends, people in sorted(decisions.people_by_sends.items())
    )


def _chart(done: Replay, start: datetime, end: datetime) -> str:
    """Draw pairs of bars, one pair a day, or an hour where the stretch is short."""
    unit = timedelta(days=1) if end - start > timedelta(days=3) else timedelta(hours=1)
    first = start.replace(minute=0, second=0, microsecond=0, tzinfo=None)
    if unit.days:
        first = first.replace(hour=0)
    count = -((first - end.replace(tzinfo=None)) // unit) + 1
    totals = [_totals(d.sends_by_hour, first, unit, count) for d in (done.before, done.after)]
    highest = max(*totals[0], *totals[1], 1)
    slot = (WIDTH - LEFT) / count
    bars = []
    for side, (values, colour) in enumerate(zip(totals, (BEFORE, AFTER), strict=True)):
        for place, value in enumerate(values):
            height = (HEIGHT - BOTTOM - 10) * value / highest
            left = LEFT + slot * place + slot * (0.1 + 0.4 * side)
            when = first + place * unit
            bars.append(
                f'<rect x="{left:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" '
                f'width="{slot * 0.4:.1f}" height="{height:.1f}" fill="{colour}">'
                f"<title>{when:%Y-%m-%d %H:%M}: {value:,}</title></rect>"
            )
    every = max(count // 8, 1)
    shown = "%b %d" if unit.days else "%H:%M"
    labels = "".join(
        f'<text x="{LEFT + slot * (place + 0.5):.1f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{first + place * unit:{shown}}</text>"
        for place in range(0, count, every)
        if LEFT + slot * (place + 0.5) < WIDTH - LABEL / 2
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Messages over time">'
        f'<text x="{LEFT - 6}" y="16" text-anchor="end">{highest:,}</text>'
        f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM}" text-anchor="end">0</text>'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}" '
        f'stroke="{BEFORE}" stroke-width="1"/>{"".join(bars)}{labels}</svg>'
    )


def _totals(
    by_hour: Mapping[datetime, int], first: datetime, unit: timedelta, count: int
) -> list[int]:
    totals = [0] * count
    for hour, sends in by_hour.items():
        place = (hour - first) // unit
        if 0 <= place < count:
            totals[place] += sends
    return totals
