"""What an export holds, byte by byte, whatever was sent; the same on both databases."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry import ingest
from telemetry.export import SERVER_FIELDS, Selection
from telemetry.export_formats import CSV_COLUMNS, KINDS
from telemetry.export_source import MAX_ROWS
from telemetry.export_stream import Reader
from telemetry.models import GameEvent
from telemetry.wire import Accepted, read_event
from tests.wipe import wipe

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, 0, 0, 120_000, tzinfo=UTC)
SECOND = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUIRED = '"event_id":"%s","event_type":"t","event_ts":"2026-02-17T12:05:11Z","user_id":"u"'


def store(*texts: str, now: datetime = NOW, version: str = "1.0") -> list[int]:
    """Store events as these texts; their `seq`s."""
    parsed = [read_event(text.encode(), index, now) for index, text in enumerate(texts)]
    assert all(isinstance(event, Accepted) for event in parsed), parsed
    ingest.store(ingest.Batch(parsed, now, version))
    return list(GameEvent.objects.order_by("-seq").values_list("seq", flat=True)[: len(texts)])[
        ::-1
    ]


def export(form: str, *, limit: int | None = None, packed: bool = False, **filters) -> bytes:
    reader = Reader(Selection(**filters).snapshot(), form=form, limit=limit, gzip=packed)
    parts = []
    while (data := reader.read()) is not None:
        assert data
        parts.append(data)
    return b"".join(parts)


def head(seq: int, *, received="2026-03-01T12:00:00.120000Z", version='"1.0"', flags="[]") -> str:
    return (
        f'{{"seq":{seq},"received_at":"{received}","effective_ts":"2026-02-17T12:05:11Z",'
        f'"client_version":{version},"flags":{flags},'
    )


# --- NDJSON -------------------------------------------------------------------------------------

AS_SENT = [
    '"n":1e3,"m":1.0,"big":18446744073709551615,"small":-9223372036854775808',
    r'"t":"\\ \/ \" \n \t é","é":"\ud83d\ude00"',
    '"t":"=1+1","deep":{"a":[{"b":null}]}, "spaces" : [ 1 , 2 ]',
    '"t":"\u2028 \u00a0 \x7f Ω 漢字 😀"',
    '"copy":"\\\\. \\\\N","pipe":"\\t|\\u0301"',
]


@pytest.mark.parametrize("rest", AS_SENT)
def test_a_line_is_the_servers_fields_and_the_text_as_sent(rest):
    text = "{" + REQUIRED % "a" + "," + rest + "}"
    (seq,) = store(text)
    assert export("ndjson").decode() == head(seq) + text[1:] + "\n"


@pytest.mark.parametrize("odd", range(4))
def test_a_line_does_not_depend_on_its_neighbours(odd):
    neighbours = [
        '"seq":7', '"nested":{"flags":1}', r'"\u0073eq":1', '"broken":[1,\n2]',
    ]  # fmt: skip
    texts = ["{ " + REQUIRED % f"a{n}" + ", " + rest + "}" for n, rest in enumerate(AS_SENT)]
    seqs = store(*texts, "{" + REQUIRED % "odd" + "," + neighbours[odd] + "}")
    lines = export("ndjson").decode().split("\n")
    expected = [head(seq) + text[1:] for seq, text in zip(seqs, texts, strict=False)]
    assert lines[: len(texts)] == expected
    assert len(lines) == len(texts) + 2


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('"seq":"mine","flags":{"a":1},"odd":1e3', '"odd":1e3'),
        (r'"s\u0065q":1,"odd":"\u00e9"', r'"odd":"\u00e9"'),
        ('"received_at":1,"effective_ts":2,"client_version":3', ""),
    ],
)
def test_names_of_the_server_win(sent, kept):
    (seq,) = store("{" + REQUIRED % "a" + "," + sent + "}")
    line = export("ndjson").decode()
    assert line == head(seq) + REQUIRED % "a" + ("," + kept if kept else "") + "}\n"


def test_a_nested_name_of_the_servers_stays():
    text = "{" + REQUIRED % "a" + ',"payload":{"seq":1,"flags":["x"]}}'
    (seq,) = store(text)
    assert export("ndjson").decode() == head(seq) + text[1:] + "\n"


def test_line_breaks_between_tokens_become_spaces():
    (seq,) = store("{\r\n" + REQUIRED % "a" + ',\n"b":"\\n"\n}')
    expected = head(seq) + "  " + REQUIRED % "a" + ', "b":"\\n" }\n'
    assert export("ndjson").decode() == expected


@pytest.mark.parametrize(
    "version", ["", "2.0-β", 'say "hi"', "back\\slash", "a\nb\rc\td", "\x01\x02\x03\x1f\x7f", "=1"]
)
def test_any_client_version_is_exported(version):
    store("{" + REQUIRED % "a" + "}", version=version)
    line = export("ndjson").decode()
    assert json.loads(line)["client_version"] == version
    assert line.count("\n") == 1
    (row,) = csv.DictReader(io.StringIO(export("csv").decode(), newline=""))
    assert row["client_version"] == ("'" + version if version.startswith("=") else version)


def test_times_have_a_fraction_only_where_there_is_one():
    seqs = store("{" + REQUIRED % "a" + "}", now=SECOND)
    seqs += store(
        '{"event_id":"b","event_type":"t","event_ts":"0001-01-01T00:00:00","user_id":"u"}'
    )
    first, second = (json.loads(line) for line in export("ndjson").splitlines())
    assert (first["received_at"], first["flags"]) == ("2026-03-01T12:00:00Z", [])
    assert (second["effective_ts"], second["flags"]) == ("0001-01-01T00:00:00Z", ["naive_ts"])
    assert [first["seq"], second["seq"]] == seqs


def test_several_flags_are_a_list_and_a_cell():
    ahead = '"event_type":"task_result","event_ts":"2030-01-01T00:00:00"'
    store('{"event_id":"a","user_id":"u",' + ahead + "}")
    flags = ["naive_ts", "clock_ahead", "not_scored"]
    assert json.loads(export("ndjson"))["flags"] == flags
    (row,) = csv.DictReader(io.StringIO(export("csv").decode()))
    assert row["flags"] == ",".join(flags)
    table = pq.read_table(io.BytesIO(export("parquet")))
    assert table["flags"].to_pylist() == [flags]


# --- Every format -------------------------------------------------------------------------------


def records(form: str, data: bytes) -> list[dict]:
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    if form == "parquet":
        return pq.read_table(io.BytesIO(data)).to_pylist()
    return (
        json.loads(data)["events"] if form == "json" else list(map(json.loads, data.splitlines()))
    )


def some(count: int) -> list[int]:
    return store(*["{" + REQUIRED % f"e{n}" + f',"payload":{{"n":{n}}}}}' for n in range(count)])


@pytest.mark.parametrize("form", KINDS)
def test_nothing_selected_is_an_empty_export(form):
    data = export(form)
    assert records(form, data) == []
    if form == "csv":
        assert data == ",".join(CSV_COLUMNS).encode() + b"\r\n"


@pytest.mark.parametrize("form", KINDS)
def test_every_event_once_across_pages_and_from_any_cursor(form):
    seqs = some(2 * MAX_ROWS + 3)
    assert [int(row["seq"]) for row in records(form, export(form))] == seqs
    cut = seqs[MAX_ROWS + 1]
    rest = records(form, export(form, after=cut))
    assert [int(row["seq"]) for row in rest] == [seq for seq in seqs if seq > cut]
    few = records(form, export(form, after=cut, limit=5))
    assert [int(row["seq"]) for row in few] == [seq for seq in seqs if seq > cut][:5]
    upto = records(form, export(form, after=seqs[3], as_of=seqs[7]))
    assert [int(row["seq"]) for row in upto] == seqs[4:8]


@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
def test_gzip_holds_the_same_bytes(form):
    some(MAX_ROWS + 1)
    assert gzip.decompress(export(form, packed=True)) == export(form)


def test_gzip_keeps_nothing_back():
    some(3 * MAX_ROWS)
    reader = Reader(Selection().snapshot(), form="ndjson", gzip=True)
    decoder = zlib.decompressobj(wbits=31)
    first = decoder.decompress(reader.read())
    assert first.endswith(b"\n")
    assert first.count(b"\n") == MAX_ROWS
    reader.stop()
    assert reader.read() is None


def test_parquet_has_types_and_every_field():
    sent = '"session_id":"s","payload":{"x" : 1e3},"more":[1, 2],"seq":"mine","é":"\\u00e9"'
    (seq, other) = store(
        "{" + REQUIRED % "=a" + "," + sent + "}",
        "{" + REQUIRED % "b" + ',"payload":null,"model_version":null}',
    )
    table = pq.read_table(io.BytesIO(export("parquet")))
    assert {field.name: str(field.type) for field in table.schema} == {
        "seq": "int64", "event_id": "string", "event_type": "string",
        "event_ts": "timestamp[us, tz=UTC]", "effective_ts": "timestamp[us, tz=UTC]",
        "received_at": "timestamp[us, tz=UTC]", "user_id": "string", "session_id": "string",
        "model_version": "string", "client_version": "string",
        "flags": "list<element: string not null>", "payload": "string", "extra": "string",
    }  # fmt: skip
    moment = datetime(2026, 2, 17, 12, 5, 11, tzinfo=UTC)
    assert table.to_pylist() == [
        {
            "seq": seq, "event_id": "=a", "event_type": "t", "event_ts": moment,
            "effective_ts": moment, "received_at": NOW, "user_id": "u", "session_id": "s",
            "model_version": None, "client_version": "1.0", "flags": [],
            "payload": '{"x" : 1e3}', "extra": '{"more":[1, 2],"é":"\\u00e9"}',
        },
        {
            "seq": other, "event_id": "b", "event_type": "t", "event_ts": moment,
            "effective_ts": moment, "received_at": NOW, "user_id": "u", "session_id": None,
            "model_version": None, "client_version": "1.0", "flags": [],
            "payload": None, "extra": None,
        },
    ]  # fmt: skip
    assert table.schema.metadata[b"neurogame.as_of"] == str(other).encode()


def test_csv_has_the_payload_as_sent_without_white_space():
    store("{" + REQUIRED % "a" + ',"payload":{ "x" : 1e3,\n"y":"a \\n,\\"b" }}')
    (row,) = csv.DictReader(io.StringIO(export("csv").decode(), newline=""))
    assert row["payload"] == '{"x":1e3,"y":"a \\n,\\"b"}'


# --- Whatever is sent ---------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = TEXT.filter(lambda name: name not in ("payload", "session_id", "model_version"))
EVENTS = st.fixed_dictionaries(
    {
        "event_id": TEXT.filter(bool),
        "event_type": TEXT.filter(bool),
        "event_ts": st.just("2026-02-17T12:05:11Z"),
        "user_id": TEXT.filter(bool),
    },
    optional={
        "session_id": TEXT,
        "payload": st.dictionaries(TEXT | st.sampled_from(SERVER_FIELDS), VALUES, max_size=3),
        **dict.fromkeys(SERVER_FIELDS, VALUES),
    },
)
BATCHES = st.lists(
    st.tuples(EVENTS, st.dictionaries(NAMES, VALUES, max_size=3), st.booleans()),
    min_size=1, max_size=8, unique_by=lambda item: item[0]["event_id"],
)  # fmt: skip


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=BATCHES, version=TEXT)
def test_every_format_holds_what_was_sent(transactional_db, batch, version):
    wipe()
    sent = [{**extra, **event} for event, extra, _escaped in batch]
    texts = [
        json.dumps(event, ensure_ascii=escaped)
        for event, (_event, _extra, escaped) in zip(sent, batch, strict=True)
    ]
    seqs = store(*texts, version=version)
    lines = [json.loads(line) for line in export("ndjson").decode().split("\n")[:-1]]
    own = {"client_version": version, "received_at": "2026-03-01T12:00:00.120000Z"}
    for seq, event, line in zip(seqs, sent, lines, strict=True):
        assert {**event, **own, "seq": seq, "flags": line["flags"],
                "effective_ts": "2026-02-17T12:05:11Z"} == line  # fmt: skip
    assert json.loads(export("json"))["events"] == lines
    cells = csv.DictReader(io.StringIO(export("csv").decode(), newline=""))
    for event, row in zip(sent, cells, strict=True):
        assert row["user_id"].lstrip("'") == event["user_id"].lstrip("'")
        assert (json.loads(row["payload"]) if row["payload"] else {}) == event.get("payload", {})
    typed = pq.read_table(io.BytesIO(export("parquet"))).to_pylist()
    for event, row in zip(sent, typed, strict=True):
        assert (row["event_id"], row["client_version"]) == (event["event_id"], version)
        assert json.loads(row["payload"] or "{}") == event.get("payload", {})
        named = {"event_id", "event_type", "event_ts", "user_id", "session_id", "payload"}
        extra = {n: v for n, v in event.items() if n not in {*named, *SERVER_FIELDS}}
        assert json.loads(row["extra"] or "{}") == extra
