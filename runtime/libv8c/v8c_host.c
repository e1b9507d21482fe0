/* The half of a hosted program that is inside it: see v8c_host.h. */
#include "v8c_host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef int main_fn(int, char **, char **);
typedef int libc_start_fn(main_fn *, int, char **, void (*)(void), void (*)(void), void (*)(void),
                          void *);

static int hosted_main(int argc, char **argv, char **envp)
{
    (void)envp;
    unsetenv("LD_PRELOAD");
    return v8c_main(argc, argv);
}

/* The executable's entry code calls this with its own main, which is dropped. */
__attribute__((visibility("default"))) int
__libc_start_main(main_fn *node_main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                  void (*rtld_fini)(void), void *stack_end);

int __libc_start_main(main_fn *node_main, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    (void)node_main;
    libc_start_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    if (!real)
        abort();
    return real(hosted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
