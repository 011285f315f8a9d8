/* What a program that a session wrote itself can reach in the sandbox: `probe WHAT [ARGUMENT]`. Says BROKE where it
   got something that it must not have. Harmless with WHAT of read ... descriptor, and those only, outside of it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void broke(const char *what) { printf("BROKE %s\n", what); fflush(stdout); }

static void copy(int from) {
    char part[4096];
    ssize_t count;
    while ((count = read(from, part, sizeof part)) > 0)
        if (write(1, part, count) < 0) return;
}

static void inet(int kind, int port) {
    int s = socket(AF_INET, kind, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (s < 0) { perror("socket"); return; }
    if (connect(s, (void *)&to, sizeof to)) { perror("connect"); return; }
    if (write(s, "probe", 5) == 5) broke("inet");
}

static void local(const char *name, int abstract) {
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (s < 0) { perror("socket"); return; }
    strncpy(to.sun_path + abstract, name, sizeof to.sun_path - 2);
    if (connect(s, (void *)&to, offsetof(struct sockaddr_un, sun_path) + abstract + strlen(name))) { perror("connect"); return; }
    broke("unix");
}

static void call(const char *name, long number, long a, long b, long c, int expected) {
    pid_t child = fork();
    if (child == 0) {
        long got = syscall(number, a, b, c, 0, 0, 0);
        if (number == SYS_clone && got == 0) _exit(0);
        if (got >= 0 || errno != expected) printf("BROKE %s: %ld, %s\n", name, got, got < 0 ? strerror(errno) : "done");
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
}

static void calls(void) {
#define EACH(name, ...) call(#name, SYS_##name, __VA_ARGS__, EPERM)
    EACH(socket, AF_INET, SOCK_STREAM, 0); EACH(socket, AF_UNIX, SOCK_STREAM, 0); EACH(socket, AF_NETLINK, SOCK_RAW, 0);
    EACH(socketpair, AF_UNIX, SOCK_STREAM, 0); EACH(ptrace, PTRACE_TRACEME, 0, 0); EACH(unshare, CLONE_NEWUSER, 0, 0);
    EACH(unshare, CLONE_NEWNET, 0, 0); EACH(mount, (long)"x", (long)"/tmp", (long)"tmpfs"); EACH(umount2, (long)"/proc", 2, 0);
    EACH(chroot, (long)"/", 0, 0); EACH(pivot_root, (long)"/", (long)"/", 0); EACH(setns, 0, 0, 0);
    EACH(process_vm_readv, 1, 0, 0); EACH(process_vm_writev, 1, 0, 0); EACH(kcmp, 1, 1, 0); EACH(bpf, 0, 0, 0);
    EACH(perf_event_open, 0, 0, 0); EACH(userfaultfd, 0, 0, 0); EACH(io_uring_setup, 1, 0, 0); EACH(keyctl, 0, -3, 0);
    EACH(add_key, 0, 0, 0); EACH(request_key, 0, 0, 0); EACH(open_by_handle_at, 0, 0, 0);
    EACH(name_to_handle_at, AT_FDCWD, (long)"/", 0); EACH(fanotify_init, 0, 0, 0); EACH(memfd_create, (long)"x", 0, 0);
    EACH(fsopen, (long)"proc", 0, 0); EACH(open_tree, AT_FDCWD, (long)"/", 1); EACH(move_mount, 0, 0, 0);
    EACH(fsmount, 0, 0, 0); EACH(mount_setattr, AT_FDCWD, (long)"/", 0); EACH(personality, 0x40000, 0, 0);
    EACH(syslog, 3, 0, 0); EACH(acct, 0, 0, 0); EACH(swapoff, (long)"/x", 0, 0); EACH(init_module, 0, 0, 0);
    EACH(finit_module, 0, 0, 0); EACH(sethostname, (long)"x", 1, 0); EACH(settimeofday, 0, 0, 0);
    EACH(shmget, 0, 4096, 01600); EACH(msgget, 0, 01600, 0); EACH(semget, 0, 1, 01600); EACH(vmsplice, 0, 0, 0);
    EACH(clone, CLONE_NEWUSER | SIGCHLD, 0, 0); EACH(clone, CLONE_NEWNET | SIGCHLD, 0, 0);
    EACH(mknod, (long)"sda", S_IFBLK | 0600, 0x800);
    call("clone3", SYS_clone3, 0, 0, 0, ENOSYS);
}

static void old(void) {
#if defined __x86_64__
    pid_t child = fork();
    if (child == 0) {
        long got = syscall(0x40000000 | SYS_socket, AF_UNIX, SOCK_STREAM, 0);
        if (got >= 0) broke("x32");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    child = fork();
    if (child == 0) {
        long got;
        __asm__ volatile("int $0x80" : "=a"(got) : "a"(359), "b"(AF_UNIX), "c"(SOCK_STREAM), "d"(0) : "memory");
        if (got >= 0) broke("i386");
        _exit(0);
    }
    waitpid(child, NULL, 0);
#endif
}

static void spaces(void) {
    const char *kinds[] = {"mnt", "net", "pid", "user", "uts", "ipc", "cgroup"};
    for (int pid = 1; pid < 200; pid++)
        for (unsigned n = 0; n < sizeof kinds / sizeof *kinds; n++) {
            char path[64];
            snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kinds[n]);
            int space = open(path, O_RDONLY);
            if (space >= 0 && setns(space, 0) == 0) broke(path);
            if (space >= 0) close(space);
        }
}

static void memory(int pid) {
    char path[64], found[64];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    struct iovec here = {found, sizeof found}, there = {(void *)0x400000, sizeof found};
    if (open(path, O_RDONLY) >= 0) broke("mem");
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) > 0) broke("memory");
}

static void eat(void) {
    for (;;) {
        if (fork() < 0) pause();
        char *part = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (part != MAP_FAILED) memset(part, 1, 64 << 20);
    }
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "", *given = count > 2 ? words[2] : "";
    if (!strcmp(what, "read")) { int f = open(given, O_RDONLY); if (f < 0) perror("open"); else copy(f); }
    if (!strcmp(what, "write")) { if (open(given, O_WRONLY | O_CREAT, 0600) < 0) perror("open"); }
    if (!strcmp(what, "tcp")) inet(SOCK_STREAM, atoi(given));
    if (!strcmp(what, "udp")) inet(SOCK_DGRAM, atoi(given));
    if (!strcmp(what, "unix")) local(given, 0);
    if (!strcmp(what, "abstract")) local(given, 1);
    if (!strcmp(what, "trace")) {
        if (ptrace(PTRACE_ATTACH, atoi(given), 0, 0)) perror("ptrace");
        else { broke("trace"); waitpid(atoi(given), NULL, 0); ptrace(PTRACE_DETACH, atoi(given), 0, 0); }
    }
    if (!strcmp(what, "signal")) { if (kill(atoi(given), SIGKILL)) perror("kill"); }
    if (!strcmp(what, "memory")) memory(atoi(given));
    if (!strcmp(what, "descriptor")) copy(atoi(given));
    if (!strcmp(what, "calls")) calls();
    if (!strcmp(what, "old")) old();
    if (!strcmp(what, "spaces")) spaces();
    if (!strcmp(what, "type")) {
        for (int f = 0; f < 3; f++) if (ioctl(f, TIOCSTI, "x") == 0) broke("typing");
        int terminal = open("/dev/tty", O_RDWR);
        if (terminal >= 0) broke("terminal");
    }
    if (!strcmp(what, "fork")) for (;;) if (fork() < 0) pause();
    if (!strcmp(what, "eat")) eat();
    if (!strcmp(what, "files")) { int held = 0; while (open("/dev/null", O_RDONLY) >= 0) held++; printf("%d\n", held); }
    return 0;
}
