import gzip
import json

import duckdb
import pytest
from deliveries import event, json_lines, write, write_zip

from warehouse.errors import KairosError


def reason(result):
    [refusal] = result.refused
    return str(refusal)


def test_a_missing_file_is_named_and_the_others_are_taken(take, count, tmp_path):
    good = write(tmp_path / "good.jsonl", json_lines(event(1)))
    result = take(tmp_path / "none.jsonl", good)
    assert reason(result) == f"{tmp_path}/none.jsonl does not exist: check the path"
    assert count() == 1


@pytest.mark.parametrize("packing", ["plain", "gzip"])
@pytest.mark.parametrize("content", [b"", b"\n \r\n"])
def test_an_empty_file_is_refused(take, tmp_path, packing, content):
    assert "is empty" in reason(take(write(tmp_path / "empty", content, packing)))


def test_an_empty_zip_is_refused(take, tmp_path):
    assert "without any content" in reason(take(write_zip(tmp_path / "a.zip", {"a.jsonl": b""})))


def test_a_truncated_gzip_is_refused_whole_and_says_after_how_many_lines(take, count, tmp_path):
    content = json_lines(*(event(n, page_url=str(hash(n * 7.7))) for n in range(50_000)))
    packed = gzip.compress(content)
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    message = reason(take(path))
    assert str(path) in message
    assert "ends in the middle of its compressed data" in message
    readable = int(message.split("after ")[1].split(" lines")[0].replace(",", ""))
    assert 20_000 < readable < 50_000
    assert count() == count("raw.loads") == 0


def test_a_gzip_with_a_wrong_checksum_is_refused_whole(take, count, tmp_path):
    packed = bytearray(gzip.compress(json_lines(event(1))))
    packed[-6] ^= 0xFF
    path = write(tmp_path / "bad.gz", bytes(packed))
    assert "is damaged" in reason(take(path))
    assert count() == 0


def test_a_truncated_zip_is_refused_whole(take, count, tmp_path):
    path = write_zip(tmp_path / "a.zip", {"a.jsonl": json_lines(event(1))})
    path.write_bytes(path.read_bytes()[:-30])
    assert "is damaged" in reason(take(path))
    assert count() == 0


def test_a_zip_with_one_broken_entry_is_refused_whole(take, count, tmp_path):
    cut = gzip.compress(json_lines(event(2)))[:-10]
    path = write_zip(tmp_path / "a.zip", {"a.jsonl": json_lines(event(1)), "b.jsonl.gz": cut})
    assert "is damaged" in reason(take(path))
    assert count() == 0


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"not json", "not_json"),
        (b'{"event_id": "cut', "not_json"),
        (b'{"event_id": "a"} {"event_id": "b"}', "not_json"),
        (b'{"event_id": "\xff"}', "not_json"),
        (b'{"event_id": "\\ud800"}', "not_json"),
        (b'{"event_id": "a\x00b"}', "not_json"),
        (b"[1, 2]", "not_an_object"),
        (b'[{"event_id": "a"}]', "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
    ],
)
@pytest.mark.parametrize("format", ["kairos", "segment"])
def test_a_line_that_is_no_event_is_set_aside(take, rows, tmp_path, line, why, format):
    good = {"messageId": "m", "type": "track"} if format == "segment" else event(1)
    table = "raw.events_segment" if format == "segment" else "raw.events"
    path = write(tmp_path / "a.jsonl", json_lines(good) + line + b"\n\n" + json_lines(good))
    result = take(path)
    assert (result.row_count, result.unreadable_count) == (2, 1)
    assert rows(f"select source_line from {table}") == [(1,), (4,)]
    [(source, file, number, payload, reason)] = rows(
        "select source, source_file, source_line, payload, reason from raw.unreadable_lines"
    )
    assert (source, file, number, reason) == (format, str(path), 2, why)
    assert payload == line.decode(errors="backslashreplace")


@pytest.mark.parametrize("position", [0, 1])
def test_a_property_of_10_mb_is_set_aside_and_kept(take, rows, tmp_path, position):
    lines = [event(1), event(2)]
    lines.insert(position, event(3, properties={"big": "x" * 10_000_000}))
    result = take(write(tmp_path / "a.jsonl", json_lines(*lines)))
    assert (result.row_count, result.unreadable_count) == (2, 1)
    [(line, length, reason)] = rows(
        "select source_line, length(payload), reason from raw.unreadable_lines"
    )
    assert (line, reason) == (position + 1, "too_large")
    assert length == len(json.dumps(lines[position]))


@pytest.mark.parametrize("neighbour", [b"", b"\n"])
@pytest.mark.parametrize(("excess", "is_taken"), [(0, 1), (1, 0)])
def test_a_line_of_exactly_1_mib_is_taken(take, tmp_path, excess, is_taken, neighbour):
    room = (1 << 20) + excess - len(json.dumps(event(1, page_url="")))
    content = json_lines(event(1, page_url="x" * room), event(3)) + neighbour + json_lines(event(2))
    result = take(write(tmp_path / "a.jsonl", content))
    assert (result.row_count, result.unreadable_count) == (2 + is_taken, 1 - is_taken)


