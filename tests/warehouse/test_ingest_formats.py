import csv
import gzip
import io
import json

import duckdb
import pytest
from deliveries import event, json_lines, write, write_zip

from warehouse.ingest.snowplow import FIELDS

CANONICAL = {
    "event_id": "e1",
    "user_id": 12345678901234567890123,
    "anonymous_id": None,
    "event_name": "page_view",
    "event_at": "2026-01-01T00:00:00.123Z",
    "page_url": "https://app.example.com/ü",
    "device_type": "desktop",
    "user_agent": "Mozilla/5.0",
    "properties": {"a": [1, {"b": "x"}], "t": "line\nbreak"},
    "source": "web",
}
SEGMENT = {"type": "track", "messageId": "m1", "userId": "u1", "event": "x"}
MIXPANEL = {"event": "x", "properties": {"time": 1.5, "distinct_id": "d", "$insert_id": "i"}}
AMPLITUDE = {"event_type": "x", "$insert_id": "i", "event_time": "2026-01-01 00:00:00.1"}
SNOWPLOW = {"event_id": "e", "collector_tstamp": "2026-01-01 00:00:00", "event": "page_view"}


def payloads(rows, format):
    found = rows(f"select payload from raw.events_{format} order by source_line, payload")
    return [json.loads(payload) for (payload,) in found]


def test_canonical_values_land_as_text_as_they_were_delivered(take, rows, tmp_path):
    result = take(write(tmp_path / "a.jsonl", json_lines(CANONICAL)))
    assert result.taken[0].format == "kairos"
    columns = ", ".join(CANONICAL)
    [row] = rows(f"select {columns}, source_file, source_line, loaded_at::varchar from raw.events")
    found = dict(zip(CANONICAL, row, strict=False))
    assert json.loads(found.pop("properties")) == CANONICAL["properties"]
    expected = {**CANONICAL, "user_id": "12345678901234567890123"}
    del expected["properties"]
    assert found == expected
    assert row[-3:] == (f"{tmp_path}/a.jsonl", 1, "2026-02-01 00:00:00")


@pytest.mark.parametrize(
    ("format", "record"),
    [
        ("segment", SEGMENT),
        ("mixpanel", MIXPANEL),
        ("amplitude", AMPLITUDE),
        ("snowplow", SNOWPLOW),
    ],
)
@pytest.mark.parametrize("packing", ["plain", "gzip", "zip"])
def test_vendor_exports_are_recognised_and_land_untouched(
    take, rows, tmp_path, format, record, packing
):
    text = json.dumps(record).replace("1.5", "1.50") + "\n"
    result = take(write(tmp_path / "export", text.encode() * 3, packing))
    assert [load.format for load in result.taken] == [format]
    assert rows(f"select payload from raw.events_{format}") == [(text.strip(),)] * 3


@pytest.mark.parametrize("indent", [None, 2])
def test_a_segment_batch_body_is_its_messages(take, rows, tmp_path, indent):
    body = {
        "batch": [SEGMENT, {**SEGMENT, "messageId": "m2", "context": {"ip": "1"}, "sentAt": "s2"}],
        "sentAt": "s1",
        "receivedAt": "r1",
        "context": {"ip": "0", "locale": "de"},
    }
    path = write(tmp_path / "body.json", json.dumps(body, indent=indent).encode())
    assert take(path).row_count == 2
    shared = {"sentAt": "s1", "receivedAt": "r1", "context": {"ip": "0", "locale": "de"}}
    assert payloads(rows, "segment") == [
        {**shared, **SEGMENT},
        {
            **SEGMENT,
            "messageId": "m2",
            "context": {"ip": "1", "locale": "de"},
            "sentAt": "s2",
            "receivedAt": "r1",
        },
    ]


