#include "control/deploy/accounts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/hash.h>

#include "control/base/json_field.h"
#include "control/deploy/bundle.h"
#include "control/deploy/fault.h"
#include "dataplane/world/route.h"

#define TIME_SAVED_MAX_NS (ACCOUNT_TIME_SAVED_MS * INT64_C(1000000))

const struct account_ceiling_row account_ceilings[CEILINGS] = {
    [CEILING_CPU_MS] = {"cpu_ms", BUNDLE_CPU_MS_MAX, "CPU time of a request"},
    [CEILING_MEMORY_MB] = {"memory_mb", BUNDLE_MEMORY_MB_MAX, "memory of a script's instance"},
    [CEILING_SUBREQUESTS] = {"subrequests", BUNDLE_SUBREQUESTS_MAX, "sub-requests of a request"},
    [CEILING_WALL_MS] = {"wall_ms", BUNDLE_WALL_MS_MAX, "wall clock of a request"},
    [CEILING_SIZE_MB] = {"size_mb", BUNDLE_BYTES_MAX >> 20, "modules of a script"},
    [CEILING_CELLS_MEMORY_MB] = {"cells_memory_mb", 1 << 20, "memory of all its processes here"},
    [CEILING_REQUESTS] = {"requests", 1 << 20, "requests at once that entered here"},
    [CEILING_LOG_LINES] = {"log_lines", 1 << 20, "log lines a second"},
    [CEILING_SCRIPTS] = {"scripts", SCRIPTS_MAX, "scripts"},
    [CEILING_TIMERS] = {"timers", 32768, "pending timers of a script's instance"},
};

static const struct {
    const char *name;
    uint32_t bit;
} scope_names[] = {
    {"deploy", ACCOUNT_SCOPE_DEPLOY}, {"read", ACCOUNT_SCOPE_READ}, {"tail", ACCOUNT_SCOPE_TAIL}};

enum { SCOPES = sizeof(scope_names) / sizeof(scope_names[0]) };

/* ---- the document, judged ---- */

static bool has_only(const json_t *object, const char *const *known)
{
    const json_t *value;
    const char *key;

    if (!json_is_object(object))
        return false;
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;

        while (known[i] && strcmp(known[i], key))
            i++;
        if (!known[i])
            return false;
    }
    return true;
}

static bool host_is_good(const char *host, char *error, size_t error_bytes)
{
    bool is_zone = *host == '*';

    if (strchr(host, '/') || (is_zone && (host[1] != '.' || !host[2]))) {
        snprintf(error, error_bytes, "host \"%.200s\": an exact name, or *. and a zone", host);
        return false;
    }
    return route_pattern_check(host, error, error_bytes);
}

static int check_hosts(const char *name, const json_t *hosts, const struct fault *f)
{
    const json_t *host;
    char why[512];
    size_t i;

    if (!json_is_array(hosts) || json_array_size(hosts) > ACCOUNT_HOSTS_MAX)
        return refuse(f, "account %s: \"hosts\" is a list of at most %d", name, ACCOUNT_HOSTS_MAX);
    json_array_foreach(hosts, i, host)
    {
        if (!json_is_string(host) || !host_is_good(json_string_value(host), why, sizeof(why)))
            return refuse(f, "account %s: %s", name,
                          json_is_string(host) ? why : "a host is a string");
    }
    return 0;
}

static int check_ceilings(const char *name, const json_t *ceilings, const struct fault *f)
{
    size_t known = 0;

    if (!json_is_object(ceilings))
        return refuse(f, "account %s: \"ceilings\" is an object", name);
    for (int i = 0; i < CEILINGS; i++) {
        const struct account_ceiling_row *row = &account_ceilings[i];
        const json_t *value = json_object_get(ceilings, row->name);

        known += value != NULL;
        if (value && (!json_is_integer(value) || json_integer_value(value) < 1 ||
                      json_integer_value(value) > row->max))
            return refuse(f, "account %s: \"%s\" must be a number from 1 to %u", name, row->name,
                          row->max);
    }
    if (known != json_object_size(ceilings))
        return refuse(f, "account %s: \"ceilings\" has a key that is not known", name);
    return 0;
}

static bool is_sha(const char *s)
{
    return s && strlen(s) == ACCOUNT_SHA_CHARS &&
           strspn(s, "0123456789abcdef") == ACCOUNT_SHA_CHARS;
}

