"""A real Spark on two threads, if it is there. It needs Java 17."""

import sys
import warnings

import pytest


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql", reason="needs the extra `spark`")
    errors = pytest.importorskip("pyspark.errors")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # Of files that it leaves open.
        warnings.simplefilter("ignore")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        builder = sql.SparkSession.builder.master("local[2]")
        try:
            session = builder.config("spark.ui.enabled", "false").getOrCreate()
        except errors.PySparkException as error:
            pytest.skip(f"Spark does not start, it needs Java 17: {error}")
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_spark_gives_the_same_rows(spark, find):
    texts = [*["none"] * 20, *[f"{i} and {i}" for i in range(19)], None]
    expected = find({"text": texts})
    frame = spark.createDataFrame(list(enumerate(texts)), "id bigint, text string")
    schema = f"id bigint, text string, {find.ddl}"
    rows = frame.repartition(4).mapInPandas(find.map_frames, schema).collect()
    rows = [row.asDict(recursive=True) for row in sorted(rows)]
    assert [row["text"] for row in rows] == texts
    assert [row["entities"] for row in rows] == expected["entities"]
    assert [row["error"] for row in rows] == expected["error"]
