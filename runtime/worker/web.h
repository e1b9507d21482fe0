/* web.h
 *
 * The functions of runtime/web/ that the worker calls: kept in the context's slots by the base
 * snapshot, in the order of main.js's __entries.
 */
#ifndef HEARTH_WORKER_WEB_H
#define HEARTH_WORKER_WEB_H

enum web_entry {
    WEB_LOAD,           /* (default export) -> is there a handler? */
    WEB_DISPATCH,       /* (ref, has a body) */
    WEB_ON_BODY,        /* (ref, bytes or undefined) */
    WEB_ON_CREDIT,      /* (ref) */
    WEB_ON_TIMER,       /* (id) */
    WEB_FORGET,         /* (ref) */
    WEB_FORGET_TIMER,   /* (id) */
    WEB_DESCRIBE,       /* (error) -> text */
    WEB_CLONE_ERROR,    /* (message) -> DOMException */
    WEB_ON_REPLY,       /* (sub, status, fields, has a body) */
    WEB_ON_REPLY_BODY,  /* (sub, bytes or undefined) */
    WEB_ON_REPLY_ERROR, /* (sub, text) */
    WEB_ON_SUB_CREDIT,  /* (sub) */
    WEB_FORGET_CALL,    /* (sub) */
    WEB_LEFT,           /* (ref) */
    WEB_FIN,            /* (ref) */
    WEB_RENEW,          /* (): a copy of the heap begins, or will be made */
    WEB_ON_REJECTION,   /* (promise, reason, somebody listens after all) */
    WEB_PREPARE,        /* (vars, names of services, are they global?), before the top level */
    WEB_BUILTIN,        /* (name of a module) -> its exports, or undefined */
    WEB_ENTRIES,
};

#endif
