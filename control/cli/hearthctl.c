/* hearthctl: the operator's command line; a thin client of ctl.h. check, doctor, key, completion
 * and help need no hearthd.
 *
 * Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 hearthd cannot be reached.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "control/base/clean.h"
#include "control/base/json_field.h"
#include "control/cli/ctl_client.h"
#include "control/cli/doctor.h"
#include "control/cli/hearthctl.h"
#include "control/cli/hearthctl_print.h"
#include "control/config/conf.h"
#include "control/config/install.h"
#include "control/config/tune.h"
#include "control/config/user.h"
#include "control/world/credentials.h"

void hearthctl_print_json(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
    fputc('\n', stdout);
}

int hearthctl_fail(const struct options *o, int code, const char *error)
{
    char text[4096];

    clean(text, sizeof(text), error, strlen(error), o->is_json ? CLEAN_UTF8 : CLEAN_TEXT);
    if (o->is_json) {
        json_t *j = json_pack("{s:b, s:s}", "ok", 0, "error", text);

        if (o->warnings)
            json_object_set(j, "warnings", o->warnings);
        hearthctl_print_json(j);
        json_decref(j);
    } else {
        fprintf(stderr, "hearthctl: %s\n", text);
    }
    return code;
}

int hearthctl_show(const struct options *o, json_t *j, void (*print)(const json_t *))
{
    if (o->is_json) {
        hearthctl_print_json(j);
    } else {
        clean_json(j, print == print_text ? CLEAN_TEXT : CLEAN_LINE);
        print(j);
    }
    json_decref(j);
    return DONE;
}

/* ---- asking hearthd ---- */

int hearthctl_reach(const struct options *o, int *fd)
{
    char text[256];

    *fd = ctl_connect(o->socket);
    if (*fd >= 0)
        return DONE;
    snprintf(text, sizeof(text), "hearthd does not answer at %s: %s", o->socket, strerror(-*fd));
    return hearthctl_fail(o, UNREACHABLE, text);
}

int hearthctl_ask_on(const struct options *o, int fd, json_t *request, const void *payload,
                     size_t bytes, json_t **reply)
{
    int rc;

    if (o->token)
        json_object_set_new(request, "token", json_string(o->token));
    rc = ctl_send(fd, request, payload, bytes);
    json_decref(request);
    /* A server that refused early has closed: its sentence may still be there to read. */
    *reply = ctl_receive(fd);
    if (!*reply)
        return hearthctl_fail(o, UNREACHABLE, rc ? strerror(-rc) : "hearthd closed the connection");
    if (!json_is_true(json_object_get(*reply, "ok"))) {
        const char *error = json_string_value(json_object_get(*reply, "error"));

        rc = hearthctl_fail(o, REFUSED, error ? error : "refused");
        json_decref(*reply);
        *reply = NULL;
        return rc;
    }
    return DONE;
}

int hearthctl_ask(const struct options *o, const struct command *c, json_t *request,
                  const void *payload, size_t bytes)
{
    json_t *reply;
    int fd, rc = hearthctl_reach(o, &fd);

    if (rc) {
        json_decref(request);
        return rc;
    }
    rc = hearthctl_ask_on(o, fd, request, payload, bytes, &reply);
    close(fd);
    return rc ? rc : hearthctl_show(o, reply, c->print);
}

static int run_plain(const struct options *o, const struct command *c)
{
    return hearthctl_ask(o, c, json_pack("{s:s}", "command", c->name), NULL, 0);
}

static int run_stats(const struct options *o, const struct command *c)
{
    struct command cycles = *c;

    cycles.print = print_cycles;
    return run_plain(o, o->is_cycles ? &cycles : c);
}

static int run_scripts(const struct options *o, const struct command *c)
{
    return hearthctl_ask(
        o, c, json_pack("{s:s, s:s}", "command", "scripts", "name", o->argc ? o->argv[0] : ""),
        NULL, 0);
}

