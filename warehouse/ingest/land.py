"""From a stream to rows: what it is, how it is cut, and where it lands."""

from pathlib import Path

from duckdb import DuckDBPyConnection

from warehouse.ingest.content import Content
from warehouse.ingest.detect import PARQUET, Shape, shape_of
from warehouse.ingest.objects import land_objects
from warehouse.ingest.part import Kind
from warehouse.ingest.rows import Landed, Origin
from warehouse.ingest.spool import DOCUMENT_BYTES, spool_document, spool_file, spool_lines
from warehouse.ingest.tables import land_csv, land_parquet, parquet_shape

SAMPLE_BYTES = 1 << 18


def land(
    connection: DuckDBPyConnection, content: Content, folder: Path, wanted: str, origin: Origin
) -> tuple[Shape, Landed]:
    """Insert all that a stream holds; `wanted` is the name of a format, or `auto`.

    Raises `FileRefused` when it is not what it should be.
    """
    sample = content.head(SAMPLE_BYTES, DOCUMENT_BYTES)
    if sample.startswith(PARQUET):
        part = spool_file(content, folder)
        shape, types = parquet_shape(connection, part, origin.source_file, wanted)
        return shape, land_parquet(connection, part, shape, types, origin)
    shape = shape_of(origin.source_file, sample, wanted)
    if shape.layout == "csv":
        return shape, land_csv(connection, spool_file(content, folder), shape, origin)
    if shape.layout == "document":
        part = spool_document(content, origin.source_file, folder)
        return shape, land_objects(connection, part, shape.format, origin)
    landed = Landed()
    for part in spool_lines(content, folder, _kind(shape)):
        landed += land_objects(connection, part, shape.format, origin)
    return shape, landed


def _kind(shape: Shape) -> Kind:
    if shape.layout == "enriched":
        return "enriched"
    return "batches" if shape.format.name == "segment" else "objects"
