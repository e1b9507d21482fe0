/* v8c-run PROGRAM.so [ARGUMENT..]
 *
 * Starts a hosted program from a shell, a build or a test: see v8c_host.h. The executable that
 * carries V8 and the malloc library are those of the build; V8C_NODE and V8C_MALLOC in the
 * environment override them.
 */
#include "v8c_host.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: v8c-run PROGRAM.so [ARGUMENT..]\n");
        return 2;
    }
    char program[PATH_MAX]; /* without a slash ld.so would look in the library path */
    if (!realpath(argv[1], program)) {
        fprintf(stderr, "v8c-run: no such program: %s\n", argv[1]);
        return 127;
    }
    const char *node = getenv("V8C_NODE");
    const char *malloc_library = getenv("V8C_MALLOC");
    int error = v8c_exec(node ? node : V8C_RUN_NODE, program,
                         malloc_library ? malloc_library : V8C_RUN_MALLOC, argv + 1, environ);
    fprintf(stderr, "v8c-run: cannot run %s: %s\n", node ? node : V8C_RUN_NODE, strerror(-error));
    return 127;
}