/* 0: none, or one that is not known. */
static uint32_t scopes_of(const json_t *list)
{
    uint32_t bits = 0;
    const json_t *scope;
    size_t i;

    json_array_foreach(list, i, scope)
    {
        uint32_t bit = 0;

        for (size_t k = 0; k < SCOPES; k++)
            if (json_is_string(scope) && !strcmp(json_string_value(scope), scope_names[k].name))
                bit = scope_names[k].bit;
        if (!bit)
            return 0;
        bits |= bit;
    }
    return bits;
}

static int check_tokens(const char *name, const json_t *tokens, const struct fault *f)
{
    static const char *const keys[] = {"sha256", "scopes", "made_at", NULL};
    const json_t *token;
    size_t i;

    if (!json_is_array(tokens) || json_array_size(tokens) > ACCOUNT_TOKENS_MAX)
        return refuse(f, "account %s: at most %d tokens are possible", name, ACCOUNT_TOKENS_MAX);
    json_array_foreach(tokens, i, token)
    {
        if (!has_only(token, keys) || !is_sha(field_text(token, "sha256")) ||
            !scopes_of(json_object_get(token, "scopes")) ||
            !json_is_integer(json_object_get(token, "made_at")))
            return refuse(f,
                          "account %s: token %zu needs a SHA-256, and scopes of deploy, read, tail",
                          name, i);
    }
    return 0;
}

static int check_outbound(const char *name, const json_t *outbound, const struct fault *f)
{
    const char *text = json_string_value(outbound);
    char id[SCRIPT_ID_BYTES_MAX + 1];

    if (!outbound)
        return 0;
    if (!strcmp(name, ACCOUNT_DEFAULT))
        return refuse(f, "account %s has the operator's rights: it has no outbound", name);
    if (!text || strlen(text) != json_string_length(outbound) ||
        !script_id_resolve(id, name, text) || strchr(id, '*'))
        return refuse(f, "account %s: outbound is a script, or account/script", name);
    return 0;
}

static int check_account(const json_t *row, const struct fault *f)
{
    static const char *const keys[] = {"name", "hosts", "ceilings", "outbound", "tokens", NULL};
    const char *name = json_string_value(json_object_get(row, "name"));
    const json_t *hosts = json_object_get(row, "hosts");
    const json_t *ceilings = json_object_get(row, "ceilings");

    if (!name || strlen(name) != json_string_length(json_object_get(row, "name")) ||
        !account_name_is_good(name))
        return refuse(
            f,
            "account \"%.100s\": at most %d lower-case letters, digits and '-' inside are "
            "possible",
            name ? name : "", ACCOUNT_NAME_BYTES_MAX);
    if (!has_only(row, keys))
        return refuse(f, "account %s has a key that is not known", name);
    if (!strcmp(name, ACCOUNT_DEFAULT) && (json_array_size(hosts) || json_object_size(ceilings)))
        return refuse(f, "account %s has the operator's rights: it has no hosts or ceilings", name);
    if (check_outbound(name, json_object_get(row, "outbound"), f))
        return -1;
    return check_hosts(name, hosts, f) || check_ceilings(name, ceilings, f) ||
                   check_tokens(name, json_object_get(row, "tokens"), f)
               ? -1
               : 0;
}

static const json_t *row_of(const json_t *document, const char *name)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(document, "accounts"), i, row)
    {
        if (!strcmp(field_text(row, "name"), name))
            return row;
    }
    return NULL;
}

bool accounts_check(const json_t *document, char *error, size_t error_bytes)
{
    static const char *const keys[] = {"accounts", NULL};
    const struct fault f = {error, error_bytes};
    const json_t *rows = json_object_get(document, "accounts"), *row;
    size_t i;

    if (!has_only(document, keys) || !json_is_array(rows))
        return refuse(&f, "there is no list of accounts") == 0;
    if (json_array_size(rows) > ACCOUNTS_MAX)
        return refuse(&f, "at most %d accounts are possible", ACCOUNTS_MAX) == 0;
    json_array_foreach(rows, i, row)
    {
        if (check_account(row, &f))
            return false;
        if (row_of(document, field_text(row, "name")) != row)
            return refuse(&f, "account %s is there twice", field_text(row, "name")) == 0;
    }
    return true;
}

/* ---- in force ---- */

static struct account *find_row(const struct accounts *a, const char *name, bool is_gone)
{
    for (struct account *i = a->first; i; i = i->next)
        if (i->is_gone == is_gone && !strcmp(i->name, name))
            return i;
    return NULL;
}

struct account *accounts_find(const struct accounts *a, const char *name)
{
    return find_row(a, name, false);
}

/* One that is gone for everybody is as good as new. */
static struct account *find_unused(const struct accounts *a)
{
    for (struct account *i = a->first; i; i = i->next)
        if (i->is_gone && !i->scripts && atomic_load(&i->at_once) == 0)
            return i;
    return NULL;
}

