"""The same events as a Segment source would export them."""

from typing import Any

from kairos.demo.browser import Event


def canonical(event: Event) -> Event:
    """Leave an event as it is: the canonical format."""
    return event


def segment_message(event: Event) -> dict[str, Any]:
    """Write an event as a Segment message: page views and identify calls have their own types."""
    message: dict[str, Any] = {
        "type": "track",
        "messageId": event["event_id"],
        "userId": event["user_id"],
        "anonymousId": event["anonymous_id"],
        "timestamp": event["event_at"],
        "originalTimestamp": event["event_at"],
        "context": {
            "page": {"url": event["page_url"]},
            "userAgent": event["user_agent"],
            "device": {"type": event["device_type"]},
            "library": {"name": "analytics.js", "version": "2.1"},
        },
    }
    properties = event["properties"]
    if event["event_name"] == "identify":
        return {**message, "type": "identify", "traits": properties.get("traits", properties)}
    if event["event_name"] == "page_view":
        page = {"url": event["page_url"], **properties}
        return {**message, "type": "page", "name": None, "properties": page}
    return {**message, "event": event["event_name"], "properties": properties}
