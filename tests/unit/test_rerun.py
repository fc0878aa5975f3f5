"""Published files while they are updated: kept without a copy, put back without harm to what shares them."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from eoli.workflow.rerun import date_after_inputs, keep, limit_by_cores_alone, restore


class Persistence:
    """Where Snakemake keeps what it knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _get_backup_path(self, path: Path) -> Path:
        return self.folder / "backups" / path.name


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published file, which is a link to that of its run."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "md.xtc").write_text("old")
    os.link(tmp_path / "run" / "md.xtc", tmp_path / "md.xtc")
    os.utime(tmp_path / "md.xtc", (1000, 1000))
    return tmp_path / "md.xtc"


def publish(path: Path, text: str) -> None:
    fresh = path.with_name(".md.xtc.new")
    fresh.write_text(text)
    fresh.replace(path)


def test_what_is_kept_takes_no_room_and_comes_back_with_its_date(published: Path, tmp_path: Path) -> None:
    persistence = Persistence(tmp_path)
    keep(persistence, published)
    assert (tmp_path / "backups" / "md.xtc").samefile(published)
    publish(published, "half of an update")
    assert restore(persistence, published)
    assert published.read_text() == "old" and published.stat().st_mtime == 1000
    assert published.samefile(tmp_path / "run" / "md.xtc")
    assert not (tmp_path / "backups" / "md.xtc").exists()


def test_an_update_that_published_nothing_leaves_everything_as_it_was(published: Path, tmp_path: Path) -> None:
    persistence = Persistence(tmp_path)
    keep(persistence, published)
    assert restore(persistence, published)
    assert published.read_text() == "old" and not (tmp_path / "backups" / "md.xtc").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "md.xtc", "backups"}


def test_what_an_update_that_was_killed_had_kept_is_replaced(published: Path, tmp_path: Path) -> None:
    persistence = Persistence(tmp_path)
    keep(persistence, published)
    publish(published, "new")
    keep(persistence, published)
    publish(published, "half of the next")
    assert restore(persistence, published) and published.read_text() == "new"
    assert (tmp_path / "run" / "md.xtc").read_text() == "old"


def test_without_hard_links_a_copy_is_kept(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(_source: object, _target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    persistence = Persistence(tmp_path)
    keep(persistence, published)
    publish(published, "half of an update")
    assert restore(persistence, published)
    assert published.read_text() == "old" and published.stat().st_mtime == 1000


def test_what_a_job_on_a_cluster_has_put_back_itself_stays(published: Path, tmp_path: Path) -> None:
    """Its driver finds nothing kept, and would delete what it cannot restore."""
    assert restore(Persistence(tmp_path), published)
    assert published.read_text() == "old"
    published.unlink()
    assert not restore(Persistence(tmp_path), published) and not published.exists()


@pytest.mark.parametrize("made", [1000, 3000], ids=["before", "after"])
def test_what_was_made_after_the_clock_was_set_back_is_no_older_than_its_inputs(made: int, tmp_path: Path) -> None:
    old, new, output = (tmp_path / name for name in ("old", "new", "output"))
    for path, date in ((old, 500), (new, 2000), (output, made)):
        path.touch()
        os.utime(path, (date, date))
    job = SimpleNamespace(input=[str(old), str(new), str(tmp_path / "absent")])
    asyncio.run(date_after_inputs(job, [str(output), str(tmp_path / "absent")]))
    assert output.stat().st_mtime == max(made, 2000)
    assert (old.stat().st_mtime, new.stat().st_mtime) == (500, 2000)


@pytest.mark.parametrize(("local", "left"), [(True, None), (False, "100/1s")])
def test_only_a_cluster_limits_how_many_jobs_start_in_a_second(local: bool, left: str | None) -> None:
    settings = SimpleNamespace(max_jobs_per_timespan="100/1s")
    limit_by_cores_alone(SimpleNamespace(local_exec=local, scheduling_settings=settings))
    assert settings.max_jobs_per_timespan == left
    limit_by_cores_alone(SimpleNamespace(local_exec=local, scheduling_settings=None))
