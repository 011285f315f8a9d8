"""Nothing that a command does reaches the host, and nothing of the host reaches a command."""

from __future__ import annotations

import getpass
import os
import socket

import pytest

from toolsim.actions import PutFile, Unknown
from toolsim.shell.base import ProgramResult


async def shown(place, command: str) -> str:
    """Everything that the simulator of a program is told: what a command could learn."""
    await place.try_run(f"{{ {command}; }} 2>&1 | spy")
    return "".join(run.stdin or "" for run in place.runs if run.argv[0] == "spy")


async def test_the_hosts_files_are_not_there(place_of, tmp_path):
    place = place_of(root="/Users/ann/work")
    secret = tmp_path / "secret"
    secret.write_text("secret-content")
    text = await shown(
        place, f"cat {secret}; cat /etc/hostname; ls -d /root /work /home/*; cat /etc/shadow; ls /usr /usr/lib"
    )
    assert "secret-content" not in text
    assert socket.gethostname() not in text.split()
    assert "python3" not in text


async def test_host_programs_cannot_be_reached(place):
    place.answers["spy"] = ProgramResult("", "", 0)
    for path in ("/usr/bin/python3", "/usr/bin/perl", "/usr/bin/curl", "/bin/mount", "/usr/bin/gcc"):
        await place.run(f"{path} --version")
    assert [run.argv[1:] for run in place.runs] == [("--version",)] * 5


async def test_environment_user_and_host_name_do_not_leak(place, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "leaked-token")
    text = await shown(place, "env | cat; export -p; echo $HOSTNAME; cat /proc/self/environ | tr '\\0' '\\n'")
    everything = text + repr([dict(run.env) for run in place.runs])
    assert "leaked-token" not in everything
    assert socket.gethostname() not in everything.replace("localhost", "")
    assert all("GIT_CONFIG" not in key and "__" not in key for run in place.runs for key in run.env)
    assert getpass.getuser() != ""


async def test_there_is_no_network(place):
    text = await shown(
        place, "exec 3<>/dev/tcp/127.0.0.1/22 && echo open; exec 3<>/dev/udp/1.1.1.1/53 && echo sent >&3"
    )
    assert "open" not in text


async def test_other_processes_cannot_be_seen_or_killed(place):
    text = await shown(place, f"kill -0 {os.getpid()} && echo alive; ls /proc | grep -c '^[0-9]'")
    assert "alive" not in text


async def test_writes_stay_in_the_world(place_of, tmp_path, toolbox_cache):
    place = place_of(root="/Users/ann/work")
    target = tmp_path / "host-file"
    target.write_text("untouched")
    found = await place.run(
        f"mkdir -p {tmp_path}; echo gone > {target}; rm -rf src; ln -s / everything; echo x > everything/tmp/host-x"
    )
    assert target.read_text() == "untouched"
    assert "host-x" not in os.listdir("/tmp")  # noqa: PTH208
    assert place.world.read(str(target)) == b"gone\n"
    assert any(isinstance(m, PutFile) and m.path == "/tmp/host-x" for m in found.mutations)


async def test_a_programs_effect_through_a_planted_link_stays_inside(place_of, tmp_path):
    place = place_of(root="/Users/ann/work")
    outside = tmp_path / "outside"
    outside.mkdir()
    place.answers["build"] = ProgramResult("", "", 0, 0.0, (PutFile("/Users/ann/work/out/x", b"planted"),))
    await place.try_run(f"mkdir -p {outside}; ln -s {outside} out; build")
    assert list(outside.iterdir()) == []


async def test_a_planted_link_in_the_spool_is_not_followed(place, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret-content")
    await place.try_run(f"ln -s {secret} /run/ask/state.cwd; ln -s {secret} /run/ask/state.env; foo")
    found = await place.try_run(f"exec 9>&1; rm -f /run/ask/state.cwd; ln -s {secret} /run/ask/state.cwd; trap - EXIT")
    assert "secret-content" not in repr(found)


@pytest.mark.parametrize("command", ["mount -t tmpfs x /mnt", "unshare -r id", "chroot / ls", "mknod x c 1 3"])
async def test_privileged_programs_are_only_asked_for(place, command):
    found = await place.try_run(command)
    assert isinstance(found, Unknown) or [run.argv[0] for run in place.runs] == [command.split()[0]]


async def test_the_toolbox_cannot_be_changed(place):
    await place.try_run("echo x > /usr/bin/cat; rm -f /usr/lib/toolbox/ask; cp README.md /usr/bin/new")
    assert await place.text("cat README.md | head -1") == "# Title\n"
