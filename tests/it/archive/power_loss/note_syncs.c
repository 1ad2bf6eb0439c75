/* Notes, for each sync of a file whose name ends in -wal, how long it was when the sync began: what a loss of power after it
   leaves at least. Loaded before the C library; YINGKU_TEST_SYNCS names the file to note it in. While the file that
   YINGKU_TEST_FAIL names is there, these syncs fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int noting(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    char link[64], path[4096], line[32];
    struct stat before;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    int is_log = length > 4 && memcmp(path + length - 4, "-wal", 4) == 0 && fstat(fd, &before) == 0;
    const char *fail = getenv("YINGKU_TEST_FAIL");
    if (is_log && fail && access(fail, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    int result = real(fd);
    const char *notes = getenv("YINGKU_TEST_SYNCS");
    if (is_log && result == 0 && notes) {
        int out = open(notes, O_WRONLY | O_CREAT | O_APPEND, 0644);
        int bytes = snprintf(line, sizeof line, "%lld\n", (long long)before.st_size);
        if (out >= 0) {
            if (write(out, line, bytes) != bytes)
                abort();
            close(out);
        }
    }
    return result;
}

int fsync(int fd) { return noting("fsync", fd); }

int fdatasync(int fd) { return noting("fdatasync", fd); }
