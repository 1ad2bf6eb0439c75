/* A disk that is full for all files below a folder at once. Loaded before the C library. YINGKU_TEST_DISK names the folder,
   YINGKU_TEST_ROOM the file that says how many bytes may lie there; when another number stands there, there is room again.
   What would grow a file beyond it ends early or with ENOSPC. A segment reserves its room by a system call that no library
   sees, so it is refused where its file is made. The log of the server is on another disk. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const long long SEGMENT = 256LL << 20, BLOCK = 4096;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

static long long used_below(const char *folder) {
    DIR *entries = opendir(folder);
    long long sum = 0;
    if (!entries)
        return 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        char path[PATH_MAX];
        struct stat found;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (lstat(path, &found))
            continue;
        if (S_ISDIR(found.st_mode))
            sum += used_below(path);
        else if (strcmp(entry->d_name, "log"))
            sum += (long long)found.st_blocks * 512;
    }
    closedir(entries);
    return sum;
}

static long long room(void) {
    const char *folder = getenv("YINGKU_TEST_DISK"), *file = getenv("YINGKU_TEST_ROOM");
    long long may = LLONG_MAX;
    FILE *says = folder && file ? fopen(file, "r") : NULL;
    if (!says)
        return LLONG_MAX;
    if (fscanf(says, "%lld", &may) != 1)
        may = LLONG_MAX;
    fclose(says);
    return may == LLONG_MAX ? may : may - used_below(folder);
}

static int is_ours(const char *path) {
    const char *folder = getenv("YINGKU_TEST_DISK");
    size_t length = folder ? strlen(folder) : 0;
    return length && !strncmp(path, folder, length) && path[length] == '/' && strcmp(path + length, "/log");
}

/* How many bytes a file on the disk would grow by when it is written up to an end. */
static long long growth(int fd, off_t end) {
    char link[64], path[PATH_MAX];
    struct stat file;
    if (fd < 0 || fstat(fd, &file) || !S_ISREG(file.st_mode) || end <= file.st_size)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_ours(path) ? end - file.st_size : 0;
}

/* How many of these bytes there is room for; 0 and ENOSPC when for none. */
static size_t fitting(int fd, off_t at, size_t count) {
    long long more = growth(fd, at + (off_t)count);
    if (!more)
        return count;
    pthread_mutex_lock(&one_at_a_time);
    long long left = room();
    pthread_mutex_unlock(&one_at_a_time);
    if (more <= left)
        return count;
    long long part = (long long)count - more + (left > 0 ? left / BLOCK * BLOCK : 0);
    if (part > 0)
        return (size_t)part;
    errno = ENOSPC;
    return 0;
}

static off_t position(int fd) {
    struct stat file;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND) && !fstat(fd, &file))
        return file.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

static size_t sum_of(const struct iovec *pieces, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += pieces[i].iov_len;
    return sum;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    off_t at = position(fd);
    size_t fits = at < 0 || !count ? count : fitting(fd, at, count);
    return !fits && count ? -1 : REAL(ssize_t(*)(int, const void *, size_t), "write")(fd, bytes, fits);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    size_t fits = count ? fitting(fd, at, count) : 0;
    return !fits && count ? -1 : REAL(ssize_t(*)(int, const void *, size_t, off_t), "pwrite")(fd, bytes, fits, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) { return pwrite(fd, bytes, count, at); }

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    off_t at = position(fd);
    size_t whole = sum_of(pieces, count);
    if (at >= 0 && whole && fitting(fd, at, whole) < whole) {
        errno = ENOSPC;
        return -1;
    }
    return REAL(ssize_t(*)(int, const struct iovec *, int), "writev")(fd, pieces, count);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) {
    size_t whole = sum_of(pieces, count);
    if (whole && fitting(fd, at, whole) < whole) {
        errno = ENOSPC;
        return -1;
    }
    return REAL(ssize_t(*)(int, const struct iovec *, int, off_t), "pwritev")(fd, pieces, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off_t at) { return pwritev(fd, pieces, count, at); }

int fallocate(int fd, int mode, off_t at, off_t length) {
    if (fitting(fd, at, length) < (size_t)length) {
        errno = ENOSPC;
        return -1;
    }
    return REAL(int (*)(int, int, off_t, off_t), "fallocate")(fd, mode, at, length);
}

int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }

int posix_fallocate(int fd, off_t at, off_t length) {
    if (fitting(fd, at, length) < (size_t)length)
        return ENOSPC;
    return REAL(int (*)(int, off_t, off_t), "posix_fallocate")(fd, at, length);
}

int posix_fallocate64(int fd, off_t at, off_t length) { return posix_fallocate(fd, at, length); }

/* A new file needs a block for its name, a segment all its room. */
static int may_open(const char *path, int flags) {
    if (!(flags & O_CREAT) || !is_ours(path) || !access(path, F_OK))
        return 1;
    size_t length = strlen(path);
    int is_segment = strstr(path, "/segment/") && length > 4 && !strcmp(path + length - 4, ".tar");
    if (room() >= (is_segment ? SEGMENT : BLOCK))
        return 1;
    errno = ENOSPC;
    return 0;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        int mode = va_arg(rest, int);                                                                                  \
        va_end(rest);                                                                                                  \
        return may_open(path, flags) ? REAL(int (*)(const char *, int, ...), #name)(path, flags, mode) : -1;           \
    }

OPEN(open)
OPEN(open64)
