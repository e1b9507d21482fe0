#include "runtime/worker/footprint.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    WINDOW = 65536,
    MAPPINGS_MAX = 1024,
    PAGES_AT_ONCE = 512,
};

/* Of an entry of /proc/PID/pagemap. */
static const uint64_t is_present = 1ull << 63, is_of_file = 1ull << 61, is_own = 1ull << 56;

struct mapping {
    uintptr_t from, to;
    bool is_writable;
};

/* Private ones that can be touched. */
static bool is_touchable(const char rights[5], const char *line)
{
    return rights[0] == 'r' && rights[3] == 'p' && !(rights[1] == 'w' && rights[2] == 'x') &&
           !strstr(line, "[v");
}

/* Returns how many. Memory with a protection key is left out, where the CPU has keys (Xeons have):
 * V8 keeps its own from writing to code, and to the data that says what is code. */
static uint32_t read_mappings(struct mapping mapping[MAPPINGS_MAX])
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512], rights[5];
    unsigned long from, to;
    unsigned key;
    uint32_t count = 0;
    bool is_last_in = false;

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3) {
            is_last_in = count < MAPPINGS_MAX && is_touchable(rights, line);
            if (is_last_in)
                mapping[count++] = (struct mapping){from, to, rights[1] == 'w'};
        } else if (sscanf(line, "ProtectionKey: %u", &key) == 1 && key && is_last_in) {
            count--;
            is_last_in = false;
        }
    }
    if (f)
        fclose(f);
    return count;
}

/* The kernel maps a window of a file with the page of it that is asked for (fault_around_bytes). */
static bool is_known(const struct footprint_range *last, uintptr_t at, bool is_written)
{
    return last && !is_written && !last->is_written && last->at / WINDOW == at / WINDOW;
}

static void add(struct footprint *f, uintptr_t at, bool is_written)
{
    struct footprint_range *last = f->count ? &f->range[f->count - 1] : NULL;

    if (is_known(last, at, is_written))
        return;
    if (last && is_written && last->is_written && last->at + last->bytes == at)
        last->bytes += PAGE;
    else if (f->count < FOOTPRINT_RANGES_MAX)
        f->range[f->count++] = (struct footprint_range){at, PAGE, is_written};
}

/* Memory that is there and nobody else's was copied by writing. A page of a file that is there was
 * asked for. The rest has come with the fork. */
static void note(struct footprint *f, const struct mapping *m, uintptr_t at, uint64_t page)
{
    if (!(page & is_present))
        return;
    if (page & is_of_file)
        add(f, at, false);
    else if ((page & is_own) && m->is_writable)
        add(f, at, true);
}

static void note_mapping(struct footprint *f, int pagemap, const struct mapping *m)
{
    uint64_t page[PAGES_AT_ONCE];

    for (uintptr_t at = m->from; at < m->to; at += sizeof(page) / sizeof(page[0]) * PAGE) {
        const off_t place = (off_t)(at / PAGE * sizeof(page[0]));
        const ssize_t n = pread(pagemap, page, sizeof(page), place);

        for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(page[0]) && at + i * PAGE < m->to; i++)
            note(f, m, at + i * PAGE, page[i]);
    }
}

/* Shared with the child, and in a mapping of its own: looking should leave no trace where it is
 * looked at. */
struct lesson {
    struct footprint seen;
    struct mapping mapping[MAPPINGS_MAX]; /* before the rehearsal: what that maps a cell has not */
    uint32_t mappings;
};

/* In the child. */
static void rehearse_and_note(struct lesson *l, void (*rehearse)(void *), void *arg)
{
    int pagemap;

    rehearse(arg);
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    for (uint32_t i = 0; pagemap >= 0 && i < l->mappings; i++)
        note_mapping(&l->seen, pagemap, &l->mapping[i]);
}

const char *footprint_learn(struct footprint *f, void (*rehearse)(void *arg), void *arg)
{
    struct lesson *l =
        mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = -1;
    long pid;

    if (l == MAP_FAILED)
        return "no memory";
    l->mappings = read_mappings(l->mapping);
    /* Not fork(), which runs the handlers of pthread_atfork(): they write. */
    pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        rehearse_and_note(l, rehearse, arg);
        _exit(0);
    }
    if (pid > 0 && waitpid((pid_t)pid, &status, 0) == pid && status == 0)
        *f = l->seen;
    munmap(l, sizeof(*l));
    if (status)
        return pid < 0 ? "no process" : "the rehearsal failed";
    return f->count ? NULL : "/proc does not tell";
}

/* Rejected: madvise(MADV_POPULATE_WRITE): a call for each range, and slower by a fifth. */
void footprint_take(const struct footprint *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const struct footprint_range *r = &f->range[i];

        for (uintptr_t at = r->at; at < r->at + r->bytes; at += PAGE) {
            volatile uint8_t *byte = (volatile uint8_t *)at;
            uint8_t value = *byte;

            if (r->is_written)
                *byte = value;
        }
    }
}
