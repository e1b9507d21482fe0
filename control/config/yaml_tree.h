/* yaml_tree.h
 *
 * A YAML document as a tree of nodes that remember their lines, so that every complaint about a
 * configuration can say where. libcyaml fills the structs (conf.c) but stops at the first error and
 * knows no positions; this is the light pass beside it.
 *
 *   { line, key, value | children }      "certificates[0].key" is a path
 *
 * Anchors, aliases, tags and more than one document are refused: a configuration needs none of
 * them. Bounded by YAML_NODES_MAX and YAML_DEPTH_MAX. Source of the events: libyaml, which libcyaml
 * itself uses.
 */
#ifndef HEARTH_YAML_TREE_H
#define HEARTH_YAML_TREE_H

#include <stddef.h>
#include <stdint.h>

enum { YAML_NODES_MAX = 65536, YAML_DEPTH_MAX = 16 };

enum yaml_node_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_node_kind kind;
    uint32_t line; /* of the key, or of the entry */
    char *key;     /* NULL in a sequence and at the root */
    char *value;   /* of a scalar */
    struct yaml_node *child, *next;
};

/* NULL: not YAML; *line and error say why. An empty document is an empty mapping. */
struct yaml_node *yaml_tree_parse(const char *text, size_t bytes, uint32_t *line, char *error,
                                  size_t error_bytes);
void yaml_tree_free(struct yaml_node *);

/* Child of a mapping, or NULL. */
const struct yaml_node *yaml_tree_child(const struct yaml_node *, const char *key);
/* "limits.cpu_ms", "certificates[1].key"; NULL: not there. */
const struct yaml_node *yaml_tree_find(const struct yaml_node *root, const char *path);

#endif
