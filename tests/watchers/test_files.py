"""A folder followed live, on a real disk, with the system's own notices."""

import asyncio
import os
import shutil
import threading
from pathlib import Path

import pytest
import watchfiles

from mesh import documents
from mesh.problems import Ref
from watchers import events, feed, files
from watchers import folder as folders

QUICK = 0.05
"""Seconds between polls, where only the clock can tell."""


def replace(path: Path, text: str) -> None:
    """Write as careful editors do: a temporary file, renamed."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text)
    draft.rename(path)


def mount(folder: Path, version: str, text: str) -> None:
    """Write as the kubelet mounts a ConfigMap: a new folder, and a link to it swapped at once."""
    (folder / f"..{version}").mkdir()
    (folder / f"..{version}" / "mesh.yaml").write_text(text)
    os.symlink(f"..{version}", folder / "..data_tmp")
    old = (folder / "..data").resolve()
    os.rename(folder / "..data_tmp", folder / "..data")
    if not (folder / "mesh.yaml").is_symlink():
        os.symlink("..data/mesh.yaml", folder / "mesh.yaml")
    if old.name.startswith("..2"):
        shutil.rmtree(old)


async def test_what_is_there_is_told_before_the_source_is_synced(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a") + service("b"))
    (folder / "broken.yaml").write_text("a: b: c")
    live = follow(folder)
    await live.until_synced()
    assert [type(event) for event in live.told] == [events.Applied, events.Applied, events.Reported, events.Synced]
    assert live.objects() == {"a": "1", "b": "1"}
    assert len(live.problems()) == 1


async def test_an_empty_folder_is_synced(follow, folder) -> None:
    live = follow(folder)
    await live.until_synced()
    assert live.told == [events.Synced(live.source.name)]


async def test_the_objects_of_a_file_come_and_go_with_it(follow, folder, service) -> None:
    live = follow(folder)
    await live.until_synced()
    (folder / "a.yaml").write_text(service("a") + service("b"))
    await live.until(lambda: live.objects() == {"a": "1", "b": "1"})
    (folder / "a.yaml").unlink()
    await live.until(lambda: live.objects() == {})


async def test_an_edit_tells_only_what_it_changed(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a") + service("b") + service("c"))
    live = follow(folder)
    await live.until_synced()
    before, told = live.get("a"), len(live.told)
    replace(folder / "a.yaml", service("a") + service("b", "2"))
    await live.until(lambda: live.objects() == {"a": "1", "b": "2"})
    assert live.get("a") is before
    assert {type(event) for event in live.told[told:]} == {events.Applied, events.Deleted}
    assert len(live.told) == told + 2


async def test_writes_of_one_size_in_quick_succession_are_all_seen(follow, folder, service) -> None:
    live = follow(folder)
    await live.until_synced()
    for version in range(10, 30):
        (folder / "a.yaml").write_text(service("a", version))
        await live.until(lambda version=version: live.objects() == {"a": str(version)})


async def test_a_broken_file_keeps_its_last_good_objects_until_it_is_mended(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a") + service("b"))
    live = follow(folder)
    await live.until_synced()
    replace(folder / "a.yaml", service("a", "2") + "metadata: {name: 'half wri")
    await live.until(lambda: live.problems())
    assert live.objects() == {"a": "1", "b": "1"}
    assert live.store.problems()[0].subject == Ref("File", "", "a.yaml:7")
    replace(folder / "a.yaml", service("a", "3"))
    await live.until(lambda: live.problems() == [])
    assert live.objects() == {"a": "3"}


async def test_a_faulty_object_keeps_its_last_good_version_and_the_others_take_effect(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a") + service("b") + service("c"))
    live = follow(folder)
    await live.until_synced()
    replace(folder / "a.yaml", service("a", "2") + service("b", "2") + "spec: {ports: none}\n")
    await live.until(lambda: live.problems())
    assert live.objects() == {"a": "2", "b": "1"}
    assert live.store.problems()[0].subject == Ref("Service", "default", "b")
    assert "(a.yaml:13)" in live.store.problems()[0].fault


@pytest.mark.parametrize("nameless", ["---\n- a list\n", "---\napiVersion: v1\nkind: Service\nmetadata: {}\n"])
async def test_no_object_vanishes_while_one_cannot_be_told(follow, folder, service, nameless) -> None:
    (folder / "a.yaml").write_text(service("a") + service("b"))
    live = follow(folder)
    await live.until_synced()
    replace(folder / "a.yaml", service("a", "2") + nameless)
    await live.until(lambda: live.problems())
    assert live.objects() == {"a": "2", "b": "1"}
    replace(folder / "a.yaml", service("a", "2"))
    await live.until(lambda: live.objects() == {"a": "2"})


async def test_a_broken_file_that_is_deleted_takes_its_objects_with_it(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    live = follow(folder)
    await live.until_synced()
    replace(folder / "a.yaml", "a: b: c")
    await live.until(lambda: live.problems())
    (folder / "a.yaml").unlink()
    await live.until(lambda: live.objects() == {} and live.problems() == [])


async def test_an_unreadable_file_keeps_its_last_good_objects(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    live = follow(folder)
    await live.until_synced()
    os.symlink("a.yaml", folder / ".link")
    (folder / ".link").rename(folder / "a.yaml")
    await live.until(lambda: live.problems())
    assert live.objects() == {"a": "1"}
    replace(folder / "a.yaml", service("a", "2"))
    await live.until(lambda: live.objects() == {"a": "2"} and live.problems() == [])


async def test_a_renamed_file_keeps_its_objects_and_their_identity(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    live = follow(folder)
    await live.until_synced()
    before = live.get("a")
    (folder / "a.yaml").rename(folder / "b.yaml")
    (folder / "later.yaml").write_text(service("later"))
    await live.until(lambda: live.objects() == {"a": "1", "later": "1"})
    assert live.source.places[Ref("Service", "default", "a")] == "b.yaml:2"
    assert live.get("a") is before


async def test_a_twin_takes_over_when_the_first_goes(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("x", "from a"))
    (folder / "b.yaml").write_text(service("x", "from b"))
    live = follow(folder)
    await live.until_synced()
    assert live.objects() == {"x": "from a"}
    assert "a.yaml:2 counts, b.yaml:2 is ignored" in live.problems()[0]
    (folder / "a.yaml").unlink()
    await live.until(lambda: live.objects() == {"x": "from b"} and live.problems() == [])


async def test_new_folders_are_followed_and_so_is_their_end(follow, folder, service) -> None:
    live = follow(folder)
    await live.until_synced()
    (folder / "deep" / "down").mkdir(parents=True)
    (folder / "deep" / "down" / "a.yaml").write_text(service("a"))
    await live.until(lambda: live.objects() == {"a": "1"})
    (folder / "deep" / "down" / "a.yaml").write_text(service("a", "2"))
    await live.until(lambda: live.objects() == {"a": "2"})
    (folder / "deep").rename(folder.parent / "out of sight")
    await live.until(lambda: live.objects() == {})
    (folder.parent / "out of sight").rename(folder / "back")
    await live.until(lambda: live.objects() == {"a": "2"})
    assert live.source.places == {Ref("Service", "default", "a"): "back/down/a.yaml:2"}
    shutil.rmtree(folder / "back")
    await live.until(lambda: live.objects() == {})


async def test_a_swapped_config_map_is_seen(follow, folder, service) -> None:
    mount(folder, "2024_01", service("a"))
    live = follow(folder)
    await live.until_synced()
    for version in range(2, 5):
        mount(folder, f"2024_0{version}", service("a", version))
        await live.until(lambda version=version: live.objects() == {"a": str(version)})
    assert not any(isinstance(event, events.Deleted) for event in live.told)


async def test_a_single_file_of_a_config_map_is_followed(follow, folder, service) -> None:
    mount(folder, "2024_01", service("a"))
    live = follow(folder / "mesh.yaml")
    await live.until_synced()
    mount(folder, "2024_02", service("a", "2"))
    await live.until(lambda: live.objects() == {"a": "2"})


async def test_a_single_file_is_followed_through_renames(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    (folder / "b.yaml").write_text(service("b"))
    live = follow(folder / "a.yaml")
    await live.until_synced()
    for version in "234":
        replace(folder / "a.yaml", service("a", version))
        await live.until(lambda version=version: live.objects() == {"a": version})
    assert live.source.places == {Ref("Service", "default", "a"): "a.yaml:2"}


async def test_a_folder_that_is_replaced_is_seen(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    live = follow(folder, QUICK)
    await live.until_synced()
    for version in "23":
        fresh = folder.with_name(f"mesh-{version}")
        fresh.mkdir()
        (fresh / "a.yaml").write_text(service("a", version))
        folder.rename(folder.with_name(f"old-{version}"))
        fresh.rename(folder)
        await live.until(lambda version=version: live.objects() == {"a": version})
    (folder / "a.yaml").write_text(service("a", "4"))
    await live.until(lambda: live.objects() == {"a": "4"})


async def test_a_folder_that_is_a_link_is_followed_to_where_it_leads(follow, folder, service, tmp_path) -> None:
    for version in "12":
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(service("a", version))
    os.symlink("1", tmp_path / "current")
    live = follow(tmp_path / "current", QUICK)
    await live.until(lambda: live.objects() == {"a": "1"})
    os.symlink("2", tmp_path / "next")
    (tmp_path / "next").rename(tmp_path / "current")
    await live.until(lambda: live.objects() == {"a": "2"})
    replace(tmp_path / "2" / "a.yaml", service("a", "3"))
    await live.until(lambda: live.objects() == {"a": "3"})


async def test_a_change_behind_a_link_is_seen(follow, folder, service, tmp_path) -> None:
    (tmp_path / "elsewhere.yaml").write_text(service("a"))
    os.symlink("../elsewhere.yaml", folder / "a.yaml")
    live = follow(folder, QUICK)
    await live.until_synced()
    replace(tmp_path / "elsewhere.yaml", service("a", "2"))
    await live.until(lambda: live.objects() == {"a": "2"})


async def test_links_in_a_circle_do_no_harm(follow, folder, service) -> None:
    os.symlink(".", folder / "loop")
    live = follow(folder)
    await live.until_synced()
    (folder / "a.yaml").write_text(service("a"))
    await live.until(lambda: live.objects() == {"a": "1"})


async def test_a_folder_that_does_not_exist_yet_is_waited_for(follow, folder, service) -> None:
    live = follow(folder / "deep" / "mesh", QUICK)
    await live.until(lambda: live.problems())
    assert live.problems() == [f"File {folder}/deep/mesh: does not exist; create it, or name another file or folder"]
    assert not live.is_synced
    (folder / "deep" / "mesh").mkdir(parents=True)
    (folder / "deep" / "mesh" / "a.yaml").write_text(service("a"))
    await live.until(lambda: live.objects() == {"a": "1"})
    await live.until_synced()
    assert live.problems() == []


async def test_a_folder_that_is_created_is_noticed_at_once(follow, folder, service, tmp_path) -> None:
    live = follow(tmp_path / "later")
    await live.until(lambda: live.problems())
    (folder / "a.yaml").write_text(service("a"))
    folder.rename(tmp_path / "later")
    await live.until(lambda: live.objects() == {"a": "1"})


async def test_a_folder_that_vanishes_keeps_its_objects_in_force(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    live = follow(folder, QUICK)
    await live.until_synced()
    shutil.rmtree(folder)
    await live.until(lambda: any("does not exist" in said for said in live.problems()))
    kept = live.objects()
    folder.mkdir()
    (folder / "a.yaml").write_text(service("a", "2"))
    await live.until(lambda: live.objects() == {"a": "2"} and live.problems() == [])
    assert kept in ({"a": "1"}, {})  # {} if the folder was seen empty on its way out


async def test_a_folder_that_is_moved_away_keeps_its_objects_in_force(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    live = follow(folder, QUICK)
    await live.until_synced()
    folder.rename(folder.with_name("away"))
    await live.until(lambda: any("does not exist" in said for said in live.problems()))
    assert live.objects() == {"a": "1"}


async def test_where_the_system_gives_no_notice_the_clock_does(follow, folder, service, monkeypatch, caplog) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no inotify watches left")

    monkeypatch.setattr(watchfiles, "awatch", refuse)
    live = follow(folder, QUICK)
    await live.until_synced()
    for version in "12":
        (folder / "a.yaml").write_text(service("a", version))
        await live.until(lambda version=version: live.objects() == {"a": version})
    assert "cannot be watched (no inotify watches left)" in caplog.text
    assert len(caplog.records) == 1


async def test_files_are_read_beside_the_event_loop(follow, folder, service) -> None:
    seen_by_the_loop, reading = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def parse(document, source):
        loop.call_soon_threadsafe(reading.set)
        assert seen_by_the_loop.wait(20)
        return documents.parsed(document, source)

    (folder / "a.yaml").write_text(service("a"))
    live = follow(folder, parse=parse)
    await reading.wait()
    seen_by_the_loop.set()
    await live.until(lambda: live.objects() == {"a": "1"})


async def test_only_files_that_changed_are_read_again(follow, folder, service, monkeypatch) -> None:
    monkeypatch.setattr(folders, "COARSE_CLOCK", 0)
    read: list[str] = []

    def parse(document, source):
        read.append(source.name)
        return documents.parsed(document, source)

    (folder / "a.yaml").write_text(service("a"))
    (folder / "b.yaml").write_text(service("b"))
    live = follow(folder, parse=parse)
    await live.until_synced()
    for version in "234":
        replace(folder / "b.yaml", service("b", version))
        await live.until(lambda version=version: live.objects() == {"a": "1", "b": version})
    assert read.count("a.yaml:2") == 1
    assert read.count("b.yaml:2") == 4


async def test_a_file_that_is_too_large_keeps_its_last_good_objects(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    live = follow(folder, largest=1000)
    await live.until_synced()
    replace(folder / "a.yaml", service("a", "2") + "#" * 1000)
    await live.until(lambda: live.problems())
    assert live.objects() == {"a": "1"}


async def test_a_source_can_be_followed_twice(follow, folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    first, second = follow(folder), follow(folder)
    await first.until_synced()
    await second.until_synced()
    assert first.told == second.told


async def test_a_folder_feeds_observations(folder, service) -> None:
    (folder / "a.yaml").write_text(service("a"))
    stream = feed.observations([files.FileSource(folder)], 0.01, 1)
    async with asyncio.timeout(20):
        assert (await anext(stream)).changed == {Ref("Service", "default", "a")}
        (folder / "b.yaml").write_text(service("b"))
        assert (await anext(stream)).changed == {Ref("Service", "default", "b")}
        await stream.aclose()
