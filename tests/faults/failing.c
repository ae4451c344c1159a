/* Preloaded into a process, fails the Nth of its calls that change files below a folder, or that one and all after it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static atomic_long seen;
static long nth;
static int code, from_then_on;

/* Without a folder ("") nothing fails; the number of calls that were seen comes back. */
long failing_arm(const char *below, long n, int error, int all_after) {
    long before = atomic_exchange(&seen, 0);
    strncpy(folder, below, sizeof folder - 1);
    nth = n, code = error, from_then_on = all_after;
    return before;
}

static int fails(const char *path) {
    if (!folder[0] || !path || strncmp(path, folder, strlen(folder))) return 0;
    long now = atomic_fetch_add(&seen, 1) + 1;
    if (now != nth && !(from_then_on && now > nth)) return 0;
    errno = code;
    return 1;
}

static int fails_at(int descriptor) {
    char link[64], path[PATH_MAX];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(path);
}

#define NEXT(type, name) type (*next)() = (type (*)()) dlsym(RTLD_NEXT, name)
#define ON_DESCRIPTOR(type, name, parameters, ...) \
    type name parameters { NEXT(type, #name); return fails_at(fd) ? -1 : next(__VA_ARGS__); }
#define ON_PATH(name, parameters, ...) \
    int name parameters { NEXT(int, #name); return fails(path) ? -1 : next(__VA_ARGS__); }
#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        NEXT(int, #name); return (flags & O_CREAT) && fails(path) ? -1 : next(path, flags, mode); }
#define OPENING_AT(name) \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        NEXT(int, #name); return (flags & O_CREAT) && fails(path) ? -1 : next(at, path, flags, mode); }

ON_DESCRIPTOR(ssize_t, write, (int fd, const void *from, size_t n), fd, from, n)
ON_DESCRIPTOR(ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at), fd, from, n, at)
ON_DESCRIPTOR(ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t at), fd, from, n, at)
ON_DESCRIPTOR(ssize_t, writev, (int fd, const struct iovec *from, int n), fd, from, n)
ON_DESCRIPTOR(int, fsync, (int fd), fd)
ON_DESCRIPTOR(int, fdatasync, (int fd), fd)
ON_DESCRIPTOR(int, ftruncate, (int fd, off_t to), fd, to)
ON_DESCRIPTOR(int, ftruncate64, (int fd, off64_t to), fd, to)
ON_PATH(mkdir, (const char *path, mode_t mode), path, mode)
ON_PATH(rename, (const char *path, const char *to), path, to)
OPENING(open)
OPENING(open64)
OPENING_AT(openat)
OPENING_AT(openat64)

int renameat(int from, const char *path, int at, const char *to) {
    NEXT(int, "renameat");
    return fails(path) ? -1 : next(from, path, at, to);
}

int renameat2(int from, const char *path, int at, const char *to, unsigned flags) {
    NEXT(int, "renameat2");
    return fails(path) ? -1 : next(from, path, at, to, flags);
}

int mkdirat(int at, const char *path, mode_t mode) {
    NEXT(int, "mkdirat");
    return fails(path) ? -1 : next(at, path, mode);
}
