/* The half of a hosted program that starts it: see v8c_host.h. */
#include "v8c_host.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = 1024 };

int v8c_exec(const char *node, const char *program, const char *malloc_library, char *const argv[],
             char *const envp[])
{
    char preload[2 * PATH_MAX];
    char *environment[ENVIRONMENT_MAX + 2];
    size_t count = 0;

    /* ld.so separates names by colons and spaces, and knows no quoting. */
    if (strpbrk(program, ": "))
        return -EINVAL;
    const char *before = malloc_library ? malloc_library : "";
    int len =
        snprintf(preload, sizeof preload, "LD_PRELOAD=%s%s%s", before, *before ? ":" : "", program);
    if (len < 0 || (size_t)len >= sizeof preload)
        return -ENAMETOOLONG;
    environment[count++] = preload;
    for (char *const *entry = envp; *entry; entry++) {
        if (strncmp(*entry, "LD_PRELOAD=", strlen("LD_PRELOAD=")) == 0)
            continue;
        if (count > ENVIRONMENT_MAX)
            return -E2BIG;
        environment[count++] = *entry;
    }
    environment[count] = NULL;
    execve(node, argv, environment);
    return -errno;
}