static struct account *make(struct accounts *a, const char *name)
{
    struct account *i = find_unused(a);

    if (!i) {
        i = aligned_alloc(alignof(struct account), sizeof(*i));
        if (!i)
            return NULL;
        memset(i, 0, sizeof(*i));
        i->next = a->first;
        a->first = i;
    }
    i->is_gone = false;
    i->log_lines_over = 0;
    i->fetches = (struct world_fetches){0};
    i->time_saved_ns = TIME_SAVED_MAX_NS;
    i->time_at_ns = 0;
    snprintf(i->name, sizeof(i->name), "%s", name);
    return i;
}

static void read_row(struct account *a, const json_t *row)
{
    const json_t *ceilings = json_object_get(row, "ceilings"), *token;
    size_t i;

    json_decref(a->hosts);
    a->hosts = json_incref(json_object_get(row, "hosts"));
    for (int c = 0; c < CEILINGS; c++)
        a->ceiling[c] = (uint32_t)field_number(ceilings, account_ceilings[c].name);
    if (!script_id_resolve(a->outbound, a->name, field_text(row, "outbound")))
        a->outbound[0] = 0;
    a->token_count = 0;
    json_array_foreach(json_object_get(row, "tokens"), i, token)
    {
        struct account_token *t = &a->token[a->token_count++];

        snprintf(t->sha256, sizeof(t->sha256), "%s", field_text(token, "sha256"));
        t->scopes = scopes_of(json_object_get(token, "scopes"));
    }
}

static void let_go(struct account *a)
{
    a->is_gone = true;
    a->token_count = 0;
    json_decref(a->hosts);
    a->hosts = NULL;
}

bool accounts_take(struct accounts *a, json_t *document)
{
    const json_t *row;
    size_t i;

    for (struct account *k = a->first; k; k = k->next) {
        if (k->is_gone || row_of(document, k->name))
            continue;
        if (account_is_default(k))
            k->token_count = 0;
        else
            let_go(k);
    }
    json_array_foreach(json_object_get(document, "accounts"), i, row)
    {
        const char *name = field_text(row, "name");
        struct account *k = accounts_find(a, name);

        if (!k)
            k = make(a, name);
        if (!k)
            return false;
        read_row(k, row);
    }
    json_incref(document);
    json_decref(a->document);
    a->document = document;
    return true;
}

void accounts_init(struct accounts *a)
{
    *a = (struct accounts){.document = json_pack("{s:[]}", "accounts")};
    make(a, ACCOUNT_DEFAULT);
}

void accounts_fini(struct accounts *a)
{
    for (struct account *i = a->first, *next; i; i = next) {
        next = i->next;
        json_decref(i->hosts);
        free(i);
    }
    json_decref(a->document);
    *a = (struct accounts){0};
}

/* ---- edits ---- */

static int set_hosts(json_t *row, char *value)
{
    json_t *hosts = json_array();

    for (char *rest = NULL, *host = strtok_r(value, ",", &rest); host;
         host = strtok_r(NULL, ",", &rest))
        json_array_append_new(hosts, json_string(host));
    return json_object_set_new(row, "hosts", hosts);
}

static int set_ceiling(json_t *row, const char *key, const char *value, const struct fault *f)
{
    json_t *ceilings = json_object_get(row, "ceilings");
    char *end;
    long long number = strtoll(value, &end, 10);

    for (int i = 0; i < CEILINGS; i++) {
        if (strcmp(account_ceilings[i].name, key))
            continue;
        if (!*value) {
            json_object_del(ceilings, key);
            return 0;
        }
        if (*end || end == value)
            return refuse(f, "%s=%.100s: not a number", key, value);
        return json_object_set_new(ceilings, key, json_integer(number));
    }
    return refuse(f, "there is no ceiling \"%.100s\"", key);
}

static int assign(json_t *row, const char *assignment, const struct fault *f)
{
    char *text = strdup(assignment);
    char *equals = text ? strchr(text, '=') : NULL;
    int rc;

    if (!equals) {
        free(text);
        return refuse(f, "\"%.200s\" is not KEY=VALUE", assignment);
    }
    *equals = 0;
    if (!strcmp(text, "hosts"))
        rc = set_hosts(row, equals + 1);
    else if (!strcmp(text, "outbound"))
        rc = equals[1] ? json_object_set_new(row, text, json_string(equals + 1))
                       : (json_object_del(row, text), 0);
    else
        rc = set_ceiling(row, text, equals + 1, f);
    free(text);
    return rc;
}

