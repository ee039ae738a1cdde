"""The columns of the exports of events, of quarantine and of conflicts: names, types, meanings."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from neurogame.dictionary import Column, Table, register

_EVERYWHERE = ("json", "csv", "parquet")
_INSTANT = "timestamp[us, tz=UTC]"


def _event(
    name: str,
    meaning: str,
    *,
    example: str,
    json: str = "string",
    csv: str = "text",
    parquet: str = "string",
    unit: str = "",
    nullable: bool = False,
) -> Column:
    types = {"json": json, "csv": csv, "parquet": parquet}
    types = {form: kind for form, kind in types.items() if kind}
    return Column(name, meaning, types, example, unit, nullable)


EVENTS = register(
    Table(
        slug="events",
        title=_("Game events"),
        about=_(
            "Every event that was accepted, in the order of `seq`. JSON and NDJSON hold exactly "
            "the fields that were sent, others included, and the server's own; the tables of CSV "
            "and Parquet have these columns. An empty cell, or null, is a field that was not sent."
        ),
        where="GET /v1/export/raw",
        formats={"json": "JSON, NDJSON", "csv": "CSV", "parquet": "Parquet"},
        columns=(
            _event(
                "seq",
                _("Number of the event in the order of storing; never changes, may have gaps."),
                json="integer", csv="integer", parquet="int64", example="1204",
            ),
            _event(
                "event_id",
                _("The event's own id, unique, at most 128 characters; made by the game."),
                example="01HX5T3D8G2V",
            ),
            _event(
                "event_type",
                _("What happened, at most 64 characters; `task_result` is a trial."),
                example="task_result",
            ),
            _event(
                "event_ts",
                _(
                    "When it happened, by the game's clock; ISO 8601 as sent, in Parquet read as "
                    "an instant. Without a zone it was read as UTC and is flagged `naive_ts`."
                ),
                csv="ISO 8601", json="string, ISO 8601", parquet=_INSTANT,
                nullable=True, example="2026-02-17T12:05:11Z",
            ),
            _event(
                "effective_ts",
                _(
                    "When it counts: the event's own time, or its arrival if that lay more than "
                    "five minutes ahead."
                ),
                csv="ISO 8601", json="string, ISO 8601", parquet=_INSTANT, unit="UTC",
                example="2026-02-17T12:05:11Z",
            ),
            _event(
                "received_at",
                _("When the server took it, by the server's clock."),
                csv="ISO 8601", json="string, ISO 8601", parquet=_INSTANT, unit="UTC",
                example="2026-02-17T12:05:12.340127Z",
            ),
            _event(
                "user_id",
                _("The player's pseudonym as sent, at most 128 characters."),
                example="u_42",
            ),
            _event(
                "session_id",
                _("The game session as sent, at most 128 characters."),
                nullable=True, example="s_20260217_120000_u_42",
            ),
            _event(
                "model_version",
                _("The model that chose the difficulty, at most 128 characters."),
                nullable=True, example="baseline_v1",
            ),
            _event(
                "client_version",
                _("The version of the game that sent the batch; empty where it said none."),
                example="1.0.0",
            ),
            _event(
                "flags",
                _(
                    "What was odd about it: `naive_ts`, `clock_ahead`, `not_scored`, "
                    "`not_folded`; a list, in CSV joined by commas."
                ),
                json="array of string", parquet="list<element: string not null>",
                example="naive_ts",
            ),
            _event(
                "payload",
                _("What the game says of it: an object, in CSV and Parquet as JSON text."),
                json="object", csv="JSON text", parquet="string, JSON text", nullable=True,
                example='{"correct":true,"rt_ms":1260}',
            ),
            _event(
                "extra",
                _(
                    "All other fields that were sent, as the JSON text of one object; in JSON "
                    "and NDJSON they stand beside the others, in CSV they are left out."
                ),
                json="", csv="", parquet="string, JSON text", nullable=True,
                example='{"device":"tablet"}',
            ),
        ),
    )
)  # fmt: skip

_SHEETS = {"csv": "CSV", "xlsx": "XLSX", "json": "JSON"}


def sheet(
    name: str, meaning: str, kind: str, *, example: str, unit: str = "", nullable: bool = False
) -> Column:
    """A column of an export of the admin; the type is the same in each of its formats."""
    return Column(name, meaning, dict.fromkeys(_SHEETS, kind), example, unit, nullable)


QUARANTINE = register(
    Table(
        slug="quarantine",
        title=_("Quarantine"),
        about=_("Events that could not be stored, with the reason; an export of the admin's list."),
        where="/admin/telemetry/quarantinedevent/",
        formats=_SHEETS,
        columns=(
            sheet("id", _("Number of the row."), "integer", example="17"),
            sheet(
                "received_at", _("When the server took it."), "time", unit="UTC",
                example="2026-02-17 12:05:12",
            ),
            sheet("source", _("`game` or `anticheat`."), "text", example="game"),
            sheet("index", _("Position in its batch, from 0."), "integer", example="3"),
            sheet("reason", _("Why, as a word that does not change."), "text",
                  example="invalid_field"),
            sheet("detail", _("Why, in words."), "text", nullable=True,
                  example="user_id is missing"),
            sheet("raw", _("The text as it was sent."), "text", example='{"event_id": "01HX"}'),
            sheet("client_version", _("The version of the game that sent the batch."), "text",
                  nullable=True, example="1.0.0"),
            sheet("key", _("Name of the key it came with; empty: the environment's."), "text",
                  nullable=True, example="lab"),
            sheet("resolved_at", _("When it was stored after all."), "time", unit="UTC",
                  nullable=True, example="2026-02-18 09:00:00"),
        ),
    )
)  # fmt: skip

CONFLICTS = register(
    Table(
        slug="conflicts",
        title=_("Event conflicts"),
        about=_(
            "Events that came again under the same id with other content; the first one counts. "
            "An export of the admin's list."
        ),
        where="/admin/telemetry/eventconflict/",
        formats=_SHEETS,
        columns=(
            sheet("id", _("Number of the row."), "integer", example="5"),
            sheet("seq", _("`seq` of the event that was kept."), "integer", example="1204"),
            sheet("event_id", _("The id that both have."), "text", example="01HX5T3D8G2V"),
            sheet("event_type", _("Type of the event that was kept."), "text",
                  example="task_result"),
            sheet("user_id", _("Player of the event that was kept."), "text", example="u_42"),
            sheet("received_at", _("When the later one came."), "time", unit="UTC",
                  example="2026-02-17 12:05:12"),
            sheet("client_version", _("The version of the game that sent the later one."), "text",
                  nullable=True, example="1.0.0"),
            sheet("kept", _("Text of the event that was kept, as sent."), "text",
                  example='{"event_id": "01HX"}'),
            sheet("later", _("Text of the later one, as sent."), "text",
                  example='{"event_id": "01HX"}'),
        ),
    )
)  # fmt: skip
