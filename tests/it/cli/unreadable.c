/* A disk that has a file and cannot read a part of it. Loaded before the C library. YINGKU_TEST_BAD names the end of the file's
   path, YINGKU_TEST_BAD_FROM and YINGKU_TEST_BAD_TO the bytes that give EIO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

static int is_bad(int fd, off_t at, size_t count) {
    const char *name = getenv("YINGKU_TEST_BAD"), *from = getenv("YINGKU_TEST_BAD_FROM"), *to = getenv("YINGKU_TEST_BAD_TO");
    char link[64], path[PATH_MAX];
    if (!name || !from || !to || at < 0 || at + (off_t)count <= atoll(from) || at >= atoll(to))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t wanted = strlen(name);
    return length >= (ssize_t)wanted && !memcmp(path + length - wanted, name, wanted);
}

ssize_t read(int fd, void *bytes, size_t count) {
    if (is_bad(fd, lseek(fd, 0, SEEK_CUR), count)) {
        errno = EIO;
        return -1;
    }
    return REAL(ssize_t(*)(int, void *, size_t), "read")(fd, bytes, count);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t at) {
    if (is_bad(fd, at, count)) {
        errno = EIO;
        return -1;
    }
    return REAL(ssize_t(*)(int, void *, size_t, off64_t), "pread64")(fd, bytes, count, at);
}
