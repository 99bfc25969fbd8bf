/* Recorder of file operations, for LD_PRELOAD: what a process does below DISK_ROOT is appended to DISK_JOURNAL, with
 * its data, in the order in which it happened; and a chosen operation fails with a chosen errno.
 *
 * Each operation and its record are one step under a lock in shared memory (DISK_CONTROL), so the journal has one order
 * for all threads and processes. Layouts of records and of the control page: journal.py. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CREATED = 1, TRUNCATED = 2 };
enum { F_CREATE = 1, F_WRITE = 2, F_TRUNCATE = 4, F_RENAME = 8, F_UNLINK = 16, F_MKDIR = 32, F_FSYNC = 64 };

struct control {
    union {
        pthread_mutex_t mutex;
        char room[128];
    };
    volatile int32_t left, skip, error, calls, hits, sync_delay_us; /* left < 0: every one from now on */
    char pattern[256];
};

struct __attribute__((packed)) head {
    uint32_t size;
    uint8_t op, flags;
    uint32_t pid;
    uint64_t handle, offset;
    uint16_t path, path2;
};

struct tracked {
    uint64_t handle;
    dev_t dev;
    ino_t ino;
    char *path;
};

#define MOST 65536
static struct tracked files[MOST];
static struct control *control;
static char root[PATH_MAX];
static size_t root_size;
static int journal = -1;
static uint32_t count;

#define REAL(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                    \
    if (!real)                                                                                                         \
    real = (__typeof__(&name))real_of(#name)
static void *real_of(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

static long raw_open(const char *path, int flags, int mode) { return syscall(SYS_openat, AT_FDCWD, path, flags, mode); }

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("DISK_ROOT"), *to = getenv("DISK_JOURNAL"), *shared = getenv("DISK_CONTROL");
    if (!where || !to || !shared)
        return;
    snprintf(root, sizeof root, "%s", where);
    int fd = raw_open(shared, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    flock(fd, LOCK_EX);
    struct stat is;
    fstat(fd, &is);
    int fresh = is.st_size < (off_t)sizeof(struct control);
    if (fresh && syscall(SYS_ftruncate, fd, sizeof(struct control)))
        abort();
    control = (void *)syscall(SYS_mmap, 0, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fresh) {
        pthread_mutexattr_t how;
        pthread_mutexattr_init(&how);
        pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&control->mutex, &how);
    }
    flock(fd, LOCK_UN); /* the mapping would keep it */
    syscall(SYS_close, fd);
    fd = raw_open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    journal = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 700);
    syscall(SYS_close, fd);
    root_size = strlen(root);
}

static void lock(void) {
    if (pthread_mutex_lock(&control->mutex) == EOWNERDEAD)
        pthread_mutex_consistent(&control->mutex);
}

static void unlock(void) { pthread_mutex_unlock(&control->mutex); }

/* The absolute path without `.`, `..` and doubled slashes; whether it is below the root. */
static int below(int dir, const char *path, char *out) {
    char whole[2 * PATH_MAX];
    if (!root_size || !path)
        return 0;
    whole[0] = 0;
    if (path[0] != '/') {
        char link[64];
        snprintf(link, sizeof link, dir == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dir);
        ssize_t size = readlink(link, whole, PATH_MAX - 1);
        if (size < 0)
            return 0;
        whole[size] = 0;
        strcat(whole, "/");
    }
    strncat(whole, path, PATH_MAX - 1);
    size_t end = 0;
    for (char *part = whole, *next; *part; part = next) {
        next = strchrnul(part, '/');
        size_t size = next - part;
        if (*next)
            next++;
        if (!size || (size == 1 && part[0] == '.'))
            continue;
        if (size == 2 && part[0] == '.' && part[1] == '.') {
            while (end && out[--end] != '/')
                ;
            continue;
        }
        if (end + size + 2 > PATH_MAX)
            return 0;
        out[end++] = '/';
        memcpy(out + end, part, size);
        end += size;
    }
    out[end] = 0;
    return end > root_size && !memcmp(out, root, root_size) && out[root_size] == '/';
}

