/* Counts the write steps of a command and all its processes on one folder, and strikes at one of them.

Preloaded (LD_PRELOAD) by tests/torture/steps.py. TORTURE_FOLDER is what is watched, TORTURE_LOG gets a line a step,
TORTURE_AT is the number of the step that is struck, from 1, and TORTURE_DO says how:
kill (before the step), torn (after half of a write), eio (the step fails), short (half of a write is done). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum strike { NONE, KILL, TORN, EIO_, SHORT };

static const char *folder;
static int log_file = -1;
static long *counter, at;
static enum strike how;

/* Before the program begins; the counter is the first bytes of a file that all processes map. */
__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("TORTURE_LOG"), *counted = getenv("TORTURE_COUNTER"), *name = getenv("TORTURE_DO");
    folder = getenv("TORTURE_FOLDER");
    at = atol(getenv("TORTURE_AT") ? getenv("TORTURE_AT") : "0");
    if (!folder || !path || !counted)
        return;
    const char *names[] = {"none", "kill", "torn", "eio", "short"};
    for (int i = 0; name && i < 5; i++)
        if (!strcmp(name, names[i]))
            how = i;
    log_file = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int file = syscall(SYS_openat, AT_FDCWD, counted, O_RDWR | O_CLOEXEC);
    counter = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
}

static int watched(const char *path)
{
    return counter && counter != MAP_FAILED && strncmp(path, folder, strlen(folder)) == 0;
}

/* Counts a step; gives how it is struck. KILL does not return. */
static enum strike step(const char *what, const char *path)
{
    char line[PATH_MAX + 64];
    long number = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, what, path + strlen(folder));
    syscall(SYS_write, log_file, line, length);
    if (number != at)
        return NONE;
    if (how == KILL)
        kill(getpid(), SIGKILL);
    return how;
}

static enum strike step_on(const char *what, int file)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return NONE;
    path[length] = 0;
    return watched(path) ? step(what, path) : NONE;
}

static enum strike step_at(const char *what, const char *path)
{
    char whole[PATH_MAX];
    if (path[0] != '/' && getcwd(whole, sizeof whole / 2)) {
        strcat(whole, "/");
        strncat(whole, path, PATH_MAX / 2 - 2);
        path = whole;
    }
    return watched(path) ? step(what, path) : NONE;
}

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

#define WRITE(name, signature, size, half, full)                                                                       \
    ssize_t name signature                                                                                             \
    {                                                                                                                  \
        switch (step_on(#name, file)) {                                                                                \
        case EIO_:                                                                                                     \
            errno = EIO;                                                                                               \
            return -1;                                                                                                 \
        case TORN:                                                                                                     \
            half;                                                                                                      \
            kill(getpid(), SIGKILL);                                                                                   \
        case SHORT:                                                                                                    \
            return half;                                                                                               \
        default:                                                                                                       \
            return full;                                                                                               \
        }                                                                                                              \
    }

#define OTHER(name, signature, where, full)                                                                            \
    int name signature                                                                                                 \
    {                                                                                                                  \
        enum strike struck = where;                                                                                    \
        if (struck == TORN)                                                                                            \
            kill(getpid(), SIGKILL);                                                                                   \
        if (struck == EIO_) {                                                                                          \
            errno = EIO;                                                                                               \
            return -1;                                                                                                 \
        }                                                                                                              \
        return full;                                                                                                   \
    }

#define HALF (size > 1 ? size / 2 : size)

WRITE(write, (int file, const void *data, size_t size), size, REAL(write, file, data, HALF), REAL(write, file, data, size))
WRITE(pwrite, (int file, const void *data, size_t size, off_t to), size, REAL(pwrite, file, data, HALF, to),
      REAL(pwrite, file, data, size, to))
WRITE(pwrite64, (int file, const void *data, size_t size, off64_t to), size, REAL(pwrite64, file, data, HALF, to),
      REAL(pwrite64, file, data, size, to))
WRITE(writev, (int file, const struct iovec *data, int size), size, REAL(writev, file, data, HALF),
      REAL(writev, file, data, size))

OTHER(fsync, (int file), step_on("fsync", file), REAL(fsync, file))
OTHER(fdatasync, (int file), step_on("fdatasync", file), REAL(fdatasync, file))
OTHER(ftruncate, (int file, off_t size), step_on("ftruncate", file), REAL(ftruncate, file, size))
OTHER(ftruncate64, (int file, off64_t size), step_on("ftruncate", file), REAL(ftruncate64, file, size))
OTHER(truncate, (const char *path, off_t size), step_at("truncate", path), REAL(truncate, path, size))
OTHER(truncate64, (const char *path, off64_t size), step_at("truncate", path), REAL(truncate64, path, size))
OTHER(rename, (const char *from, const char *to), step_at("rename", to), REAL(rename, from, to))
OTHER(unlink, (const char *path), step_at("unlink", path), REAL(unlink, path))
OTHER(mkdir, (const char *path, mode_t mode), step_at("mkdir", path), REAL(mkdir, path, mode))
