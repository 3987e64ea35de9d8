"""One person taken out of files of every format; every other row stays byte for byte."""

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import duckdb
import pytest

from warehouse.ingest.files import FileRefused
from warehouse.ingest.removal import Removed, Wanted, remove
from warehouse.ingest.snowplow import FIELDS

ANN = Wanted(frozenset({"ann", "ann's browser"}))


def event(user: str, number: int = 1, **more: str) -> bytes:
    row = {"event_id": f"e{number}", "event_name": "click", "event_at": "2026-01-01", **more}
    return json.dumps({**row, "user_id": user}).encode() + b"\n"


def removed(path: Path, content: bytes, folder: Path, wanted: Wanted = ANN) -> Removed | None:
    path.write_bytes(content)
    folder.mkdir(exist_ok=True)
    return remove(path, wanted, folder)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


def test_lines_of_json(tmp_path: Path, work: Path) -> None:
    bob = b'{"user_id":  "bob", "event_name":"click","event_at":"1","about":"ann"}\r\n'
    browser = event("", anonymous_id="ann's browser")
    broken = b'{"user_id": "ann", "event\n'
    done = removed(tmp_path / "a.jsonl", bob + event("ann") + browser + broken + bob, work)
    assert done is not None
    assert done.row_count == 3
    assert done.path.read_bytes() == bob + bob


def test_a_file_without_them_is_left_alone(tmp_path: Path, work: Path) -> None:
    assert removed(tmp_path / "a.jsonl", event("joann") + event("bob"), work) is None


def test_an_id_in_escapes_or_as_a_number(tmp_path: Path, work: Path) -> None:
    wanted = Wanted(frozenset({"zoë", "17"}))
    number = b'{"event_name": "click", "event_at": "1", "user_id": 17}\n'
    other = b'{"event_name": "click", "event_at": "1", "user_id": 18, "step": 17}\n'
    done = removed(tmp_path / "a.jsonl", event("zoë") + number + other, work, wanted)
    assert done is not None
    assert done.path.read_bytes() == other


def test_gzip_and_an_export_of_amplitude_in_a_zip(tmp_path: Path, work: Path) -> None:
    def export(user: str) -> bytes:
        return json.dumps({"event_type": "x", "uuid": "1", "user_id": user}).encode() + b"\n"

    done = removed(tmp_path / "a.gz", gzip.compress(event("ann") + event("bob")), work)
    assert done is not None
    assert gzip.decompress(done.path.read_bytes()) == event("bob")

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("1/a.json.gz", gzip.compress(export("ann") + export("bob")))
        out.writestr("1/b.json.gz", gzip.compress(export("bob")))
    done = removed(tmp_path / "a.zip", archive.getvalue(), work)
    assert done is not None
    with zipfile.ZipFile(done.path) as after:
        held = {name: gzip.decompress(after.read(name)) for name in after.namelist()}
    assert held == {"1/a.json.gz": export("bob"), "1/b.json.gz": export("bob")}


def test_csv_with_ends_of_lines_inside_a_field(tmp_path: Path, work: Path) -> None:
    head = b"event_id,user_id,event_name,event_at,page_url\n"
    bob = b'1,bob,click,2026-01-01,"two\nlines, ""ann"""\n'
    done = removed(
        tmp_path / "a.csv", head + bob + b'2,ann,click,2026-01-01,"two\nlines"\n' + bob, work
    )
    assert done is not None
    assert done.path.read_bytes() == head + bob + bob
    assert len(list(csv.reader(io.StringIO(done.path.read_text())))) == 3


def test_parquet(tmp_path: Path, work: Path) -> None:
    path = tmp_path / "a.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select i as event_id, if(i % 3 = 0, 'ann', 'bob') as user_id, 'x' as event_name "
            f"from range(9) as t(i)) to '{path}' (format parquet)"
        )
        done = removed(path, path.read_bytes(), work)
        assert done is not None
        assert done.row_count == 3
        left = connection.execute(
            f"select user_id, count(*) from read_parquet('{done.path}') group by 1"
        )
        assert left.fetchall() == [("bob", 6)]


def test_a_batch_body_keeps_what_is_of_others(tmp_path: Path, work: Path) -> None:
    def message(user: str) -> dict[str, str]:
        return {"type": "track", "event": "x", "messageId": f"m-{user}", "userId": user}

    batch = {"batch": [message("ann"), message("bob")], "sentAt": "2026-01-01T00:00:00Z"}
    for name, content in {
        "a.json": json.dumps(batch, indent=1),
        "b.jsonl": json.dumps(batch) + "\n" + json.dumps({"batch": [message("ann")]}) + "\n",
    }.items():
        done = removed(tmp_path / name, content.encode(), work)
        assert done is not None
        assert json.loads(done.path.read_text()) == {**batch, "batch": [message("bob")]}


def test_enriched_events_of_snowplow(tmp_path: Path, work: Path) -> None:
    def line(user: str) -> bytes:
        values = dict.fromkeys(FIELDS, "") | {"user_id": user, "event_id": "e", "event": "struct"}
        return "\t".join(values.values()).encode() + b"\n"

    done = removed(tmp_path / "a.tsv", line("ann") + line("bob"), work)
    assert done is not None
    assert done.path.read_bytes() == line("bob")


def test_on_a_shared_browser_only_the_lines_that_are_theirs(tmp_path: Path, work: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [event("", number, anonymous_id="shared") for number in range(3)]
    wanted = Wanted(frozenset({"ann"}), frozenset({"shared"}), {str(path): frozenset({2})})
    done = removed(path, b"".join(rows), work, wanted)
    assert done is not None
    assert done.path.read_bytes() == rows[0] + rows[2]


def test_nothing_is_left(tmp_path: Path, work: Path) -> None:
    done = removed(tmp_path / "a.jsonl", event("ann"), work)
    assert done is not None
    assert done.is_empty


def test_a_file_that_we_cannot_read_is_for_a_person(tmp_path: Path, work: Path) -> None:
    with pytest.raises(FileRefused, match="by hand"):
        removed(tmp_path / "notes.txt", b"we spoke to ann today\n", work)
    assert removed(tmp_path / "notes.txt", b"we spoke to bob today\n", work) is None


def test_a_file_that_grows_meanwhile_is_left_for_another_call(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"

    def read_and_append(self: Wanted, *known: object) -> bool:
        with path.open("ab") as file:
            file.write(event("bob"))
        return False

    monkeypatch.setattr(Wanted, "owns", read_and_append)
    with pytest.raises(FileRefused, match="changed while it was read"):
        removed(path, event("ann"), work)
