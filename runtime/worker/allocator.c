#include "runtime/worker/allocator.h"

#include <dlfcn.h>
#include <stddef.h>
#include <sys/types.h>

typedef int mallctl_fn(const char *name, void *old, size_t *old_len, void *value, size_t len);

void allocator_keep_nothing(void)
{
    mallctl_fn *mallctl;
    ssize_t decay_ms = 0;
    *(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl"); /* it is preloaded, not linked */
    if (!mallctl)
        return;
    mallctl("arenas.dirty_decay_ms", NULL, NULL, &decay_ms, sizeof(decay_ms));     /* to come */
    mallctl("arena.4096.dirty_decay_ms", NULL, NULL, &decay_ms, sizeof(decay_ms)); /* all */
}
