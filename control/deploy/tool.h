/* tool.h
 *
 * A program that is run for a moment and whose output is kept: the bundler, and what reads TOML.
 * hearthctl runs them as whoever runs it, in the project's directory; hearthd runs none.
 *
 * Blocks until the program ends. Output beyond TOOL_OUTPUT_BYTES_MAX is read and dropped.
 */
#ifndef HEARTH_TOOL_H
#define HEARTH_TOOL_H

#include <stddef.h>

enum { TOOL_OUTPUT_BYTES_MAX = 2 << 20 };

struct tool_output {
    char *out, *err; /* each ends in NUL; never NULL after tool_run */
    size_t out_bytes, err_bytes;
    int status; /* exit code; 128 and more: ended by a signal */
};

/* Runs argv[0], a path, in the directory dir (a descriptor), standard input empty. 0, or -errno:
 * it could not be begun. The output is to be freed in any case. */
int tool_run(int dir, char *const argv[], struct tool_output *);
void tool_output_fini(struct tool_output *);

#endif
