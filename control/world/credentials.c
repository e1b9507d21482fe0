#include "control/world/credentials.h"

#include <stdio.h>
#include <string.h>

#include "control/world/cluster.h"
#include "dataplane/tls/tls.h"
#include "drivers/aead.h"

enum { SENTENCE_BYTES = 512 };

static void check_certificates(const struct conf *conf, struct conf_verdict *v)
{
    for (uint32_t i = 0; i < conf->certificates_count; i++) {
        const struct conf_certificate *c = &conf->certificates[i];
        char error[SENTENCE_BYTES];
        struct tls_context *context =
            tls_context_create(c->chain, c->key, NULL, error, sizeof(error));

        if (context)
            tls_context_destroy(context);
        else
            conf_complain(v, c->line, "certificates[%u]: %s", i, error);
    }
}

static bool names_file(const char *error, const char *path)
{
    size_t len = strlen(path);

    return !strncmp(error, path, len) && error[len] == ':';
}

static void check_cluster(const struct conf *conf, struct conf_verdict *v)
{
    const struct conf_cluster *c = conf->cluster;
    struct members *members = members_static_create(conf, NULL, NULL);
    struct cluster_keys keys;
    char error[SENTENCE_BYTES];

    if (!members)
        conf_complain(v, 0, "no memory for the members");
    else if (cluster_keys_read(&keys, conf, error, sizeof(error)))
        conf_complain(v, names_file(error, c->secret) ? c->secret_line : c->key_line, "cluster: %s",
                      error);
    else if (!cluster_check(members, conf->node, &keys, error, sizeof(error)))
        conf_complain(v, c ? c->members_line : 0, "cluster.members: %s", error);
    cluster_keys_wipe(&keys);
    members_destroy(members);
}

static int check_all(const struct conf *conf, struct conf_verdict *v)
{
    int rc = aead_init();

    if (rc)
        return rc;
    rc = tls_start();
    if (!rc) {
        check_certificates(conf, v);
        check_cluster(conf, v);
        tls_stop();
    }
    aead_fini();
    return rc;
}

bool credentials_check(const struct conf *conf, struct conf_verdict *v)
{
    uint32_t before = v->count;
    int rc = check_all(conf, v);

    if (rc)
        conf_complain(v, 0, "certificates and keys could not be tried: %s", strerror(-rc));
    return v->count == before;
}