static int run_rollback(const struct options *o, const struct command *c)
{
    return hearthctl_ask(o, c,
                         json_pack("{s:s, s:s, s:s}", "command", "rollback", "name", o->argv[0],
                                   "version", o->argc > 1 ? o->argv[1] : ""),
                         NULL, 0);
}

static int run_delete(const struct options *o, const struct command *c)
{
    return hearthctl_ask(o, c, json_pack("{s:s, s:s}", "command", "delete", "name", o->argv[0]),
                         NULL, 0);
}

static int run_tail(const struct options *o, const struct command *c)
{
    json_t *line;
    int fd, rc = hearthctl_reach(o, &fd);

    if (rc)
        return rc;
    rc = hearthctl_ask_on(
        o, fd, json_pack("{s:s, s:s}", "command", "tail", "script", o->argc ? o->argv[0] : ""),
        NULL, 0, &line);
    if (!rc && line && json_is_true(json_object_get(line, "is_alone")))
        fputs("hearthctl: lines of this node only: its role in the cluster is \"edge\"\n", stderr);
    while (!rc && line) {
        json_decref(line);
        line = ctl_receive(fd);
        if (line && o->is_json) {
            json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
        } else if (line) {
            clean_json(line, CLEAN_LINE);
            print_log_line(line);
        }
        if (line)
            fputc('\n', stdout);
        fflush(stdout);
    }
    close(fd);
    return rc;
}

/* ---- without hearthd ---- */

/* line: 0 if there is none. */
static void print_fault(const char *file, uint32_t line, const char *text)
{
    char cleaned[4096];

    clean(cleaned, sizeof(cleaned), text, strlen(text), CLEAN_LINE);
    if (line)
        fprintf(stderr, "%s:%u: %s\n", file, line, cleaned);
    else
        fprintf(stderr, "%s: %s\n", file, cleaned);
}

static int run_check(const struct options *o, const struct command *c)
{
    const char *file = o->argc ? o->argv[0] : "/etc/hearth/hearth.yaml";
    struct conf_verdict *v = calloc(1, sizeof(*v));
    struct conf *conf = v ? conf_read(file, v) : NULL;
    bool is_good =
        conf && (credentials_check(conf, v) & install_check(conf, v) & user_check(conf, file, v));
    uint32_t kept = v && v->count > CONF_ERRORS_MAX ? CONF_ERRORS_MAX : v ? v->count : 0;

    if (o->is_json) {
        json_t *errors = json_array();
        json_t *j =
            json_pack("{s:b, s:s, s:o}", "ok", (int)is_good, "file", file, "errors", errors);

        for (uint32_t i = 0; i < kept; i++)
            json_array_append_new(errors, json_pack("{s:i, s:s}", "line", (int)v->error[i].line,
                                                    "error", v->error[i].text));
        hearthctl_print_json(j);
        json_decref(j);
    } else if (is_good) {
        printf("%s: good\n", file);
    } else {
        for (uint32_t i = 0; i < kept; i++)
            print_fault(file, v->error[i].line, v->error[i].text);
        if (v && v->count > kept)
            fprintf(stderr, "%s: and %u more\n", file, v->count - kept);
    }
    conf_free(conf);
    free(v);
    return is_good ? DONE : REFUSED;
}

static int run_doctor(const struct options *o, const struct command *c)
{
    const struct doctor_question q = {
        .root = o->root ? o->root : "",
        .config = o->config,
        .iface = o->argc ? o->argv[0] : NULL,
    };

    return hearthctl_show(o, doctor_examine(&q), print_doctor);
}

static int run_completion(const struct options *, const struct command *);

/* ---- the list ---- */