def test_events_without_id_name_or_time_land_for_the_models_to_reject(take, rows, tmp_path):
    path = write(tmp_path / "a.jsonl", json_lines(event(1), {}, {"other": 1}, {"event_id": "x"}))
    assert take(path).row_count == 4
    assert rows("select source_line, event_id from raw.events order by 1") == [
        (1, "e1"),
        (2, None),
        (3, None),
        (4, "x"),
    ]


SEGMENT = {"type": "track", "messageId": "m1", "userId": "u", "event": "x", "properties": {}}


@pytest.mark.parametrize(
    ("content", "format", "found"),
    [
        (SEGMENT, "kairos", "segment"),
        (SEGMENT, "users", "segment"),
        (event(1), "segment", "kairos"),
        (event(1), "users", "kairos"),
        ({"user_id": "u", "traits": {}}, "kairos", "users"),
    ],
)
def test_a_wrong_format_is_refused_and_the_right_one_named(
    take, count, tmp_path, content, format, found
):
    path = write(tmp_path / "a.jsonl", json_lines(content, content))
    message = reason(take(path, format=format))
    assert f"is in the format {found}, not {format}: pass --format {found}" in message
    assert count("raw.loads") == 0


def test_an_unknown_format_is_refused_with_the_names_there_are(take, tmp_path):
    with pytest.raises(KairosError, match="use one of auto, kairos, segment"):
        take(tmp_path, format="excel")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n', "pass --format kairos|segment"),
        (b"once upon a time\n", "should be lines of JSON, or CSV with a header"),
        (b"no\rtext, but noise \x07\xff\xfe", "should be lines of JSON, or CSV with a header"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "is no text"),
        ('{"event_id": "e"}'.encode("utf-16"), "is UTF-16"),
        (b"\x28\xb5\x2f\xfd123", "is compressed with zstd"),
        (b'[{"event_id": "e", "event_name": ', "neither lines of JSON nor one JSON document"),
        (b"PAR1 and nothing more", "is a damaged Parquet file"),
        (b'{"event_at": ' * 4_000_000, "is one JSON document of more than 32 MiB"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_to_do(take, tmp_path, content, message):
    path = write(tmp_path / "a", content)
    found = reason(take(path))
    assert message in found
    assert str(path) in found


@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_damaged_parquet_file_is_refused_whole(take, count, tmp_path, damage):
    path = tmp_path / "a.parquet"
    query = "select 'e' || range as event_id, md5(range::varchar) as event_name from range(20000)"
    duckdb.sql(query).write_parquet(str(path))
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        whole[:middle] + (b"" if damage == "cut" else b"?" * 99 + whole[middle + 99 :])
    )
    assert "is a damaged Parquet file" in reason(take(path))
    assert count() == 0


def test_a_folder_without_event_files_is_refused(take, tmp_path):
    (tmp_path / "in" / ".hidden").mkdir(parents=True)
    assert "is a folder with no file of events in it" in reason(take(tmp_path / "in"))
    write(tmp_path / "in" / "notes.md", b"hello")
    write(tmp_path / "in" / ".hidden" / "a.jsonl", json_lines(event(1)))
    assert "among its 1 files" in reason(take(tmp_path / "in"))


def test_a_pattern_that_matches_nothing_is_refused(take, tmp_path):
    assert "matches no file" in reason(take(tmp_path / "*.jsonl"))


def test_a_file_that_grows_while_it_is_read_is_refused(take, count, tmp_path, monkeypatch):
    path = write(tmp_path / "a.jsonl", json_lines(event(1)))

    def grow(*args, **kwargs):
        path.write_bytes(json_lines(event(1), event(2)))

    monkeypatch.setattr("warehouse.ingest.take.record_loads", grow)
    monkeypatch.setattr("warehouse.ingest.take.known_loads", lambda *_, **hashes: grow() or [])
    assert "changed while it was read" in reason(take(path))
    assert count() == 0


def test_a_full_disk_is_named(take, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("warehouse.ingest.land.spool_lines", full)
    path = write(tmp_path / "a.jsonl", json_lines(event(1)))
    with pytest.raises(KairosError, match="No space left on device; free some space"):
        take(path)


@pytest.mark.parametrize(
    "made",
    [
        "line_marks (as_of) as values (timestamp '2026-02-01 00:00:00.001')",
        "trigger_decisions (decided_at) as values (timestamp '2026-02-01 00:00:00.001')",
    ],
)
def test_what_would_have_been_there_for_a_decision_is_refused_and_known_files_are_not(
    take, count, rows, tmp_path, made
):
    first = write(tmp_path / "first.jsonl", json_lines(event(1)))
    second = write(tmp_path / "second.jsonl", json_lines(event(2)))
    take(first)
    rows(f"create schema kairos; create table kairos.{made}; from kairos.{made.split()[0]}")
    assert not take(first).refused
    message = reason(take(second))
    assert str(second) in message
    assert "cannot have arrived at 2026-02-01 00:00:00.000000" in message
    assert "the run of 2026-02-01 00:00:00.001000 decided without it" in message
    assert count() == 1
    rows(
        "update kairos."
        + made.split()[0]
        + " set "
        + made.split("(")[1].split(")")[0]
        + " = '2026-02-01'; select 1"
    )
    assert not take(second).refused
