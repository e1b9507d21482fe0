/* dev_vars.h
 *
 * The lines of a .dev.vars file, which is a dotenv file:
 *
 *   # a comment
 *   KEY=value                up to the end of the line, or to " #"; without blanks around it
 *   export KEY='as it is'    or in `...`; may go over several lines
 *   KEY="with \n and \""     \n is a line end there
 *
 * Source: dotenv's README. Rejected: $NAME for the value of another one, which dotenv itself does
 * not do. Pure; of hearthctl.
 */
#ifndef HEARTH_DEV_VARS_H
#define HEARTH_DEV_VARS_H

#include <jansson.h>

#include "control/deploy/fault.h"

/* Sets each KEY in vars. text ends in NUL. 0, or -1 and a sentence with the line. */
int dev_vars_read(const char *file, const char *text, json_t *vars, const struct fault *);

#endif
