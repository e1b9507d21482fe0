/* conf_check.h
 *
 * What a configuration must satisfy, in two steps: its shape against the schema (keys, kinds,
 * words), and its meaning (ranges, addresses, names, what needs what). Both collect every error.
 * Inside of conf.h.
 */
#ifndef HEARTH_CONF_CHECK_H
#define HEARTH_CONF_CHECK_H

#include <cyaml/cyaml.h>

#include "control/config/conf.h"
#include "control/config/yaml_tree.h"

/* Unknown keys (with the nearest known one), doubled keys, missing keys, wrong kinds of value. */
void conf_check_shape(const struct yaml_node *, const struct cyaml_schema_value *,
                      struct conf_verdict *);

/* Fills in defaults for what the file does not say, and checks the rest. */
void conf_check_meaning(struct conf *, const struct yaml_node *root, struct conf_verdict *);

#endif
