"""Where a process's cgroup is, from what proc(5) tells."""

from pathlib import Path, PurePosixPath

import pytest

from supervisor.cgroup import directories, path_of

pytestmark = pytest.mark.unit

HYBRID = """\
9:name=systemd:/system.slice/callpoint.service
4:memory:/elsewhere
0::/system.slice/callpoint.service
"""


def _mount(root: str, point: str, kind: str = "cgroup2") -> str:
    return f"41 31 0:38 {root} {point} rw,nosuid,relatime shared:9 master:2 - {kind} none rw\n"


def test_the_path_is_that_of_the_unified_hierarchy() -> None:
    assert path_of(HYBRID) == PurePosixPath("/system.slice/callpoint.service")
    assert path_of("0::/a:b c\n") == PurePosixPath("/a:b c")


@pytest.mark.parametrize("told", ["", "4:memory:/a\n", "0::/a (deleted)\n"])
def test_there_may_be_none(told: str) -> None:
    assert path_of(told) is None
    assert list(directories(told, _mount("/", "/sys/fs/cgroup"))) == []


@pytest.mark.parametrize(
    ("mount", "directory"),
    [
        (_mount("/", "/sys/fs/cgroup"), "/sys/fs/cgroup/system.slice/callpoint.service"),
        # a bind mount of a part, and of the cgroup itself
        (_mount("/system.slice", "/mnt"), "/mnt/callpoint.service"),
        (_mount("/system.slice/callpoint.service", "/mnt"), "/mnt"),
        (_mount("/", "/a\\040b\\134c"), "/a b\\c/system.slice/callpoint.service"),
        ("41 31 0:38 / /no/tags rw - cgroup2 none rw\n", "/no/tags/system.slice/callpoint.service"),
    ],
)
def test_it_is_below_the_mount(mount: str, directory: str) -> None:
    others = _mount("/", "/sys/fs/cgroup/memory", "cgroup") + _mount("/", "/", "ext4")
    assert list(directories(HYBRID, others + mount)) == [Path(directory)]


def test_what_is_mounted_of_another_part_does_not_show_it() -> None:
    assert list(directories(HYBRID, _mount("/user.slice", "/mnt"))) == []
    assert list(directories(HYBRID, _mount("/system.slice/call", "/mnt"))) == []


def test_in_a_namespace_all_is_relative_to_its_root() -> None:
    assert list(directories("0::/\n", _mount("/", "/sys/fs/cgroup"))) == [Path("/sys/fs/cgroup")]
    # mounted from outside: what is between the two roots is not told
    assert list(directories("0::/\n", _mount("/../..", "/mnt"))) == []
    # the process is outside, as what is mounted is
    assert list(directories("0::/../b\n", _mount("/..", "/mnt"))) == [Path("/mnt/b")]


def test_the_last_mount_comes_first_for_it_may_cover_others() -> None:
    mounts = _mount("/", "/first") + _mount("/", "/last")
    assert list(directories("0::/a\n", mounts)) == [Path("/last/a"), Path("/first/a")]
