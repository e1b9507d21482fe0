/* door.h
 *
 * hearthd's side of a template's door (runtime/worker/sandbox.h): each clone() of a template and of
 * what it forks waits in the kernel until it is let through here.
 *
 *   FORK sent: door_allow     a fork by the template, and a thread by its child: one each
 *   a knock:   door_answer    as allowed: it goes on. Anything else is not answered, and is the end
 *                             of the template and its cells: only who broke out of V8 knocks so
 *
 * What is looked at are the number of the call, registers, and who calls: nobody can change these
 * while it waits, and the kernel reads nothing of the caller's memory for it.
 *
 * Control thread only; never waits.
 * Source: seccomp_unotify(2), SECCOMP_USER_NOTIF_FLAG_CONTINUE and its warning about pointers.
 */
#ifndef HEARTH_CONTROL_DOOR_H
#define HEARTH_CONTROL_DOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum door_knock { DOOR_NOBODY, DOOR_FORK, DOOR_THREAD, DOOR_ATTACK };

struct door {
    int listener; /* -1: there is none */
    pid_t template;
    uint32_t forks, threads; /* that are allowed and have not come */
};

/* Takes the descriptor. False: it is no listener of a filter; it is closed. */
bool door_open(struct door *, int listener, pid_t template);
void door_close(struct door *);
void door_allow(struct door *);
/* Somebody may be there. One at a time. */
enum door_knock door_answer(struct door *);

#endif
