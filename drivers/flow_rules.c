#include "drivers/flow_rules.h"

#include <assert.h>
#include <errno.h>

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_flow.h>

typedef int visitor(struct flow_rules *, const struct rte_flow_attr *, const struct rte_flow_item *,
                    const struct rte_flow_action *);

static int validate(struct flow_rules *r, const struct rte_flow_attr *attr,
                    const struct rte_flow_item *pattern, const struct rte_flow_action *actions)
{
    struct rte_flow_error error;
    return rte_flow_validate(r->port_id, attr, pattern, actions, &error);
}

static int create(struct flow_rules *r, const struct rte_flow_attr *attr,
                  const struct rte_flow_item *pattern, const struct rte_flow_action *actions)
{
    struct rte_flow_error error;
    struct rte_flow *rule = rte_flow_create(r->port_id, attr, pattern, actions, &error);
    if (!rule)
        return rte_errno ? -rte_errno : -EIO;
    r->rule[r->count++] = rule;
    return 0;
}

/* Calls visit with each rule; ends at its first error. */
static int each_rule(struct flow_rules *r, uint16_t rpc_port, uint16_t queues, uint8_t families,
                     visitor *visit)
{
    static const struct rte_flow_attr attr = {.ingress = 1};
    static const struct {
        enum flow_families family;
        enum rte_flow_item_type type;
    } ip[] = {{FLOW_IP4, RTE_FLOW_ITEM_TYPE_IPV4}, {FLOW_IP6, RTE_FLOW_ITEM_TYPE_IPV6}};
    static const struct rte_flow_item_udp mask = {.hdr.dst_port = RTE_BE16(0xffff)};

    for (uint16_t q = 0; q < queues; q++) {
        struct rte_flow_item_udp udp = {.hdr.dst_port = rte_cpu_to_be_16((uint16_t)(rpc_port + q))};
        struct rte_flow_action_queue queue = {.index = q};
        const struct rte_flow_action actions[] = {
            {.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue},
            {.type = RTE_FLOW_ACTION_TYPE_END},
        };
        for (int v = 0; v < 2; v++) {
            if (!(families & ip[v].family))
                continue;
            const struct rte_flow_item pattern[] = {
                {.type = RTE_FLOW_ITEM_TYPE_ETH},
                {.type = ip[v].type},
                {.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &mask},
                {.type = RTE_FLOW_ITEM_TYPE_END},
            };
            int err = visit(r, &attr, pattern, actions);
            if (err)
                return err;
        }
    }
    return 0;
}

int flow_rules_create(struct flow_rules *r, uint16_t port_id, uint16_t rpc_port, uint16_t queues,
                      uint8_t families)
{
    assert(queues <= PORT_QUEUES_MAX && rpc_port + queues - 1 <= UINT16_MAX && families);

    *r = (struct flow_rules){.port_id = port_id};
    int err = each_rule(r, rpc_port, queues, families, validate);
    if (err == 0)
        err = each_rule(r, rpc_port, queues, families, create);
    if (err == 0)
        return 0;
    flow_rules_destroy(r);
    return err == -ENOSYS ? -ENOTSUP : err; /* no rte_flow at all */
}

void flow_rules_destroy(struct flow_rules *r)
{
    struct rte_flow_error error;
    while (r->count > 0)
        rte_flow_destroy(r->port_id, r->rule[--r->count], &error);
}
