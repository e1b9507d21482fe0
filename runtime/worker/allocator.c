#include "runtime/worker/allocator.h"

#include <dlfcn.h>
#include <stddef.h>
#include <sys/types.h>

enum { KEEP_MS = 1000 };

static int (*mallctl)(const char *name, void *old, size_t *old_len, void *value, size_t len);

void allocator_start(void)
{
    ssize_t decay_ms = KEEP_MS;
    *(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl"); /* it is preloaded, not linked */
    if (!mallctl)
        return;
    mallctl("arenas.dirty_decay_ms", NULL, NULL, &decay_ms, sizeof(decay_ms));     /* to come */
    mallctl("arena.4096.dirty_decay_ms", NULL, NULL, &decay_ms, sizeof(decay_ms)); /* all */
}

void allocator_tidy(void)
{
    if (mallctl)
        mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
}
