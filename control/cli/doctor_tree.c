/* doctor_tree.c: reads a machine's files below a root, and keeps what was found. */
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cli/doctor_parts.h"

static void path_of(const struct doctor *d, char out[PATH_MAX], const char *format, va_list args)
{
    int at = snprintf(out, PATH_MAX, "%s", d->root);

    if (at >= 0 && at < PATH_MAX)
        vsnprintf(out + at, PATH_MAX - (size_t)at, format, args);
}

#define PATH_FROM(format)                                                                          \
    char path[PATH_MAX];                                                                           \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    path_of(d, path, format, args);                                                                \
    va_end(args)

void doctor_path(const struct doctor *d, char out[PATH_MAX], const char *format, ...)
{
    PATH_FROM(format);
    memcpy(out, path, sizeof(path));
}

static bool read_line(const char *path, char *out, size_t bytes)
{
    FILE *f = fopen(path, "re");
    bool is_read = f && fgets(out, (int)bytes, f);

    if (f)
        fclose(f);
    if (!is_read)
        *out = 0;
    out[strcspn(out, "\n")] = 0;
    return is_read;
}

bool doctor_line(const struct doctor *d, char *out, size_t bytes, const char *format, ...)
{
    PATH_FROM(format);
    return read_line(path, out, bytes);
}

long doctor_number(const struct doctor *d, long otherwise, const char *format, ...)
{
    char text[64], *end;
    PATH_FROM(format);
    if (!read_line(path, text, sizeof(text)))
        return otherwise;
    long value = strtol(text, &end, 0);
    return end == text ? otherwise : value;
}

bool doctor_has(const struct doctor *d, const char *format, ...)
{
    PATH_FROM(format);
    return access(path, F_OK) == 0;
}

bool doctor_link(const struct doctor *d, char *out, size_t bytes, const char *format, ...)
{
    char target[PATH_MAX];
    PATH_FROM(format);
    ssize_t n = readlink(path, target, sizeof(target) - 1);

    *out = 0;
    if (n < 0)
        return false;
    target[n] = 0;
    snprintf(out, bytes, "%s", basename(target));
    return true;
}

DIR *doctor_dir(const struct doctor *d, const char *format, ...)
{
    PATH_FROM(format);
    return opendir(path);
}

const char *doctor_next(DIR *dir)
{
    struct dirent *e;

    while (dir && (e = readdir(dir)))
        if (e->d_name[0] != '.')
            return e->d_name;
    return NULL;
}

void doctor_report(struct doctor *d, const char *name, enum doctor_state state, const char *advice,
                   const char *format, ...)
{
    static const char *const states[] = {"good", "advice", "bad"};
    char found[2 * DOCTOR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(found, sizeof(found), format, args);
    va_end(args);
    json_array_append_new(d->checks,
                          json_pack("{s:s, s:s, s:s, s:s}", "name", name, "state", states[state],
                                    "found", found, "advice", state == DOCTOR_GOOD ? "" : advice));
}

/* ---- sets of CPUs ---- */

void doctor_cpus_add(struct doctor_cpus *c, uint32_t cpu)
{
    if (cpu < DOCTOR_CPUS_MAX)
        c->bit[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

bool doctor_cpus_has(const struct doctor_cpus *c, uint32_t cpu)
{
    return cpu < DOCTOR_CPUS_MAX && c->bit[cpu / 64] >> cpu % 64 & 1;
}

bool doctor_cpus_any(const struct doctor_cpus *c)
{
    for (size_t i = 0; i < DOCTOR_CPUS_MAX / 64; i++)
        if (c->bit[i])
            return true;
    return false;
}

void doctor_cpus_parse(struct doctor_cpus *c, const char *list)
{
    *c = (struct doctor_cpus){0};
    for (char *end; *list; list = *end == ',' ? end + 1 : end) {
        unsigned long first = strtoul(list, &end, 10), last = first;

        if (end == list)
            return;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (unsigned long cpu = first; cpu <= last && cpu < DOCTOR_CPUS_MAX; cpu++)
            doctor_cpus_add(c, (uint32_t)cpu);
        if (*end != ',' && *end)
            return;
    }
}

bool doctor_cpus_read(const struct doctor *d, struct doctor_cpus *c, const char *format, ...)
{
    char list[1024];
    PATH_FROM(format);
    bool is_read = read_line(path, list, sizeof(list));

    doctor_cpus_parse(c, list);
    return is_read;
}

struct doctor_cpus doctor_cpus_less(struct doctor_cpus a, const struct doctor_cpus *b)
{
    for (size_t i = 0; i < DOCTOR_CPUS_MAX / 64; i++)
        a.bit[i] &= ~b->bit[i];
    return a;
}

struct doctor_cpus doctor_cpus_both(struct doctor_cpus a, const struct doctor_cpus *b)
{
    for (size_t i = 0; i < DOCTOR_CPUS_MAX / 64; i++)
        a.bit[i] &= b->bit[i];
    return a;
}

const char *doctor_cpus_text(const struct doctor_cpus *c, char out[DOCTOR_TEXT_BYTES])
{
    size_t at = 0;

    out[0] = 0;
    for (uint32_t cpu = 0, last; cpu < DOCTOR_CPUS_MAX && at < DOCTOR_TEXT_BYTES; cpu = last + 1) {
        last = cpu;
        if (!doctor_cpus_has(c, cpu))
            continue;
        while (doctor_cpus_has(c, last + 1))
            last++;
        at += (size_t)snprintf(out + at, DOCTOR_TEXT_BYTES - at, last > cpu ? "%s%u-%u" : "%s%u",
                               at ? "," : "", cpu, last);
    }
    return out;
}