static int assign_all(json_t *row, const json_t *set, const struct fault *f)
{
    const json_t *assignment;
    size_t i;

    json_array_foreach(set, i, assignment)
    {
        if (!json_is_string(assignment))
            return refuse(f, "an assignment is a string");
        if (assign(row, json_string_value(assignment), f))
            return -1;
    }
    return 0;
}

static json_t *new_row(json_t *document, const char *name)
{
    json_t *row = json_pack("{s:s, s:[], s:{}, s:[]}", "name", name, "hosts", "ceilings", "tokens");

    json_array_append_new(json_object_get(document, "accounts"), row);
    return row;
}

/* NULL and a sentence; the default account gets its row when it needs one. */
static json_t *edited_row(json_t *document, const char *name, const struct fault *f)
{
    json_t *row = (json_t *)row_of(document, name);

    if (!row && !strcmp(name, ACCOUNT_DEFAULT))
        row = new_row(document, name);
    if (!row)
        refuse(f, "there is no account \"%.100s\"", name);
    return row;
}

int accounts_edit_add(json_t *document, const char *name, const json_t *set, char *error,
                      size_t error_bytes)
{
    const struct fault f = {error, error_bytes};

    if (!strcmp(name, ACCOUNT_DEFAULT) || row_of(document, name))
        return refuse(&f, "account %.100s is there already", name);
    json_t *row = new_row(document, name);
    if (!row)
        return refuse(&f, "the name of an account is text");
    return assign_all(row, set, &f);
}

int accounts_edit_set(json_t *document, const char *name, const json_t *set, char *error,
                      size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    json_t *row = edited_row(document, name, &f);

    return row ? assign_all(row, set, &f) : -1;
}

int accounts_edit_remove(json_t *document, const char *name, char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    json_t *rows = json_object_get(document, "accounts");

    if (!strcmp(name, ACCOUNT_DEFAULT))
        return refuse(&f, "account %s is the operator's own, and stays", name);
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (!strcmp(field_text(json_array_get(rows, i), "name"), name))
            return json_array_remove(rows, i);
    return refuse(&f, "there is no account \"%.100s\"", name);
}

int accounts_edit_token(json_t *document, const char *name, const char *scopes, const char *sha256,
                        int64_t now_s, char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    json_t *row = edited_row(document, name, &f), *list = json_array();
    char *text = strdup(scopes);

    for (char *rest = NULL, *scope = text ? strtok_r(text, ",", &rest) : NULL; scope;
         scope = strtok_r(NULL, ",", &rest))
        json_array_append_new(list, json_string(scope));
    free(text);
    if (!row || !scopes_of(list) || !is_sha(sha256)) {
        json_decref(list);
        if (row)
            refuse(&f, "a token needs scopes of deploy, read, tail, and a SHA-256");
        return -1;
    }
    return json_array_append_new(json_object_get(row, "tokens"),
                                 json_pack("{s:s, s:o, s:I}", "sha256", sha256, "scopes", list,
                                           "made_at", (json_int_t)now_s));
}

int accounts_edit_revoke(json_t *document, const char *name, const char *id, char *error,
                         size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    json_t *row = edited_row(document, name, &f);
    json_t *tokens = json_object_get(row, "tokens");
    size_t found = 0, matches = 0;

    if (!row)
        return -1;
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        if (strncmp(field_text(json_array_get(tokens, i), "sha256"), id, strlen(id)))
            continue;
        found = i;
        matches++;
    }
    if (!*id || matches != 1)
        return refuse(&f,
                      matches > 1 ? "more than one token of %s begins so"
                                  : "account %s has no such token",
                      name);
    return json_array_remove(tokens, found);
}

/* ---- tokens ---- */

static void write_hex(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = 0;
}

void account_token_write(char out[ACCOUNT_TOKEN_CHARS + 1],
                         const uint8_t secret[ACCOUNT_TOKEN_SECRET_BYTES])
{
    memcpy(out, "hearth_", 7);
    write_hex(out + 7, secret, ACCOUNT_TOKEN_SECRET_BYTES);
}

static void hash(char out[ACCOUNT_SHA_CHARS + 1], const char *text)
{
    uint8_t digest[WC_SHA256_DIGEST_SIZE];
    int rc = wc_Sha256Hash((const uint8_t *)text, (word32)strlen(text), digest);

    assert(!rc);
    write_hex(out, digest, sizeof(digest));
}

void account_token_voucher(char out[ACCOUNT_SHA_CHARS + 1], const char *token)
{
    hash(out, token);
}

void account_token_hash(char out[ACCOUNT_SHA_CHARS + 1], const char *token)
{
    char voucher[ACCOUNT_SHA_CHARS + 1];

    hash(voucher, token);
    hash(out, voucher);
}

