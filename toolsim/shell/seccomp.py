"""The system calls that nothing in a sandbox needs, as a filter for bubblewrap (`--seccomp`): classic BPF, no library.

A deny-list: what bash, git, awk and the coreutils use stays as it is. Refused with EPERM are other name spaces and
mounts, looking into other processes, sockets, keys, kernel interfaces with a history of holes, and the machine's
settings. `clone3` is said not to exist (the C library then uses `clone`, whose flags a filter can see). Calls of
another architecture (32-bit and x32 on x86-64) kill the process.

Sources: the kernel's `Documentation/userspace-api/seccomp_filter.rst`; the list follows the default profile of Docker.
"""

from __future__ import annotations

import errno
import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
NEW_SPACES = 0x7E020080  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME
TYPING = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into a terminal
_X32 = 0x40000000

# name: (x86-64, aarch64); numbers of arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "open_tree": (428, 428),
    "move_mount": (429, 429), "mount_setattr": (442, 442), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203),
    "bind": (49, 200), "listen": (50, 201), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "fanotify_init": (300, 262), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "syslog": (103, 116), "iopl": (172, None),
    "ioperm": (173, None), "modify_ldt": (154, None), "personality": (135, 92), "vmsplice": (278, 75),
    "move_pages": (279, 239), "mbind": (237, 235), "set_mempolicy": (238, 237), "migrate_pages": (256, 238),
    "lookup_dcookie": (212, 18), "memfd_secret": (447, 447), "landlock_create_ruleset": (444, 444),
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279),
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_CLONE = {"x86_64": (56, 435, 16), "aarch64": (220, 435, 29)}  # clone, clone3, ioctl


def program(machine: str | None = None) -> bytes | None:
    """The filter for a machine as the kernel takes it (`struct sock_filter[]`); `None`: none is known for it."""
    name = machine or platform.machine()
    if name not in _MACHINES:
        return None
    architecture, column = _MACHINES[name]
    clone, clone3, ioctl = _CLONE[name]
    code = [_op(_LOAD, _ARCHITECTURE), _op(_EQUAL, architecture, 1, 0), _op(_RETURN, _KILL), _op(_LOAD, _NUMBER)]
    if name == "x86_64":
        code += [_op(_AT_LEAST, _X32, 0, 1), _op(_RETURN, _KILL)]
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            code += [_op(_EQUAL, number, 0, 1), _op(_RETURN, _ERRNO | errno.EPERM)]
    code += [_op(_EQUAL, clone3, 0, 1), _op(_RETURN, _ERRNO | errno.ENOSYS)]
    code += [_op(_EQUAL, clone, 0, 3), _op(_LOAD, _FIRST), _op(_ANY_BIT, NEW_SPACES, 0, 1)]
    code += [_op(_RETURN, _ERRNO | errno.EPERM), _op(_LOAD, _NUMBER)]
    code += [_op(_EQUAL, ioctl, 0, 4), _op(_LOAD, _SECOND), _op(_EQUAL, TYPING[0], 1, 0)]
    code += [_op(_EQUAL, TYPING[1], 0, 1), _op(_RETURN, _ERRNO | errno.EPERM), _op(_RETURN, _ALLOW)]
    return b"".join(code)


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", code, then, otherwise, value)