static void record(char op, int flags, uint64_t handle, uint64_t offset, const char *path, const char *path2,
                   const struct iovec *data, int parts, size_t size) {
    struct head head = {.op = op, .flags = flags, .pid = getpid(), .handle = handle, .offset = offset};
    struct iovec all[66] = {{&head, sizeof head}};
    int n = 1;
    if (path) {
        path += root_size + 1;
        head.path = strlen(path);
        all[n++] = (struct iovec){(void *)path, head.path};
    }
    if (path2) {
        path2 += root_size + 1;
        head.path2 = strlen(path2);
        all[n++] = (struct iovec){(void *)path2, head.path2};
    }
    head.size = sizeof head + head.path + head.path2 + size;
    for (int i = 0; i < parts && size; i++) {
        size_t here = data[i].iov_len < size ? data[i].iov_len : size;
        all[n++] = (struct iovec){data[i].iov_base, here};
        size -= here;
    }
    int kept = errno;
    if (syscall(SYS_writev, journal, all, n) != (long)head.size)
        abort(); /* the journal's disk is full: nothing could be concluded from it */
    errno = kept;
}

static void unknown(const char *what, const char *path) {
    struct iovec text = {(void *)what, strlen(what)};
    record('?', 0, 0, 0, path, NULL, &text, 1, text.iov_len);
}

/* Whether this call is to fail; sets errno. */
static int fails(int call, const char *path) {
    if (!control->left || !(control->calls & call) || fnmatch(control->pattern, path + root_size + 1, 0))
        return 0;
    if (control->skip > 0) {
        control->skip--;
        return 0;
    }
    if (control->left > 0)
        control->left--;
    control->hits++;
    errno = control->error;
    return 1;
}

static struct tracked *file_of(int fd) {
    if (fd < 0 || fd >= MOST || !files[fd].handle)
        return NULL;
    struct stat is;
    if (fstat(fd, &is) || is.st_ino != files[fd].ino || is.st_dev != files[fd].dev) {
        files[fd].handle = 0; /* closed by a way that is not followed, and used again */
        return NULL;
    }
    return &files[fd];
}

static void track(int fd, uint64_t handle, const char *path) {
    struct stat is;
    if (fd >= MOST || fstat(fd, &is))
        abort();
    free(files[fd].path);
    files[fd] = (struct tracked){handle, is.st_dev, is.st_ino, strdup(path)};
}

static int open_(int dir, const char *path, int flags, mode_t mode, const char *name) {
    int (*real)(int, const char *, int, mode_t) = real_of("openat64");
    char whole[PATH_MAX];
    (void)name;
    if (!below(dir, path, whole))
        return real(dir, path, flags, mode);
    lock();
    struct stat is;
    int fd = -1, was = !stat(whole, &is);
    int creates = (flags & O_CREAT) && !was, cuts = (flags & O_TRUNC) && was && is.st_size;
    if (!(((creates && fails(F_CREATE, whole))) || (cuts && fails(F_TRUNCATE, whole))))
        fd = real(dir, path, flags, mode);
    if (fd >= 0) {
        uint64_t handle = (uint64_t)getpid() << 32 | ++count;
        if ((flags & O_TMPFILE) == O_TMPFILE)
            unknown("O_TMPFILE", whole);
        track(fd, handle, whole);
        record('O', (creates ? CREATED : 0) | (cuts ? TRUNCATED : 0), handle, 0, whole, NULL, NULL, 0, 0);
    }
    unlock();
    return fd;
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }
int open(const char *path, int flags, ...) { MODE(flags) return open_(AT_FDCWD, path, flags, mode, "open"); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_(AT_FDCWD, path, flags, mode, "open64"); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return open_(dir, path, flags, mode, "openat"); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return open_(dir, path, flags, mode, "openat64"); }
int __open_2(const char *path, int flags) { return open_(AT_FDCWD, path, flags, 0, "open"); }
int __open64_2(const char *path, int flags) { return open_(AT_FDCWD, path, flags, 0, "open64"); }
int creat(const char *path, mode_t mode) { return open_(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode, "open"); }

