/* conf_numbers.h
 *
 * Every number of hearth.yaml that has one place in struct conf: its default and its range, both
 * ends of which a node must be able to run with. Those in lists (CPUs, members) are conf_check.c's.
 * Inside of conf.h, and for the tests that try them all.
 */
#ifndef HEARTH_CONF_NUMBERS_H
#define HEARTH_CONF_NUMBERS_H

#include "control/config/conf.h"

struct conf_number {
    const char *block, *key; /* "limits", "cpu_ms"; block "": at the top */
    size_t offset;           /* in struct conf */
    uint8_t bytes;
    uint32_t value, min, max; /* value: the default */
};

/* False: there are not so many. */
bool conf_number_at(uint32_t index, struct conf_number *);

#endif
