"""A small process that starts sandboxes: it stands in name spaces of its own and makes no threads.

Run as a script (`python -I -S mounter.py SOCKET`); imports nothing of this package. Over the socket it takes
`{"id", "plan", "processes", "memory", "disk", "files", "groups"}` (the path of a JSON plan, bounds, control groups),
`{"id", "kill": true}` and `{"id", "narrow": N}` (leave nothing in the sandbox's `/proc` but its own processes, and
allow no more than N of them). It sends the FUSE descriptor of a started sandbox, then `{"id", "error"}` if it could not
be mounted, `{"id", "narrowed"}` (false: the kernel refused), `{"id", "over"}` (the bound for which it was killed), and
in the end `{"id", "code", "peak"}` (peak: KiB of the largest process).
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any, NamedTuple

_NEW_USER, _NEW_MOUNT, _NEW_UTS, _NEW_IPC, _NEW_NET = 0x10000000, 0x00020000, 0x04000000, 0x08000000, 0x40000000
_NEW_PID = 0x20000000
_PAGE = os.sysconf("SC_PAGE_SIZE")
_OFTEN = 0.1
_LEAST_PIDS = 400  # the kernel takes no less than 301
_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
FUSE = "fd={},rootmode=40000,user_id=0,group_id=0"
_REMOUNT = 0x20 | 0x1 | 0x2 | 0x4 | 0x8  # MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
_LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    """mount(2); `OSError` says what and where."""
    code = _LIBC.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), os.fsencode(data) if data else None
    )
    _checked(code, f"mount {kind} on {os.path.basename(target)}")  # noqa: PTH119 - the scratch path is no news


def unmount(target: str) -> None:
    """Take a mount away, at once from this path and in the end from where it is still used."""
    _checked(_LIBC.umount2(os.fsencode(target), 2), f"unmount {target}")  # MNT_DETACH


def enter() -> None:
    """Become root of new name spaces: no network, another host name, mounts of our own."""
    uid, gid = os.geteuid(), os.getegid()
    _checked(_LIBC.unshare(_NEW_USER | _NEW_MOUNT | _NEW_UTS | _NEW_IPC | _NEW_NET), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as stream:  # noqa: PTH123
            stream.write(text)
    mount("none", "/", "none", _PRIVATE, "")
    socket.sethostname("localhost")


def start(path: str, number: int, link: socket.socket) -> None:
    """In a child: mount what the plan says, hand the FUSE descriptor over, and become its command.

    The command inherits standard streams and the filter; all other descriptors close as it starts, the link too.
    """
    with open(path) as stream:  # noqa: PTH123
        plan = json.load(stream)
    os.chdir(plan["scratch"])
    _checked(_LIBC.unshare(_NEW_MOUNT), "unshare")
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    mount("view", "view", "fuse", 0, FUSE.format(fuse))
    socket.send_fds(link, [json.dumps({"id": number, "pid": os.getpid()}).encode()], [fuse])
    os.close(fuse)
    for target, options in plan["overlays"]:
        mount("overlay", target, "overlay", 0, options)
    for descriptor, name in enumerate((plan["stdin"], "view/out", "view/err")):
        os.dup2(os.open(name, os.O_WRONLY if descriptor else os.O_RDONLY), descriptor)
    for name, value in plan["limits"].items():
        _limit(getattr(resource, f"RLIMIT_{name}"), value)
    argv = plan["argv"]
    if plan["filter"]:
        argv = ["--seccomp", str(_readable(bytes.fromhex(plan["filter"]))), *argv]
    words = b"".join(os.fsencode(word) + b"\0" for word in plan["options"])  # unseen in the command line of process 1
    argv = ["bwrap", "--args", str(_readable(words)), *argv]
    os.execvpe(argv[0], argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def narrow(bubblewrap: int, processes: int) -> bool:
    """Whether the `/proc` of a started sandbox now holds its processes only (`subset=pid`, Linux 5.8).

    Since Linux 6.14 it gets a `pid_max` of its own too: NPROC does not hold whoever is root outside.
    """
    try:
        return narrow_space(first_of(bubblewrap), processes)
    except (OSError, IndexError):
        return False


def first_of(bubblewrap: int) -> int:
    """The number here of the first process in the sandbox of a bubblewrap."""
    with open(f"/proc/{bubblewrap}/task/{bubblewrap}/children") as stream:  # noqa: PTH123
        return int(stream.read().split()[0])


def narrow_space(inside: int, processes: int) -> bool:
    """The same for the name space of a process by its number here; in a process without threads."""
    helper = os.fork()
    if helper:
        return os.waitpid(helper, 0)[1] == 0
    try:
        mounts = os.open(f"/proc/{inside}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        _checked(_LIBC.setns(os.open(f"/proc/{inside}/ns/pid", os.O_RDONLY | os.O_CLOEXEC), _NEW_PID), "setns")
        inner = os.fork()
        if inner:
            os._exit(0 if os.waitpid(inner, 0)[1] == 0 else 1)
        if _has_own_pid_max():
            with open("/proc/sys/kernel/pid_max", "w") as stream:  # noqa: PTH123
                stream.write(str(max(processes, _LEAST_PIDS)))
        _checked(_LIBC.setns(mounts, _NEW_MOUNT), "setns")
        for place in _mounted_below("/proc/"):  # an engine mounts parts of it once more
            unmount(place)
        mount("proc", "/proc", "proc", _REMOUNT, "subset=pid")
    except OSError:
        os._exit(1)
    os._exit(0)


def _mounted_below(place: str) -> list[str]:
    with open("/proc/self/mountinfo") as stream:  # noqa: PTH123
        found = [line.split()[4] for line in stream]
    return [point for point in reversed(found) if point.startswith(place)]


def _has_own_pid_max() -> bool:
    """Before Linux 6.14 the setting is the whole machine's, and must not be touched."""
    numbers = os.uname().release.split(".")[:2]
    return all(n.isdigit() for n in numbers) and tuple(map(int, numbers)) >= (6, 14)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (bound, bound))


