import os
import subprocess
import sys

import pytest

from spacy_bilstm_crf.training import folders
from spacy_bilstm_crf.training.folders import remove_folder, replace_folder, settle

FILES = {"one.txt": "1", "inner/two.txt": "2"}
# Python reports each call that changes something: the process dies at one of them.
DIES = """
import os, pathlib, sys
from spacy_bilstm_crf.training import folders

path, when, exchange = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
if not exchange:
    folders._exchange = lambda one, other: False
events = 0

def count(event, args):
    global events
    if event.startswith(("os.", "open", "shutil.", "ctypes.")):
        events += 1
        if events == when:
            os._exit(9)

sys.addaudithook(count)
with folders.replace_folder(path) as folder:
    (folder / "inner").mkdir()
    (folder / "one.txt").write_text("new")
    (folder / "inner" / "two.txt").write_text("new")
"""


def write(folder, content):
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf8")


def read(folder):
    return {(folder / name).read_text("utf8") for name in FILES}


@pytest.fixture(params=[True, False], ids=["exchange", "two renames"])
def path(request, tmp_path, monkeypatch):
    if request.param and sys.platform != "linux":
        pytest.skip("Linux only")
    if not request.param:
        monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    return tmp_path / "model-last"


def test_the_old_folder_is_there_until_the_new_one_is_complete(path):
    for content in ("1", "2", "3"):
        with replace_folder(path) as folder:
            assert not list(folder.iterdir())
            write(folder, content)
            assert (
                not path.exists()
                if content == "1"
                else read(path) == {str(int(content) - 1)}
            )
        assert read(path) == {content}
        assert os.listdir(path.parent) == ["model-last"]


def test_an_error_leaves_the_old_folder_and_nothing_else(path):
    write(path, "old")

    def interrupt(folder):
        (folder / "one.txt").write_text("new", "utf8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), replace_folder(path) as folder:
        interrupt(folder)
    assert read(path) == {"old"}
    assert os.listdir(path.parent) == ["model-last"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_process_that_is_killed_at_any_call_leaves_a_complete_folder(exchange, tmp_path):
    if exchange and sys.platform != "linux":
        pytest.skip("Linux only")
    path = tmp_path / "model-last"
    found, code, when = [], 9, 0
    while code == 9:
        when += 1
        write(path, "old")
        command = [sys.executable, "-c", DIES, path, when, exchange]
        code = subprocess.run(list(map(str, command))).returncode
        if not exchange:
            settle(path)
        content = read(path)
        assert content in ({"old"}, {"new"}), f"killed at call {when}"
        settle(path)
        assert read(path) == content
        assert os.listdir(tmp_path) == ["model-last"]
        found += content
    assert code == 0
    assert when > 15
    # The one goes over into the other once and for all.
    assert found == sorted(found, reverse=True)
    assert set(found) == {"old", "new"}


def test_content_is_on_the_disk_before_its_name_is(path, monkeypatch):
    synced = []

    def sync(handle):
        # Where the handle leads to, if the system tells.
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))

    monkeypatch.setattr(os, "fsync", sync)
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("the system does not tell")
    with replace_folder(path) as folder:
        write(folder, "new")
    inside = [name for name in synced if name.startswith(str(folder))]
    assert {str(folder / name) for name in FILES} < set(inside)
    assert synced[-1] == str(path.parent)


def test_a_folder_that_is_a_link_is_replaced_where_it_leads_to(path, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "model"
    write(elsewhere, "old")
    path.symlink_to(elsewhere)
    with replace_folder(path) as folder:
        write(folder, "new")
    assert path.is_symlink()
    assert read(elsewhere) == {"new"}
    assert os.listdir(elsewhere.parent) == ["model"]


def test_a_folder_is_removed_and_may_be_missing(path):
    remove_folder(path)
    write(path, "old")
    remove_folder(path)
    assert not os.listdir(path.parent)


def test_leftovers_of_a_folder_that_somebody_removed_are_not_brought_back(tmp_path):
    write(tmp_path / ".model-last.old", "old")
    settle(tmp_path / "model-last")
    assert not os.listdir(tmp_path)


def test_other_folders_are_left_alone(tmp_path):
    write(tmp_path / ".model-best.new", "new")
    settle(tmp_path / "model-last")
    assert os.listdir(tmp_path) == [".model-best.new"]
