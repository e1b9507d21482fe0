/* The rules for RPC ports, against a device that is only these three functions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_flow.h>

#include "drivers/flow_rules.h"

enum { PORT_ID = 3, RULES_MAX = 2 * PORT_QUEUES_MAX, BOTH = FLOW_IP4 | FLOW_IP6 };

struct rte_flow {
    uint16_t port, queue;
    bool is_v6, is_live;
};

static struct device {
    struct rte_flow rule[RULES_MAX];
    uint32_t validated, made, live;
    uint32_t validate_fails_at, create_fails_at; /* the nth; 0: never */
    int error;
} device;

/* What a rule says; fails the test if it says anything else. */
static struct rte_flow read_rule(uint16_t port_id, const struct rte_flow_attr *attr,
                                 const struct rte_flow_item pattern[],
                                 const struct rte_flow_action actions[])
{
    assert_int_equal(port_id, PORT_ID);
    assert_true(attr->ingress && !attr->egress && !attr->transfer);
    assert_int_equal(pattern[0].type, RTE_FLOW_ITEM_TYPE_ETH);
    assert_null(pattern[0].spec);
    bool is_v6 = pattern[1].type == RTE_FLOW_ITEM_TYPE_IPV6;
    assert_true(is_v6 || pattern[1].type == RTE_FLOW_ITEM_TYPE_IPV4);
    assert_null(pattern[1].spec);
    assert_int_equal(pattern[2].type, RTE_FLOW_ITEM_TYPE_UDP);
    const struct rte_flow_item_udp *udp = pattern[2].spec, *mask = pattern[2].mask;
    assert_null(pattern[2].last);
    assert_int_equal(mask->hdr.dst_port, 0xffff);
    assert_int_equal(mask->hdr.src_port, 0);
    assert_int_equal(pattern[3].type, RTE_FLOW_ITEM_TYPE_END);
    assert_int_equal(actions[0].type, RTE_FLOW_ACTION_TYPE_QUEUE);
    const struct rte_flow_action_queue *queue = actions[0].conf;
    assert_int_equal(actions[1].type, RTE_FLOW_ACTION_TYPE_END);
    return (struct rte_flow){
        .port = rte_be_to_cpu_16(udp->hdr.dst_port), .queue = queue->index, .is_v6 = is_v6};
}

int rte_flow_validate(uint16_t port_id, const struct rte_flow_attr *attr,
                      const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
                      struct rte_flow_error *error)
{
    read_rule(port_id, attr, pattern, actions);
    assert_int_equal(device.made, 0);
    return ++device.validated == device.validate_fails_at ? -device.error : 0;
}

struct rte_flow *rte_flow_create(uint16_t port_id, const struct rte_flow_attr *attr,
                                 const struct rte_flow_item pattern[],
                                 const struct rte_flow_action actions[],
                                 struct rte_flow_error *error)
{
    struct rte_flow *rule = &device.rule[device.made++];
    if (device.made == device.create_fails_at) {
        rte_errno = device.error;
        return NULL;
    }
    *rule = read_rule(port_id, attr, pattern, actions);
    rule->is_live = true;
    device.live++;
    return rule;
}

int rte_flow_destroy(uint16_t port_id, struct rte_flow *rule, struct rte_flow_error *error)
{
    assert_int_equal(port_id, PORT_ID);
    assert_true(rule->is_live);
    rule->is_live = false;
    device.live--;
    return 0;
}

static int set_up(void **state)
{
    memset(&device, 0, sizeof(device));
    return 0;
}

static void each_port_goes_to_its_queue(void **state)
{
    struct flow_rules rules;
    assert_int_equal(flow_rules_create(&rules, PORT_ID, 7000, 3, BOTH), 0);
    assert_int_equal(device.validated, 6);
    assert_int_equal(device.live, 6);
    for (uint16_t q = 0; q < 3; q++)
        for (int v = 0; v < 2; v++) {
            const struct rte_flow *rule = &device.rule[2 * q + v];
            assert_int_equal(rule->port, 7000 + q);
            assert_int_equal(rule->queue, q);
            assert_int_equal(rule->is_v6, v == 1);
        }
    flow_rules_destroy(&rules);
    assert_int_equal(device.live, 0);
    flow_rules_destroy(&rules);
}

static void a_family_without_addresses_gets_no_rules(void **state)
{
    for (int v = 0; v < 2; v++) {
        struct flow_rules rules;
        set_up(state);
        assert_int_equal(flow_rules_create(&rules, PORT_ID, 7000, 3, v ? FLOW_IP6 : FLOW_IP4), 0);
        assert_int_equal(device.validated, 3);
        assert_int_equal(device.live, 3);
        for (uint16_t q = 0; q < 3; q++) {
            assert_int_equal(device.rule[q].port, 7000 + q);
            assert_int_equal(device.rule[q].is_v6, v == 1);
        }
        flow_rules_destroy(&rules);
        assert_int_equal(device.live, 0);
    }
}

static void takes_as_many_queues_as_a_port_can_have(void **state)
{
    struct flow_rules rules;
    assert_int_equal(
        flow_rules_create(&rules, PORT_ID, 65535 - PORT_QUEUES_MAX + 1, PORT_QUEUES_MAX, BOTH), 0);
    assert_int_equal(device.rule[RULES_MAX - 1].port, 65535);
    flow_rules_destroy(&rules);
}

static void nothing_is_made_if_one_rule_is_invalid(void **state)
{
    static const struct {
        uint32_t at;
        int device_says, result;
    } rows[] = {{1, ENOSYS, -ENOTSUP}, {1, ENOTSUP, -ENOTSUP}, {6, EINVAL, -EINVAL}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct flow_rules rules;
        set_up(state);
        device.validate_fails_at = rows[i].at;
        device.error = rows[i].device_says;
        assert_int_equal(flow_rules_create(&rules, PORT_ID, 7000, 3, BOTH), rows[i].result);
        assert_int_equal(device.made, 0);
        flow_rules_destroy(&rules);
    }
}

static void all_go_again_if_one_cannot_be_made(void **state)
{
    for (uint32_t at = 1; at <= 6; at++) {
        struct flow_rules rules;
        set_up(state);
        device.create_fails_at = at;
        device.error = ENOSPC;
        assert_int_equal(flow_rules_create(&rules, PORT_ID, 7000, 3, BOTH), -ENOSPC);
        assert_int_equal(device.made, at);
        assert_int_equal(device.live, 0);
        flow_rules_destroy(&rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_port_goes_to_its_queue, set_up),
        cmocka_unit_test_setup(a_family_without_addresses_gets_no_rules, set_up),
        cmocka_unit_test_setup(takes_as_many_queues_as_a_port_can_have, set_up),
        cmocka_unit_test_setup(nothing_is_made_if_one_rule_is_invalid, set_up),
        cmocka_unit_test_setup(all_go_again_if_one_cannot_be_made, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