static const struct command commands[] = {
    {"status", "", "the node, its port, cores and cells", "", 0, 0, run_plain, print_status},
    {"check", "[FILE]", "judge a configuration: every error with its line",
     "FILE defaults to /etc/hearth/hearth.yaml. The certificates and keys that it names are loaded "
     "as a start would, and the runtime's files looked for. Needs no hearthd.",
     0, 1, run_check, NULL},
    {"reload", "", "read the configuration and the certificates again",
     "What cannot change while hearthd runs is named. A bad file changes nothing.", 0, 0, run_plain,
     print_reload},
    {"deploy", "DIR", "deploy the script in DIR",
     "DIR has wrangler.jsonc, wrangler.json or wrangler.toml with name, main, routes, vars, "
     "services, limits. A project (TypeScript, package.json) is built first.\n"
     "Keys that nobody knows are warned of; bindings that hearth has not are refused. A version "
     "that "
     "does not load is refused too, and the one before stays.\n"
     "--env NAME   an environment of wrangler's configuration\n"
     "--dev-vars   what .dev.vars says are vars too",
     1, 1, hearthctl_deploy, print_deploy},
    {"build", "DIR", "build the script in DIR, and write what deploy would send",
     "--out DIR    where to; absent: .hearth/build in DIR. The manifest, and the modules as "
     "files.\n"
     "--env NAME, --dev-vars: as of deploy. Needs no hearthd.",
     1, 1, hearthctl_build, NULL},
    {"scripts", "[NAME]", "deployed scripts; with NAME its versions too", "", 0, 1, run_scripts,
     print_scripts},
    {"rollback", "NAME [VERSION]", "make an earlier version current",
     "VERSION is the beginning of one (see scripts NAME); absent: the one before.", 1, 2,
     run_rollback, print_deploy},
    {"delete", "NAME", "remove a script and all its versions", "", 1, 1, run_delete, print_delete},
    {"stats", "[--cycles]", "all counters, per core, with what is unaccounted for",
     "--cycles  where the cores' time went instead: by stage of their work, since the start", 0, 0,
     run_stats, print_stats},
    {"top", "[SECONDS]", "what the node does, second by second",
     "Ends after SECONDS, or when it is interrupted. With --json one object per line.", 0, 1,
     hearthctl_top, NULL},
    {"metrics", "", "the counters as OpenMetrics text", "", 0, 0, run_plain, print_text},
    {"limits", "", "every limit, and the memory of a core", "", 0, 0, run_plain, print_text},
    {"config", "", "the configuration in effect", "", 0, 0, run_plain, print_text},
    {"tail", "[NAME]", "log lines of a script, or of all, as they come",
     "Of all nodes of the cluster. Ends when it is interrupted. With --json one object per line.",
     0, 1, run_tail, NULL},
    {"node", "status|drain|undrain", "this node among the others",
     "status   every member: its state, load, distance and ring\n"
     "drain    hand the warm scripts to their next homes, then be nobody's home; requests that "
     "come are served\n"
     "undrain  take the scripts back: warm first, then home again",
     1, 1, hearthctl_node, NULL},
    {"why", "REQUEST-ID", "the story of one request, over all nodes",
     "REQUEST-ID is in the response header x-hearth-request-id (debug_headers) and in log lines. "
     "Any node can be asked.",
     1, 1, hearthctl_why, print_why},
    {"ring", "show|locate|plan ...", "homes of scripts, and what a change of members would move",
     "show                        members, their shares and states, epoch and digest\n"
     "locate HOST-or-SCRIPT       home and successors of a script, or of those that answer at a "
     "host\n"
     "plan --add NODE[:WEIGHT]    what would move if NODE joined; 100, one share, is the default\n"
     "plan --remove NODE          what would move if NODE were no member any more\n"
     "plan changes nothing.",
     1, 2, hearthctl_ring, NULL},
    {"tune", "[KEY=VALUE...]", "the knobs of placement, overload and warming",
     "Takes effect at once, on this node. It does not write the configuration file.", 0, TUNE_KEYS,
     hearthctl_tune, print_tune},
    {"doctor", "[IFACE]", "what is wrong with this machine, and what mends it",
     "Kernel, CPUs, memory, the port's card, files, and the ports possible per interface. Needs no "
     "hearthd.\n"
     "--config FILE  what the machine is for; default /etc/hearth/hearth.yaml, if it is there\n"
     "--root DIR     a copy of a machine's etc, proc, sys, dev and var instead of this one",
     0, 1, run_doctor, NULL},
    {"key", "new|show|secret FILE", "make or show the keys of a node and of a cluster",
     "new     a private key of this node, in a new FILE of mode 0600; prints the public key\n"
     "show    the public key of a private key's FILE: what the list of members says\n"
     "secret  a secret that all members share, in a new FILE of mode 0600\n"
     "A FILE that is there already is never overwritten. Needs no hearthd.",
     2, 2, hearthctl_key, NULL},
    {"account", "list|add|limit ...", "who else may deploy here, and what he may have",
     "list                              accounts, their hosts, ceilings and tokens\n"
     "add NAME [KEY=VALUE...]           a new one; its scripts are NAME/SCRIPT\n"
     "limit NAME KEY=VALUE...           change it; an empty VALUE takes a ceiling away\n"
     "token NAME [SCOPES] [sha256=HEX]  a new token of deploy,read,tail; shown once. sha256: of "
     "one "
     "that another node made\n"
     "revoke NAME ID                    a token, by the ID that list shows\n"
     "remove NAME                       an account without scripts\n"
     "KEY is hosts (names and *.zones, with commas), or a ceiling: cpu_ms, memory_mb, subrequests, "
     "wall_ms, size_mb, cells_memory_mb, requests, log_lines, timers, scripts.",
     1, 24, hearthctl_account, NULL},
    {"completion", "bash", "shell completion: eval \"$(hearthctl completion bash)\"", "", 1, 1,
     run_completion, NULL},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int run_completion(const struct options *o, const struct command *c)
{
    if (strcmp(o->argv[0], "bash"))
        return hearthctl_fail(o, USAGE, "only bash is known");
    fputs("_hearthctl() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} i command=\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        --socket | --token-file) ((i++)) ;;\n"
          "        -*) ;;\n"
          "        *) command=${COMP_WORDS[i]}; break ;;\n"
          "        esac\n"
          "    done\n"
          "    case $command in\n"
          "    '') COMPREPLY=($(compgen -W '",
          stdout);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("%s ", commands[i].name);
    fputs("--json --help --socket --token-file' -- \"$cur\")) ;;\n"
          "    account) COMPREPLY=($(compgen -W 'list add limit token revoke remove' -- \"$cur\")) "
          ";;\n"
          "    deploy | build) COMPREPLY=($(compgen -d -W '--env --dev-vars' -- \"$cur\")) ;;\n"
          "    ring) COMPREPLY=($(compgen -W 'show locate plan --add --remove' -- \"$cur\")) ;;\n"
          "    node) COMPREPLY=($(compgen -W 'status drain undrain' -- \"$cur\")) ;;\n"
          "    tune) compopt -o nospace; COMPREPLY=($(compgen -S = -W '",
          stdout);
    for (size_t i = 0; i < TUNE_KEYS; i++)
        printf("%s ", tune_keys[i].name);
    fputs("' -- \"$cur\")) ;;\n"
          "    key) COMPREPLY=($(compgen -f -W 'new show secret' -- \"$cur\")) ;;\n"
          "    check) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
          "    scripts | rollback | delete | tail)\n"
          "        COMPREPLY=($(compgen -W \"$(hearthctl scripts --names 2>/dev/null)\" -- "
          "\"$cur\")) ;;\n"
          "    doctor) COMPREPLY=($(compgen -W \"$(ls /sys/class/net) --config --root\" -- "
          "\"$cur\")) "
          ";;\n"
          "    stats) COMPREPLY=($(compgen -W '--cycles --json --help' -- \"$cur\")) ;;\n"
          "    completion) COMPREPLY=($(compgen -W bash -- \"$cur\")) ;;\n"
          "    *) COMPREPLY=($(compgen -W '--json --help' -- \"$cur\")) ;;\n"
          "    esac\n"
          "}\n"
          "complete -F _hearthctl hearthctl\n",
          stdout);
    return DONE;
}

static void print_help(FILE *out)
{
    fputs("usage: hearthctl [--socket PATH] [--token-file FILE] COMMAND [ARGUMENTS] [--json]\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++) {
        char left[48];

        snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].arguments);
        fprintf(out, "  %-26s %s\n", left, commands[i].summary);
    }
    fputs(
        "\n  --socket PATH   of hearthd's control socket; default $HEARTH_SOCKET or "
        "/run/hearth/ctl.sock\n"
        "  --token-file F  of an account, in whose name to ask; or $HEARTH_TOKEN, the token "
        "itself\n"
        "  --json          machine-readable output\n"
        "  --help          of a command: hearthctl COMMAND --help\n"
        "\nExit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 hearthd cannot be reached.\n",
        out);
}

