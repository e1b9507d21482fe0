/* doctor.h
 *
 * What a machine offers to hearth, what is set up wrongly on it, and how to get more: kernel,
 * clock, CPUs, memory, the port's card, the files that hearth.yaml names, and the ladder of ports
 * for each interface. Needs neither hearthd nor EAL; changes nothing.
 *
 *   {"ok":true,"checks":[{"name":S,"state":"good"|"advice"|"bad","found":S,"advice":S}..],
 *    "interfaces":[{"name":S,"rungs":[{"name":S,"possible":B,"reason":S}..]}..]}
 *
 * found is one sentence, advice another, with the command that mends it. "bad": hearthd does not
 * start, or is not reached, or strangers get what is not theirs; "advice": it does less well than
 * it could. What a check cannot read it does not complain of: a container shows little of its
 * machine.
 */
#ifndef HEARTH_DOCTOR_H
#define HEARTH_DOCTOR_H

#include <jansson.h>

struct doctor_question {
    const char *root;   /* "": this machine; else a tree with its etc, proc, sys, dev, var, and what
                           `ip -j link` says as run/ip-link.json: a copy, or a test's. What only a
                           running machine tells is left out then */
    const char *config; /* hearth.yaml, below root; NULL: /etc/hearth/hearth.yaml, if it is there */
    const char *iface;  /* ladder of this one; NULL: of every interface but lo */
};

json_t *doctor_examine(const struct doctor_question *);

#endif
