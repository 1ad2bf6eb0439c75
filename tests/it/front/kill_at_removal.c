/* Kills the process where it would remove an object that lies in a file of its own, before anything is removed. Loaded
   before the C library by the test of that name; other files are removed as ever. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void look_at(const char *path) {
    if (strstr(path, "objects/instance/"))
        kill(getpid(), SIGKILL);
}

int unlink(const char *path) {
    look_at(path);
    return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
}

int unlinkat(int folder, const char *path, int flags) {
    look_at(path);
    return ((int (*)(int, const char *, int))dlsym(RTLD_NEXT, "unlinkat"))(folder, path, flags);
}