int close(int fd) {
    REAL(close);
    if (fd >= 0 && fd < MOST)
        files[fd].handle = 0;
    return real(fd);
}

int closedir(DIR *dir) {
    REAL(closedir);
    int fd = dirfd(dir);
    if (fd >= 0 && fd < MOST)
        files[fd].handle = 0;
    return real(dir);
}

static int doubled(int from, int to) {
    struct tracked *file = to >= 0 ? file_of(from) : NULL;
    if (file)
        track(to, file->handle, file->path);
    else if (to >= 0 && to < MOST)
        files[to].handle = 0;
    return to;
}
int dup(int fd) { REAL(dup); return doubled(fd, real(fd)); }
int dup2(int fd, int to) { REAL(dup2); return doubled(fd, real(fd, to)); }
int dup3(int fd, int to, int flags) { REAL(dup3); return doubled(fd, real(fd, to, flags)); }

static int fcntl_(int fd, int what, void *value) {
    int (*real)(int, int, ...) = real_of("fcntl64");
    int result = real(fd, what, value);
    return what == F_DUPFD || what == F_DUPFD_CLOEXEC ? doubled(fd, result) : result;
}
#define VALUE                                                                                                          \
    va_list rest;                                                                                                      \
    va_start(rest, what);                                                                                              \
    void *value = va_arg(rest, void *);                                                                                \
    va_end(rest);
int fcntl(int fd, int what, ...) { VALUE return fcntl_(fd, what, value); }
int fcntl64(int fd, int what, ...) { VALUE return fcntl_(fd, what, value); }

/* Writing. `at` < 0: at the position of the file, which the call moves. */
#define WRITING(call, at, data, parts)                                                                                 \
    struct tracked *file = file_of(fd);                                                                                \
    if (!file)                                                                                                         \
        return call;                                                                                                   \
    lock();                                                                                                            \
    ssize_t size = fails(F_WRITE, file->path) ? -1 : call;                                                             \
    if (size > 0)                                                                                                      \
        record('W', 0, file->handle, (at) < 0 ? lseek64(fd, 0, SEEK_CUR) - size : (at), NULL, NULL, data, parts, size); \
    unlock();                                                                                                          \
    return size;

ssize_t write(int fd, const void *bytes, size_t n) {
    REAL(write);
    struct iovec data = {(void *)bytes, n};
    WRITING(real(fd, bytes, n), (off64_t)-1, &data, 1)
}
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    REAL(pwrite);
    struct iovec data = {(void *)bytes, n};
    WRITING(real(fd, bytes, n, at), at, &data, 1)
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    REAL(pwrite64);
    struct iovec data = {(void *)bytes, n};
    WRITING(real(fd, bytes, n, at), at, &data, 1)
}
/* POSIX allows shorter writes: no more than the parts for which `record` has room. */
static int most(int parts) { return parts > 60 ? 60 : parts; }
ssize_t writev(int fd, const struct iovec *data, int parts) {
    REAL(writev);
    WRITING(real(fd, data, file ? most(parts) : parts), (off64_t)-1, data, most(parts))
}
ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t at) {
    REAL(pwritev);
    WRITING(real(fd, data, file ? most(parts) : parts, at), at, data, most(parts))
}
ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t at) {
    REAL(pwritev64);
    WRITING(real(fd, data, file ? most(parts) : parts, at), at, data, most(parts))
}