/* Hashes are compared, so how long that takes tells nobody anything of a token. */
struct account *accounts_vouched(const struct accounts *a, const char *voucher, uint32_t *scopes)
{
    char sha256[ACCOUNT_SHA_CHARS + 1];

    if (strlen(voucher) != ACCOUNT_SHA_CHARS)
        return NULL;
    hash(sha256, voucher);
    for (struct account *i = a->first; i; i = i->next) {
        for (uint32_t k = 0; k < i->token_count && !i->is_gone; k++) {
            if (strcmp(i->token[k].sha256, sha256))
                continue;
            *scopes = i->token[k].scopes;
            return i;
        }
    }
    return NULL;
}

struct account *accounts_redeem(const struct accounts *a, const char *token, uint32_t *scopes)
{
    char voucher[ACCOUNT_SHA_CHARS + 1];

    if (strlen(token) != ACCOUNT_TOKEN_CHARS)
        return NULL;
    account_token_voucher(voucher, token);
    return accounts_vouched(a, voucher, scopes);
}

/* ---- what it may ---- */

static bool ends_with(const char *text, size_t len, const char *end, size_t end_len)
{
    return len >= end_len && !memcmp(text + len - end_len, end, end_len);
}

/* All hosts that the pattern's host means lie in what the entry means. */
static bool covers(const char *entry, const char *host, size_t len)
{
    size_t entry_len = strlen(entry);

    if (*entry != '*')
        return len == entry_len && !memcmp(host, entry, len);
    if (*host == '*')
        return ends_with(host + 1, len - 1, entry + 1, entry_len - 1);
    return len > entry_len - 1 && ends_with(host, len, entry + 1, entry_len - 1);
}

bool account_may_route(const struct account *a, const char *pattern, const char *zone)
{
    char own[ACCOUNT_NAME_BYTES_MAX + HOST_BYTES_MAX + 8];
    size_t len = strcspn(pattern, "/"), i;
    const json_t *host;

    if (account_is_default(a))
        return true;
    json_array_foreach(a->hosts, i, host)
    {
        if (covers(json_string_value(host), pattern, len))
            return true;
    }
    if (!zone)
        return false;
    snprintf(own, sizeof(own), "*.%s.%.*s", a->name, HOST_BYTES_MAX, zone);
    return covers(own, pattern, len);
}

uint32_t account_limit(const struct account *a, enum account_ceiling which, uint32_t asked,
                       uint32_t given)
{
    uint32_t limit = asked ? asked : given, ceiling = a ? a->ceiling[which] : 0;

    return ceiling && (!limit || ceiling < limit) ? ceiling : limit;
}

bool account_allows(const struct account *a, const json_t *manifest, size_t bytes, char *error,
                    size_t error_bytes)
{
    const json_t *limits = json_object_get(manifest, "limits");

    if (!a)
        return true;
    for (int i = 0; i < CEILINGS; i++) {
        long long asked = field_number(limits, account_ceilings[i].name);

        if (a->ceiling[i] && asked > a->ceiling[i]) {
            snprintf(error, error_bytes, "\"limits.%s\" asks for %lld: the account's ceiling is %u",
                     account_ceilings[i].name, asked, a->ceiling[i]);
            return false;
        }
    }
    if (a->ceiling[CEILING_SIZE_MB] && bytes > (size_t)a->ceiling[CEILING_SIZE_MB] << 20) {
        snprintf(error, error_bytes, "%zu bytes of modules: the account's ceiling size_mb is %u",
                 bytes, a->ceiling[CEILING_SIZE_MB]);
        return false;
    }
    return true;
}

bool account_may_log(struct account *a, uint64_t second)
{
    if (a->log_second != second) {
        a->log_second = second;
        a->log_lines = 0;
    }
    if (!a->ceiling[CEILING_LOG_LINES] || a->log_lines++ < a->ceiling[CEILING_LOG_LINES])
        return true;
    a->log_lines_over++;
    return false;
}

bool account_has_time(struct account *a, uint64_t now_ns)
{
    const uint64_t earned_ns = (now_ns - a->time_at_ns) / 100 * ACCOUNT_TIME_PERCENT;

    a->time_at_ns = now_ns;
    if (earned_ns >= (uint64_t)(TIME_SAVED_MAX_NS - a->time_saved_ns))
        a->time_saved_ns = TIME_SAVED_MAX_NS;
    else
        a->time_saved_ns += (int64_t)earned_ns;
    return a->time_saved_ns > 0;
}

void account_spend_time(struct account *a, uint64_t spent_ns)
{
    a->time_saved_ns -= (int64_t)spent_ns;
}
