/* Folders on other machines that do not answer any more. Loaded before the C library. YINGKU_TEST_DEAD names a folder that
   never answers: whoever resolves or opens it waits for ever. YINGKU_TEST_DYING names one that can be read, and in which
   moving a file never ends. The first call that waits leaves an empty file beside the folder, `.met` behind its name. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

static void never_answer(const char *variable, const char *path) {
    const char *folder = getenv(variable);
    char met[PATH_MAX];
    if (!folder || !path || strncmp(path, folder, strlen(folder)))
        return;
    snprintf(met, sizeof met, "%s.met", folder);
    close(open(met, O_CREAT | O_WRONLY, 0600));
    for (;;)
        pause();
}

char *realpath(const char *path, char *resolved) {
    never_answer("YINGKU_TEST_DEAD", path);
    return REAL(char *(*)(const char *, char *), "realpath")(path, resolved);
}

DIR *opendir(const char *path) {
    never_answer("YINGKU_TEST_DEAD", path);
    return REAL(DIR *(*)(const char *), "opendir")(path);
}

int rename(const char *from, const char *to) {
    never_answer("YINGKU_TEST_DYING", from);
    return REAL(int (*)(const char *, const char *), "rename")(from, to);
}
