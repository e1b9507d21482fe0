#include "control/config/yaml_tree.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    uint32_t nodes;
    uint32_t line;
    char *error;
    size_t error_bytes;
};

static bool refuse(struct reader *r, size_t line, const char *text)
{
    r->line = (uint32_t)line + 1;
    snprintf(r->error, r->error_bytes, "%s", text);
    return false;
}

static bool next_event(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return true;
    r->line = (uint32_t)r->parser.problem_mark.line + 1;
    if (r->parser.context)
        snprintf(r->error, r->error_bytes, "not YAML: %s %s",
                 r->parser.problem ? r->parser.problem : "", r->parser.context);
    else
        snprintf(r->error, r->error_bytes, "not YAML: %s",
                 r->parser.problem ? r->parser.problem : "unknown problem");
    return false;
}

static struct yaml_node *node_create(struct reader *r, enum yaml_node_kind kind, size_t line)
{
    struct yaml_node *n;

    if (r->nodes++ >= YAML_NODES_MAX) {
        refuse(r, line, "too many values");
        return NULL;
    }
    n = calloc(1, sizeof(*n));
    if (!n) {
        refuse(r, line, "no memory");
        return NULL;
    }
    n->kind = kind;
    n->line = (uint32_t)line + 1;
    return n;
}

static bool read_children(struct reader *, struct yaml_node *, unsigned depth);

/* Consumes the event. */
static struct yaml_node *read_node(struct reader *r, yaml_event_t *event, unsigned depth)
{
    struct yaml_node *n = NULL;
    size_t line = event->start_mark.line;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor || event->data.scalar.tag) {
            refuse(r, line, "anchors and tags are not supported");
            break;
        }
        if (strlen((char *)event->data.scalar.value) != event->data.scalar.length) {
            refuse(r, line, "zero byte in a value");
            break;
        }
        n = node_create(r, YAML_SCALAR, line);
        if (n && !(n->value = strdup((char *)event->data.scalar.value))) {
            refuse(r, line, "no memory");
            yaml_tree_free(n);
            n = NULL;
        }
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (depth >= YAML_DEPTH_MAX) {
            refuse(r, line, "nested too deeply");
            break;
        }
        n = node_create(r, event->type == YAML_MAPPING_START_EVENT ? YAML_MAPPING : YAML_SEQUENCE,
                        line);
        if (n && !read_children(r, n, depth + 1)) {
            yaml_tree_free(n);
            n = NULL;
        }
        break;
    case YAML_ALIAS_EVENT:
        refuse(r, line, "aliases are not supported");
        break;
    default:
        refuse(r, line, "a value is missing");
        break;
    }
    yaml_event_delete(event);
    return n;
}

static bool read_children(struct reader *r, struct yaml_node *parent, unsigned depth)
{
    struct yaml_node **tail = &parent->child;

    for (;;) {
        yaml_event_t event;
        char *key = NULL;
        size_t line;

        if (!next_event(r, &event))
            return false;
        line = event.start_mark.line;
        if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        if (parent->kind == YAML_MAPPING) {
            if (event.type != YAML_SCALAR_EVENT) {
                yaml_event_delete(&event);
                return refuse(r, line, "a key must be a plain word");
            }
            key = strdup((char *)event.data.scalar.value);
            yaml_event_delete(&event);
            if (!key)
                return refuse(r, line, "no memory");
            if (!next_event(r, &event)) {
                free(key);
                return false;
            }
        }
        *tail = read_node(r, &event, depth);
        if (!*tail) {
            free(key);
            return false;
        }
        (*tail)->key = key;
        (*tail)->line = (uint32_t)line + 1;
        tail = &(*tail)->next;
    }
}

static struct yaml_node *read_document(struct reader *r)
{
    struct yaml_node *root = NULL;

    for (;;) {
        yaml_event_t event;
        yaml_event_type_t type;
        size_t line;

        if (!next_event(r, &event))
            break;
        type = event.type;
        line = event.start_mark.line;
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT) {
            yaml_event_delete(&event);
        } else if (type == YAML_DOCUMENT_START_EVENT) {
            yaml_event_delete(&event);
            if (root) {
                refuse(r, line, "more than one document");
                break;
            }
        } else if (type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            return root ? root : node_create(r, YAML_MAPPING, 0);
        } else {
            root = read_node(r, &event, 0);
            if (!root)
                return NULL;
        }
    }
    yaml_tree_free(root);
    return NULL;
}

struct yaml_node *yaml_tree_parse(const char *text, size_t bytes, uint32_t *line, char *error,
                                  size_t error_bytes)
{
    struct reader r = {.error = error, .error_bytes = error_bytes};
    struct yaml_node *root;

    *line = 0;
    if (!yaml_parser_initialize(&r.parser)) {
        snprintf(error, error_bytes, "no memory");
        return NULL;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, bytes);
    root = read_document(&r);
    yaml_parser_delete(&r.parser);
    *line = r.line;
    return root;
}

void yaml_tree_free(struct yaml_node *n)
{
    while (n) {
        struct yaml_node *next = n->next;

        yaml_tree_free(n->child);
        free(n->key);
        free(n->value);
        free(n);
        n = next;
    }
}

const struct yaml_node *yaml_tree_child(const struct yaml_node *n, const char *key)
{
    if (n->kind != YAML_MAPPING)
        return NULL;
    for (const struct yaml_node *c = n->child; c; c = c->next)
        if (!strcmp(c->key, key))
            return c;
    return NULL;
}

const struct yaml_node *yaml_tree_find(const struct yaml_node *n, const char *path)
{
    while (n && *path) {
        if (*path == '[') {
            char *end;
            unsigned long index = strtoul(path + 1, &end, 10);

            if (n->kind != YAML_SEQUENCE || *end != ']')
                return NULL;
            for (n = n->child; n && index; index--)
                n = n->next;
            path = end + 1;
        } else {
            char key[64];
            size_t len;

            path += *path == '.';
            len = strcspn(path, ".[");
            if (len >= sizeof(key))
                return NULL;
            memcpy(key, path, len);
            key[len] = 0;
            n = yaml_tree_child(n, key);
            path += len;
        }
    }
    return n;
}
