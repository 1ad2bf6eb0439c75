/* Makes each sync of a process last longer, one after the other, as on a turning disk. Loaded before the C library by
   `cargo bench --bench ingest -- slow`; YINGKU_BENCH_SYNC_MS says how much longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;

static int slowly(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *text = getenv("YINGKU_BENCH_SYNC_MS");
    pthread_mutex_lock(&disk);
    usleep((text ? atoi(text) : 0) * 1000);
    int result = real(fd);
    pthread_mutex_unlock(&disk);
    return result;
}

int fsync(int fd) { return slowly("fsync", fd); }

int fdatasync(int fd) { return slowly("fdatasync", fd); }
