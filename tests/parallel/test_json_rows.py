import io
import json
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.parallel.json_rows import plan_lines, predict_lines

# Fixtures of a test that hypothesis runs many times.
MANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def find_texts(texts):
    """Texts are their own entities. Those that are none have a reason."""
    entities = [[{"label": t}] if isinstance(t, str) else None for t in texts]
    return entities, [None if isinstance(t, str) else f"not {t}" for t in texts]


FIND = SimpleNamespace(text_column="text", entities_column="entities", find=find_texts)


def predict(path, shard_rows=2, find=FIND):
    """RETURNS (Tuple[List[bytes], List[BadRow]]): The rows, and the bad ones."""
    out, bad = io.BytesIO(), []
    for shard in plan_lines(path, 0, shard_rows):
        bad += predict_lines(shard, find, out)
    return out.getvalue().split(b"\n")[:-1], bad


BLANKS = st.sampled_from([b"", b" ", b"\t"])
ENDS = st.sampled_from([b"\n", b"\r\n"])


@MANY
@given(
    st.lists(st.tuples(BLANKS, st.booleans(), BLANKS, ENDS), max_size=12),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_each_row_is_in_one_shard_wherever_blank_lines_are(
    tmp_path, lines, shard_rows, bom, ended
):
    content = b"\xef\xbb\xbf" * bom
    rows = []
    for number, (before, full, after, end) in enumerate(lines, 1):
        row = b'{"text": "%d"}' % number if full else b""
        rows += [row] * full
        content += before + row + after + end
    path = tmp_path / "in.jsonl"
    path.write_bytes(content if ended else content.rstrip(b"\r\n"))
    found, bad = predict(path, shard_rows)
    numbers = [json.loads(row)["text"] for row in rows]
    assert [json.loads(row)["entities"] for row in found] == [
        [{"label": number}] for number in numbers
    ]
    assert bad == []
    shards = list(plan_lines(path, 100, shard_rows))
    assert sum(shard.count for shard in shards) == len(rows)
    assert [shard.line for shard in shards] == list(map(int, numbers[::shard_rows]))
    assert [s.first for s in shards] == list(range(100, 100 + len(rows), shard_rows))


def test_rows_stay_as_they_are_to_the_byte(tmp_path):
    rows = [
        b'{"text":"a","n":1.10,"big":123456789012345678901234567890,"e":1e400}',
        b'{"n": "\\ud83d", "text": "\\u5f20", "n": [2, null]  }',
    ]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\r\n".join(rows))
    found, bad = predict(path)
    assert bad == []
    assert found == [
        rows[0][:-1] + b', "entities": [{"label": "a"}]}',
        rows[1][:-1] + ', "entities": [{"label": "张"}]}'.encode(),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a"', "not JSON: Expecting ',' delimiter"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b'["text"]', "no JSON object"),
        (b'{"txt": "a"}', "there is no 'text'"),
        (b'{"text": null}', "not None"),
        (b"[" * 100_000, "not JSON: "),
        (b"1" * 5000, "not JSON: "),
    ],
)
def test_bad_rows_are_told_with_their_place_and_reason(tmp_path, line, reason):
    path = tmp_path / "in.jsonl"
    good = b'{"text": "a"}'
    path.write_bytes(b"\n\n".join([good, line, good]))
    found, [bad] = predict(path)
    assert len(found) == 2
    assert bad.reason.startswith(reason)
    assert (bad.row, bad.source) == (1, f"{path}:3")
    assert bad.record == line.decode("utf8", "replace")


def test_rows_that_have_entities_already_are_an_error(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "a", "entities": []}')
    with pytest.raises(ValueError, match=r"in\.jsonl:2: there is 'entities' already"):
        predict(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"text": "a"}]', "in.jsonl:1: one JSON array"),
        ('{"text": "a"}'.encode("utf-16"), "in.jsonl:1: UTF-16"),
        (b"\0", "in.jsonl:1: a binary file"),
    ],
)
def test_what_has_no_lines_is_an_error(tmp_path, content, message):
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    with pytest.raises((ValueError, CorpusError), match=message):
        predict(path)


def test_a_file_that_became_shorter_is_an_error(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"text": "a"}\n' * 3)
    [shard] = plan_lines(path, 0, 3)
    path.write_bytes(b'{"text": "a"}\n' * 2)
    with pytest.raises(ValueError, match="became shorter"):
        predict_lines(shard, FIND, io.BytesIO())