static void print_command_help(const struct command *c)
{
    printf("usage: hearthctl %s%s%s [--json]\n\n%s\n", c->name, *c->arguments ? " " : "",
           c->arguments, c->summary);
    if (*c->details)
        printf("%s\n", c->details);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* What stands in front of the command, and between its arguments. False: there is no such
 * option. */
static bool read_options(int argc, char **argv, struct options *o, bool *is_help, bool *is_names,
                         const char **token_file)
{
    static const struct option long_options[] = {
        {"socket", required_argument, NULL, 's'}, {"token-file", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},         {"help", no_argument, NULL, 'h'},
        {"names", no_argument, NULL, 'n'},        {"add", required_argument, NULL, 'a'},
        {"remove", required_argument, NULL, 'r'}, {"config", required_argument, NULL, 'c'},
        {"root", required_argument, NULL, 'o'},   {"cycles", no_argument, NULL, 'y'},
        {"env", required_argument, NULL, 'e'},    {"dev-vars", no_argument, NULL, 'v'},
        {"out", required_argument, NULL, 'O'},    {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == 's')
            o->socket = optarg;
        else if (option == 't')
            *token_file = optarg;
        else if (option == 'j')
            o->is_json = true;
        else if (option == 'h')
            *is_help = true;
        else if (option == 'n')
            *is_names = true;
        else if (option == 'a')
            o->add = optarg;
        else if (option == 'r')
            o->remove = optarg;
        else if (option == 'c')
            o->config = optarg;
        else if (option == 'o')
            o->root = optarg;
        else if (option == 'y')
            o->is_cycles = true;
        else if (option == 'e')
            o->env = optarg;
        else if (option == 'v')
            o->has_dev_vars = true;
        else if (option == 'O')
            o->out = optarg;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options o = {.socket = getenv("HEARTH_SOCKET")};
    const struct command *c;
    const char *token_file = NULL;
    bool is_help = false, is_names = false;
    int code;

    if (!o.socket)
        o.socket = "/run/hearth/ctl.sock";
    if (!read_options(argc, argv, &o, &is_help, &is_names, &token_file))
        return USAGE;
    if (optind == argc) {
        print_help(is_help ? stdout : stderr);
        return is_help ? DONE : USAGE;
    }
    c = find_command(argv[optind]);
    if (!c) {
        fprintf(stderr, "hearthctl: there is no command \"%s\"; see hearthctl --help\n",
                argv[optind]);
        return USAGE;
    }
    if (is_help) {
        print_command_help(c);
        return DONE;
    }
    o.argc = argc - optind - 1;
    o.argv = argv + optind + 1;
    if (o.argc < c->args_min || o.argc > c->args_max || (o.is_cycles && c->run != run_stats) ||
        ((o.env || o.has_dev_vars) && c->run != hearthctl_deploy && c->run != hearthctl_build) ||
        (o.out && c->run != hearthctl_build) ||
        ((o.add || o.remove) && (c->run != hearthctl_ring || strcmp(o.argv[0], "plan"))) ||
        ((o.config || o.root) && c->run != run_doctor)) {
        fprintf(stderr, "usage: hearthctl %s %s\n", c->name, c->arguments);
        return USAGE;
    }
    o.token = hearthctl_token(&o, token_file, &code);
    if (code)
        return code;
    if (is_names) {
        struct command names = *c;

        names.print = print_names;
        return c->run(&o, &names);
    }
    return c->run(&o, c);
}