/* Bytes that the kernel copied are read back. */
static void copied(struct tracked *file, int fd, off64_t at, ssize_t size) {
    char name[64], bytes[65536];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int from = raw_open(name, O_RDONLY | O_CLOEXEC, 0);
    for (ssize_t done = 0, here; done < size; done += here) {
        here = syscall(SYS_pread64, from, bytes, size - done < 65536 ? size - done : 65536, at + done);
        if (here <= 0)
            abort();
        struct iovec data = {bytes, here};
        record('W', 0, file->handle, at + done, NULL, NULL, &data, 1, here);
    }
    syscall(SYS_close, from);
}
#define COPYING(call, at)                                                                                              \
    struct tracked *file = file_of(out);                                                                               \
    if (!file)                                                                                                         \
        return call;                                                                                                   \
    lock();                                                                                                            \
    ssize_t size = fails(F_WRITE, file->path) ? -1 : call;                                                             \
    if (size > 0)                                                                                                      \
        copied(file, out, at, size);                                                                                   \
    unlock();                                                                                                          \
    return size;
ssize_t sendfile(int out, int in, off_t *from, size_t n) {
    REAL(sendfile);
    COPYING(real(out, in, from, n), lseek64(out, 0, SEEK_CUR) - size)
}
ssize_t sendfile64(int out, int in, off64_t *from, size_t n) {
    REAL(sendfile64);
    COPYING(real(out, in, from, n), lseek64(out, 0, SEEK_CUR) - size)
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags) {
    REAL(copy_file_range);
    COPYING(real(in, from, out, to, n, flags), (to ? *to : lseek64(out, 0, SEEK_CUR)) - size)
}

static int cut(int fd, off64_t size, int (*real)(int, off64_t)) {
    struct tracked *file = file_of(fd);
    if (!file)
        return real(fd, size);
    lock();
    int result = fails(F_TRUNCATE, file->path) ? -1 : real(fd, size);
    if (!result)
        record('T', 0, file->handle, size, NULL, NULL, NULL, 0, 0);
    unlock();
    return result;
}
int ftruncate(int fd, off_t size) { REAL(ftruncate); return cut(fd, size, real); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); return cut(fd, size, real); }

static int cut_named(const char *path, off64_t size) {
    int (*real)(const char *, off64_t) = real_of("truncate64");
    char whole[PATH_MAX];
    if (!below(AT_FDCWD, path, whole))
        return real(path, size);
    lock();
    int result = fails(F_TRUNCATE, whole) ? -1 : real(path, size);
    if (!result)
        record('P', 0, 0, size, whole, NULL, NULL, 0, 0);
    unlock();
    return result;
}
int truncate(const char *path, off_t size) { return cut_named(path, size); }
int truncate64(const char *path, off64_t size) { return cut_named(path, size); }

/* Room is only reserved, which nobody sees, unless the file grows. */
static int reserve(int fd, int mode, off64_t from, off64_t size, int is_posix) {
    struct tracked *file = file_of(fd);
    struct stat before, after;
    if (file) {
        lock();
        if (mode)
            unknown("fallocate with a mode", file->path);
        fstat(fd, &before);
    }
    int result = file && fails(F_WRITE, file->path) ? -1 : (int)syscall(SYS_fallocate, fd, mode, from, size);
    if (file) {
        fstat(fd, &after);
        if (after.st_size != before.st_size)
            record('T', 0, file->handle, after.st_size, NULL, NULL, NULL, 0, 0);
        unlock();
    }
    return is_posix && result ? errno : result;
}
int fallocate(int fd, int mode, off_t from, off_t size) { return reserve(fd, mode, from, size, 0); }
int fallocate64(int fd, int mode, off64_t from, off64_t size) { return reserve(fd, mode, from, size, 0); }
int posix_fallocate(int fd, off_t from, off_t size) { return reserve(fd, 0, from, size, 1); }
int posix_fallocate64(int fd, off64_t from, off64_t size) { return reserve(fd, 0, from, size, 1); }

