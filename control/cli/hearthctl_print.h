/* hearthctl_print.h
 *
 * hearthd's replies as tables for people. The caller has cleaned them (clean.h): what scripts and
 * other nodes say is in them.
 */
#ifndef HEARTH_HEARTHCTL_PRINT_H
#define HEARTH_HEARTHCTL_PRINT_H

#include <jansson.h>

void print_status(const json_t *);
void print_reload(const json_t *);
void print_deploy(const json_t *);
void print_delete(const json_t *);
void print_scripts(const json_t *);
void print_names(const json_t *);
void print_stats(const json_t *);
void print_cycles(const json_t *); /* of the same reply */
void print_text(const json_t *);
void print_doctor(const json_t *);
void print_log_line(const json_t *); /* without a line end */

#endif