def test_batch_bodies_and_messages_may_alternate_and_keep_their_lines(take, rows, tmp_path):
    lines = [SEGMENT, {"batch": [SEGMENT, 7, SEGMENT]}, {"batch": []}, SEGMENT]
    result = take(write(tmp_path / "a.jsonl", json_lines(*lines)))
    assert (result.row_count, result.unreadable_count) == (4, 1)
    assert rows("select source_line from raw.events_segment order by 1") == [(1,), (2,), (2,), (4,)]
    assert rows("select source_line, payload, reason from raw.unreadable_lines") == [
        (2, "7", "not_an_object")
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_events_is_its_events(take, rows, tmp_path, indent):
    content = json.dumps([event(1), event(2), 3], indent=indent).encode()
    result = take(write(tmp_path / "a.json", content))
    assert (result.row_count, result.unreadable_count) == (2, 1)
    assert rows("select event_id, source_line from raw.events") == [("e1", 1), ("e2", 2)]


@pytest.mark.parametrize("opening", ["[", '{"batch": ['])
def test_a_document_with_one_event_on_each_line_is_no_file_of_lines(take, count, tmp_path, opening):
    events = ",\n".join(json.dumps({**SEGMENT, "messageId": n}) for n in range(5))
    closing = "]" if opening == "[" else "]}"
    path = write(tmp_path / "a.json", f"{opening}\n{events}\n{closing}\n".encode())
    assert take(path).unreadable_count == 0
    assert count("raw.events_segment") == 5


def test_an_amplitude_export_is_a_zip_of_gzips(take, rows, tmp_path):
    entries = {
        f"187520/187520_2026-01-01_{hour}#0.json.gz": gzip.compress(json_lines(AMPLITUDE) * hour)
        for hour in (1, 2)
    }
    path = write_zip(tmp_path / "export.zip", {**entries, "__MACOSX/x": b"junk"})
    result = take(path)
    assert [(load.row_count, load.format) for load in result.taken] == [
        (1, "amplitude"),
        (2, "amplitude"),
    ]
    assert result.taken[0].source_file == f"{path}/187520/187520_2026-01-01_1#0.json.gz"


def test_snowplow_enriched_lines_become_objects(take, rows, tmp_path):
    values = dict.fromkeys(FIELDS, "")
    values |= {"event_id": "e1", "contexts": '{"data": [1.5]}', "true_tstamp": "", "app_id": ""}
    good = "\t".join(values.values())
    result = take(write(tmp_path / "enriched.tsv", f"{good}\r\n{good}\textra\n{good}".encode()))
    assert (result.row_count, result.unreadable_count) == (2, 1)
    assert payloads(rows, "snowplow") == [{"event_id": "e1", "contexts": {"data": [1.5]}}] * 2
    assert rows("select source_line, reason from raw.unreadable_lines") == [(2, "not_a_row")]


def csv_text(records, delimiter=","):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(records[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(records)
    return buffer.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("packing", ["plain", "gzip", "zip"])
def test_canonical_events_come_as_csv_too(take, rows, tmp_path, delimiter, packing):
    properties = json.dumps({"text": 'a "b", c;\nd|\te'})
    records = [event(1, properties=properties), event(2, properties="")]
    text = "\ufeff" + csv_text(records, delimiter)
    take(write(tmp_path / "a.csv", text.encode(), packing))
    assert rows("select event_id, event_at, properties, user_id, source_line from raw.events") == [
        ("e1", "2026-01-01", properties, None, 2),
        ("e2", "2026-01-01", None, None, 3),
    ]


def test_users_come_as_csv_and_unknown_columns_are_named(take, rows, tmp_path):
    header = 'User_ID,segment,"consents",favourite colour'
    row = 'u1,business,"{""email"": true}",red'
    result = take(write(tmp_path / "users.csv", f"{header}\n{row}\n".encode()))
    assert [(load.format, load.ignored) for load in result.taken] == [
        ("users", ("favourite colour",))
    ]
    assert rows("select user_id, segment, consents, traits from raw.users") == [
        ("u1", "business", '{"email": true}', None)
    ]


def test_feedback_is_known_by_its_id(take, rows, tmp_path):
    line = {"feedback_id": "f1", "kind": "shown", "idempotency_key": "k", "payload": {"a": 1}}
    result = take(write(tmp_path / "a.jsonl", json.dumps(line).encode()))
    assert [load.format for load in result.taken] == ["feedback"]
    assert rows(
        "select feedback_id, kind, idempotency_key, payload, source_line from raw.feedback"
    ) == [("f1", "shown", "k", '{"a":1}', 1)]


def test_a_header_may_have_empty_and_repeated_names(take, rows, tmp_path):
    take(write(tmp_path / "users.csv", b"user_id,segment,segment,\nu1,a,b,\n"))
    assert rows("select user_id, segment from raw.users") == [("u1", "a")]


def test_a_format_that_is_named_needs_only_one_known_column(take, count, tmp_path):
    path = write(tmp_path / "users.csv", b"user_id\nu1\n")
    assert take(path).refused
    assert take(path, format="users").row_count == 1


def test_records_that_are_not_utf8_are_set_aside(take, rows, tmp_path):
    content = "user_id,segment\nu1,a\nu2,ü\nu3,a\n".encode("latin-1")
    result = take(write(tmp_path / "users.csv", content))
    assert (result.row_count, result.unreadable_count) == (2, 1)


def test_records_that_do_not_fit_the_header_are_set_aside(take, rows, tmp_path):
    text = "user_id,segment\nu1,a\nu2\nu3,a,b\nu4,a\n"
    result = take(write(tmp_path / "users.csv", text.encode()))
    assert (result.row_count, result.unreadable_count) == (2, 2)
    assert rows("select source_line, payload, reason from raw.unreadable_lines order by 1") == [
        (3, "u2", "not_a_row"),
        (4, "u3,a,b", "not_a_row"),
    ]
    assert rows("select user_id from raw.users") == [("u1",), ("u4",)]


def test_canonical_events_come_as_parquet_too(take, rows, tmp_path):
    path = tmp_path / "a.parquet"
    duckdb.sql(
        """
        select
            'e1' as event_id, 7 as user_id, 'x' as event_name, {'a': 1} as properties,
            timestamp '2026-01-01 00:00:00.5' as event_at, 1 as extra
        """
    ).write_parquet(str(path))
    result = take(path)
    assert result.taken[0].ignored == ("extra",)
    assert rows("select event_id, user_id, event_at, properties, source_line from raw.events") == [
        ("e1", "7", "2026-01-01 00:00:00.5", '{"a":1}', 1)
    ]


@pytest.mark.parametrize("oddity", [b"", b"oops\n\n"])
def test_every_row_keeps_its_line_over_many_blocks_and_parts(
    take, rows, tmp_path, monkeypatch, oddity
):
    monkeypatch.setattr("warehouse.ingest.content.BLOCK_BYTES", 1_000)
    monkeypatch.setattr("warehouse.ingest.spool.PART_BYTES", 5_000)
    monkeypatch.setattr("warehouse.ingest.land.SAMPLE_BYTES", 100)
    chunk = json_lines(*(event(n) for n in range(100))) + oddity
    content = chunk * 5
    take(write(tmp_path / "a.jsonl", content))
    expected = [
        (number, json.loads(line)["event_id"])
        for number, line in enumerate(content.splitlines(), start=1)
        if line.startswith(b"{")
    ]
    found = rows("select source_line, event_id from raw.events order by source_line")
    assert found == expected


def test_windows_line_ends_and_a_byte_order_mark_are_no_trouble(take, count, tmp_path):
    content = b"\xef\xbb\xbf" + json_lines(event(1), event(2)).replace(b"\n", b"\r\n")
    result = take(write(tmp_path / "a.jsonl", content))
    assert (result.row_count, result.unreadable_count) == (2, 0)


def test_folders_and_globs_are_resolved_and_each_file_is_taken_once(take, count, tmp_path):
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    path = write(folder / "a.jsonl", json_lines(event(1)))
    write(tmp_path / "in" / "_SUCCESS", b"")
    result = take(tmp_path / "in", path, tmp_path / "in" / "**" / "*.jsonl")
    assert not result.refused
    assert len(result.taken) == count() == 1
