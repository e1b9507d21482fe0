/* flow_rules.h
 *
 * Tells a NIC which queue gets which RPC datagrams: UDP to port rpc_port + q goes to queue q, over
 * the IP versions that the node has addresses of, whatever RSS says. Everything else stays with
 * RSS. A version that nobody speaks here gets no rules: some cards take those of IPv4 only.
 *
 * All or nothing: every rule is validated before the first is made, and when one cannot be made,
 * those before it go again. Ports in host byte order. Thread: the one that sets the device up.
 */
#ifndef HEARTH_FLOW_RULES_H
#define HEARTH_FLOW_RULES_H

#include <stdint.h>

#include "drivers/port.h"

struct rte_flow;

enum flow_families { FLOW_IP4 = 1, FLOW_IP6 = 2 };

struct flow_rules {
    uint16_t port_id;
    uint16_t count;
    struct rte_flow *rule[2 * PORT_QUEUES_MAX];
};

/* Of a started device. rpc_port + queues - 1 is at most 65535; families: at least one. 0, -ENOTSUP
 * if the device takes no such rules, or -errno; then there are none, and software must steer. */
int flow_rules_create(struct flow_rules *, uint16_t port_id, uint16_t rpc_port, uint16_t queues,
                      uint8_t families);

/* Before the device is stopped. Nothing to do if there are none. */
void flow_rules_destroy(struct flow_rules *);

#endif