def _readable(data: bytes) -> int:
    """A descriptor that the next program inherits, with these bytes to read."""
    descriptor = os.memfd_create("filter", 0)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class Started(NamedTuple):
    """A sandbox by its number, with the bounds of what all of its processes may be and hold in memory (bytes), and may
    write below `scratch` (bytes, files), whose file system had so much `space` (bytes, files) before."""

    number: int
    processes: int
    memory: int
    disk: int
    files: int
    scratch: str
    space: tuple[int, int]

    def excess(self, bubblewrap: int) -> str | None:
        """Which bound is passed."""
        free, inodes = space(self.scratch)
        if self.space[0] - free > self.disk // 2 or self.space[1] - inodes > self.files // 2:
            size, entries = measure(self.scratch, self.disk, self.files)
            if size > self.disk or entries > self.files:
                return "disk" if size > self.disk else "files"
        try:
            count, memory = use(first_of(bubblewrap))
        except (OSError, IndexError):
            return None
        return "processes" if count > self.processes else "memory" if memory > self.memory else None


def space(place: str) -> tuple[int, int]:
    """Bytes and files that are free where a directory is; zeros where it is gone."""
    try:
        found = os.statvfs(place)
    except OSError:
        return 0, 0
    return found.f_bfree * found.f_frsize, found.f_ffree


def measure(place: str, disk: int, files: int) -> tuple[int, int]:
    """Bytes on disk and entries below a directory, counted until one of the bounds is passed. Follows no links, and
    enters no other file system: what is mounted there (for a container) shows the same files once more.
    """
    size = count = 0
    try:
        device = os.stat(place).st_dev  # noqa: PTH116
    except OSError:
        return 0, 0
    left = [place]
    while left and size <= disk and count <= files:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        if entry.stat(follow_symlinks=False).st_dev == device:
                            left.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if size > disk or count > files:
                        break
        except OSError:  # gone meanwhile, or a path that is too long to be named
            continue
    return size, count


def use(inside: int) -> tuple[int, int]:
    """How many processes there are with this one in its name space, and their bytes in memory; zeros while that cannot
    be told.

    Memory that several processes share is left out.
    """
    try:
        own = f"/proc/{inside}/root/proc"
        if os.stat(own).st_dev == os.stat("/proc").st_dev:  # noqa: PTH116 - not in its own root yet: these are ours
            return 0, 0
        found = [name for name in os.listdir(own) if name.isdigit()]  # noqa: PTH208
    except OSError:
        return 0, 0
    resident = 0
    for process in found:
        try:
            with open(f"{own}/{process}/statm") as stream:  # noqa: PTH123
                fields = stream.read().split()
        except OSError:
            continue
        resident += (int(fields[1]) - int(fields[2])) * _PAGE if len(fields) > 2 else 0
    return len(found), resident


def serve(link: socket.socket) -> None:
    """Start, watch and end sandboxes until the other side closes the socket."""
    children: dict[int, Started] = {}
    wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
    looked = time.monotonic()
    while True:
        readable, _, _ = select.select([link.fileno(), wake_r], [], [], _OFTEN if children else None)
        if wake_r in readable:
            os.read(wake_r, 4096)
            _reap(children, link)
        if link.fileno() in readable:
            message = link.recv(1 << 16)
            if not message:
                break
            _obey(json.loads(message), children, link)
        if time.monotonic() - looked > _OFTEN:
            for pid, started in children.items():
                if (what := started.excess(pid)) is not None:
                    os.kill(pid, signal.SIGKILL)
                    _tell(link, id=started.number, over=what)
            looked = time.monotonic()
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _tell(link: socket.socket, **told: object) -> None:
    link.send(json.dumps(told).encode())


def _obey(order: dict[str, Any], children: dict[int, Started], link: socket.socket) -> None:
    number = int(order["id"])
    running = next((pid for pid, started in children.items() if started.number == number), None)
    if "kill" in order:
        if running is not None:
            os.kill(running, signal.SIGKILL)
        return
    if "narrow" in order:
        _tell(link, id=number, narrowed=running is not None and narrow(running, int(order["narrow"])))
        return
    scratch = os.path.dirname(str(order["plan"]))  # noqa: PTH120
    before = space(scratch)
    pid = os.fork()
    if pid:
        processes, memory, disk, files = (int(order[name]) for name in ("processes", "memory", "disk", "files"))
        children[pid] = Started(number, processes, memory, disk, files, scratch, before)
        return
    try:
        signal.set_wakeup_fd(-1)
        for number_of_signal in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores the latter two
            signal.signal(number_of_signal, signal.SIG_DFL)
        for group in order["groups"]:
            with open(f"{group}/cgroup.procs", "w") as stream:  # noqa: PTH123
                stream.write("0")
        start(str(order["plan"]), number, link)
    except OSError as error:
        _tell(link, id=number, error=str(error))
    finally:
        os._exit(90)


def _reap(children: dict[int, Started], link: socket.socket) -> None:
    while children:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        started = children.pop(pid, None)
        if started is not None:
            _tell(link, id=started.number, code=os.waitstatus_to_exitcode(status), peak=used.ru_maxrss)


if __name__ == "__main__" and sys.argv[1] == "narrow":
    sys.exit(0 if narrow_space(int(sys.argv[2]), int(sys.argv[3])) else 1)
if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        connection.set_inheritable(False)
        try:
            enter()
        except OSError as failure:
            _tell(connection, id=0, error=str(failure))
        else:
            serve(connection)
