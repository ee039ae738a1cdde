"""Signals of the telemetry room, for the rooms above it."""

from __future__ import annotations

from django.dispatch import Signal

# Inside the ingest transaction, with only the rows that were really inserted;
# kwargs: events (list of telemetry.wire.StoredEvent). A receiver must not raise for one event.
events_stored = Signal()
# After the commit of a batch of anti-cheat signals; kwargs: session_id, signals.
signals_stored = Signal()
# Inside the transaction that ends the deletion of a player's data; kwargs: user_id. Receivers delete
# what they hold of the player, and may raise: then nothing of it counts as done.
player_erased = Signal()
# Another model version is the champion now; no kwargs.
champion_changed = Signal()
