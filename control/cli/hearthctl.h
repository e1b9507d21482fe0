/* hearthctl.h
 *
 * What the commands of hearthctl share: options, the ways to ask and to fail, the row of the
 * command list. Inside of hearthctl.
 */
#ifndef HEARTH_HEARTHCTL_H
#define HEARTH_HEARTHCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { DONE = 0, REFUSED = 1, USAGE = 2, UNREACHABLE = 3 }; /* exit codes */

struct options {
    const char *socket;
    const char *token; /* said with each request; NULL: the socket's owner asks */
    bool is_json;
    bool is_cycles;            /* of stats */
    const char *add, *remove;  /* of ring plan; NULL: not given */
    const char *config, *root; /* of doctor; NULL: not given */
    const char *env, *out;     /* of deploy and build; NULL: not given */
    bool has_dev_vars;
    json_t *warnings; /* said with a refusal too, as JSON; NULL: none */
    int argc;         /* what is left: the command's arguments */
    char **argv;
};

struct command {
    const char *name, *arguments, *summary, *details;
    int args_min, args_max;
    int (*run)(const struct options *, const struct command *);
    void (*print)(const json_t *reply); /* for people; NULL: by run itself */
};

void hearthctl_print_json(const json_t *);
/* Prints the sentence the way the options want it; returns code. */
int hearthctl_fail(const struct options *, int code, const char *error);
/* Consumes j: as JSON, or by print. Returns DONE. */
int hearthctl_show(const struct options *, json_t *j, void (*print)(const json_t *));

/* Sends a request (consumed) and shows the reply; returns the exit code. */
int hearthctl_ask(const struct options *, const struct command *, json_t *request,
                  const void *payload, size_t bytes);

/* Its halves, for those who ask more than once: a connection, and a request (consumed) on it.
 * *reply is set when the code is DONE. */
int hearthctl_reach(const struct options *, int *fd);
int hearthctl_ask_on(const struct options *, int fd, json_t *request, const void *payload,
                     size_t bytes, json_t **reply);

/* ---- hearthctl_account.c ---- */
int hearthctl_account(const struct options *, const struct command *);
/* The token in a file, or in the environment: NULL if there is none. *code is not DONE if there
 * should be one: said already. */
const char *hearthctl_token(const struct options *, const char *file, int *code);
/* ---- hearthctl_deploy.c ---- */
int hearthctl_deploy(const struct options *, const struct command *);
int hearthctl_build(const struct options *, const struct command *);
/* ---- hearthctl_key.c ---- */
int hearthctl_key(const struct options *, const struct command *);
/* ---- hearthctl_node.c ---- */
int hearthctl_node(const struct options *, const struct command *);
int hearthctl_tune(const struct options *, const struct command *);
void print_tune(const json_t *reply);
void print_cluster(const json_t *reply);
int hearthctl_why(const struct options *, const struct command *);
void print_why(const json_t *reply);
/* ---- hearthctl_top.c ---- */
int hearthctl_top(const struct options *, const struct command *);
/* ---- hearthctl_ring.c ---- */
int hearthctl_ring(const struct options *, const struct command *);

#endif