static int sync_(int fd, int (*real)(int)) {
    struct tracked *file = file_of(fd);
    if (!file)
        return real(fd);
    if (control->sync_delay_us)
        usleep(control->sync_delay_us); /* what does not wait for the fsync has time to show it */
    lock();
    int result = fails(F_FSYNC, file->path) ? -1 : real(fd);
    record(result ? 's' : 'S', 0, file->handle, 0, NULL, NULL, NULL, 0, 0);
    unlock();
    return result;
}
int fsync(int fd) { REAL(fsync); return sync_(fd, real); }
int fdatasync(int fd) { REAL(fdatasync); return sync_(fd, real); }
int syncfs(int fd) {
    REAL(syncfs);
    if (!root_size)
        return real(fd);
    lock();
    int result = real(fd);
    if (!result)
        record('Y', 0, 0, 0, NULL, NULL, NULL, 0, 0);
    unlock();
    return result;
}

static int two(char op, int dir, const char *path, int dir2, const char *path2, unsigned flags, const char *name) {
    char from[PATH_MAX], to[PATH_MAX];
    int is_from = below(dir, path, from), is_to = below(dir2, path2, to), result = -1;
    if (is_from || is_to)
        lock();
    if (!(is_to && fails(F_RENAME, to)))
        result = op == 'R' ? (int)syscall(SYS_renameat2, dir, path, dir2, path2, flags)
                           : (int)syscall(SYS_linkat, dir, path, dir2, path2, flags);
    if (!result && (is_from || is_to)) {
        if (is_from != is_to || (op == 'R' && flags & ~1u))
            unknown(name, is_from ? from : to);
        else
            record(op, 0, 0, 0, from, to, NULL, 0, 0);
    }
    if (is_from || is_to)
        unlock();
    return result;
}
int rename(const char *a, const char *b) { return two('R', AT_FDCWD, a, AT_FDCWD, b, 0, "rename"); }
int renameat(int d, const char *a, int e, const char *b) { return two('R', d, a, e, b, 0, "renameat"); }
int renameat2(int d, const char *a, int e, const char *b, unsigned f) { return two('R', d, a, e, b, f, "renameat2"); }
int link(const char *a, const char *b) { return two('L', AT_FDCWD, a, AT_FDCWD, b, 0, "link"); }
int linkat(int d, const char *a, int e, const char *b, int f) { return two('L', d, a, e, b, f, "linkat"); }

static int one(char op, int dir, const char *path, int call, long number, long flags) {
    char whole[PATH_MAX];
    if (!below(dir, path, whole))
        return (int)syscall(number, dir, path, flags);
    lock();
    int result = fails(call, whole) ? -1 : (int)syscall(number, dir, path, flags);
    if (!result)
        record(op, 0, 0, 0, whole, NULL, NULL, 0, 0);
    unlock();
    return result;
}
int unlink(const char *path) { return one('U', AT_FDCWD, path, F_UNLINK, SYS_unlinkat, 0); }
int rmdir(const char *path) { return one('X', AT_FDCWD, path, F_UNLINK, SYS_unlinkat, AT_REMOVEDIR); }
int unlinkat(int dir, const char *path, int flags) {
    return one(flags & AT_REMOVEDIR ? 'X' : 'U', dir, path, F_UNLINK, SYS_unlinkat, flags);
}
int mkdir(const char *path, mode_t mode) { return one('D', AT_FDCWD, path, F_MKDIR, SYS_mkdirat, mode); }
int mkdirat(int dir, const char *path, mode_t mode) { return one('D', dir, path, F_MKDIR, SYS_mkdirat, mode); }

/* What is written by memory is not seen: the reader of the journal says for which files that does not matter. */
static void *map(void *at, size_t size, int may, int flags, int fd, off64_t from) {
    void *result = (void *)syscall(SYS_mmap, at, size, may, flags, fd, from);
    struct tracked *file = (flags & MAP_SHARED) && (may & PROT_WRITE) && root_size ? file_of(fd) : NULL;
    if (file) {
        lock();
        record('m', 0, file->handle, 0, file->path, NULL, NULL, 0, 0);
        unlock();
    }
    return result;
}
void *mmap(void *at, size_t n, int may, int flags, int fd, off_t from) { return map(at, n, may, flags, fd, from); }
void *mmap64(void *at, size_t n, int may, int flags, int fd, off64_t from) { return map(at, n, may, flags, fd, from); }
