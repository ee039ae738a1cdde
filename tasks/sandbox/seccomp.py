"""The system calls that a candidate's program is refused, as a classic BPF filter.

Namespaces and the missing capabilities already make most of these useless; the filter takes away
the kernel's attack surface (bpf, io_uring, keyrings, userfaultfd, new namespaces, ...), every
socket that is not a local one, and the memory that a process can hold outside its own address
space (memfd, System V shared memory), which only a cgroup would count.

Call numbers are those of the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and
`include/uapi/asm-generic/unistd.h`; the layout of `struct seccomp_data` and the return values are
those of `include/uapi/linux/seccomp.h`.
"""

from __future__ import annotations

import errno
import platform
import struct

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (x86_64, aarch64); None where the architecture has no such call.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # keyrings, tracing, and the big subsystems
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # the machine
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "personality": (135, 92),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "get_kernel_syms": (177, None),
    "query_module": (178, None),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "nfsservctl": (180, 42),
    "afs_syscall": (183, None),
    "tuxcall": (184, None),
    "security": (185, None),
    "lookup_dcookie": (212, 18),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
    "setns": (308, 268),
    "unshare": (272, 97),
    # ways around paths
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
    # memory that is nobody's address space, and where memory lies
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "vmsplice": (278, 75),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "get_mempolicy": (239, 236),
    "set_mempolicy_home_node": (450, 450),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
SOCKET = (41, 198)
CLONE = (56, 220)
CLONE3 = (435, 435)
IOCTL = (16, 29)
PRLIMIT = (302, 261)

AF_UNIX = 1
NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
TIOCSTI = 0x5412
TIOCLINUX = 0x541C
X32_BIT = 0x40000000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_BITS = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL_PROCESS = 0x80000000
_NR, _ARCH, _ARGS = 0, 4, 16


def supported(machine: str | None = None) -> bool:
    return (machine or platform.machine()) in AUDIT_ARCH


def program(machine: str | None = None) -> bytes:
    """The filter for `machine` (default: this one), as an array of `struct sock_filter`.

    Raises `KeyError` for an architecture whose call numbers are not known here.
    """
    machine = machine or platform.machine()
    arch = AUDIT_ARCH[machine]
    column = list(AUDIT_ARCH).index(machine)
    code: list[tuple[int, int, int, int]] = []

    def load(offset: int) -> None:
        code.append((_LOAD, 0, 0, offset))

    def answer(value: int) -> None:
        code.append((_RETURN, 0, 0, value))

    def when(jump: int, operand: int, value: int) -> None:
        code.append((jump, 0, 1, operand))
        answer(value)

    def within(number: int, argument: int, checks: list[tuple[int, int, int]], last: int) -> None:
        """Of the call `number`, look at the low word of one argument."""
        code.append((_JUMP_EQUAL, 0, 2 + 2 * len(checks), number))
        load(_ARGS + 8 * argument)
        for jump, operand, value in checks:
            when(jump, operand, value)
        answer(last)

    refuse = _ERRNO | errno.EPERM
    load(_ARCH)
    code.append((_JUMP_EQUAL, 1, 0, arch))
    answer(_KILL_PROCESS)
    load(_NR)
    if machine == "x86_64":
        when(_JUMP_BITS, X32_BIT, _ERRNO | errno.ENOSYS)
    # ENOSYS makes the C library fall back to clone, whose flags a filter can see.
    when(_JUMP_EQUAL, CLONE3[column], _ERRNO | errno.ENOSYS)
    within(CLONE[column], 0, [(_JUMP_BITS, NEW_NAMESPACES, refuse)], _ALLOW)
    within(
        SOCKET[column],
        0,
        [(_JUMP_EQUAL, AF_UNIX, _ALLOW)],
        _ERRNO | errno.EAFNOSUPPORT,
    )
    within(
        IOCTL[column],
        1,
        [(_JUMP_EQUAL, TIOCSTI, refuse), (_JUMP_EQUAL, TIOCLINUX, refuse)],
        _ALLOW,
    )
    # The first process of the sandbox has the same user in a container: its limits are not theirs.
    within(PRLIMIT[column], 0, [(_JUMP_EQUAL, 1, refuse)], _ALLOW)
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            when(_JUMP_EQUAL, number, refuse)
    answer(_ALLOW)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
