/* module_head.h
 *
 * What a JavaScript module imports, as far as its head tells: the import and export-from
 * declarations before the first statement that is anything else.
 *
 *   "use strict"; import a, {b as c} from "./x.js"; export * from "./y.js"; z(); import "./z.js";
 *   '------------------------------ the head ------------------------------'
 *
 * There they nearly always are. Never wrong: what is not plainly such a declaration ends the head.
 * Views into the text. Pure.
 *
 * Rejected: reading JavaScript whole; a regular expression over the text. What the head does not
 * tell, the trial finds (trial.h).
 */
#ifndef HEARTH_MODULE_HEAD_H
#define HEARTH_MODULE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module_head {
    const char *p, *end;
    uint32_t line;
};

struct module_import {
    const char *specifier;
    size_t bytes;
    uint32_t line;
};

void module_head_init(struct module_head *, const char *text, size_t bytes);
/* The next import; false: the head is over. */
bool module_head_next(struct module_head *, struct module_import *);

#endif
