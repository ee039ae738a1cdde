"""The desk of analysts and operators, by meaning: events, keys, model versions, signals."""

from telemetry.admin import cards, events, keys, models, retention, signals

__all__ = ["cards", "events", "keys", "models", "retention", "signals"]
