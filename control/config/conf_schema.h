/* conf_schema.h
 *
 * The language of hearth.yaml, what keys there are and of which kind: one table for libcyaml, for
 * the check of the shape, and for printing. It is in conf.c. Inside of conf.h.
 */
#ifndef HEARTH_CONF_SCHEMA_H
#define HEARTH_CONF_SCHEMA_H

#include <cyaml/cyaml.h>

extern const struct cyaml_schema_value conf_schema;

#endif
