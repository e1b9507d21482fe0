/* ctl_client.h
 *
 * The client's side of the control socket (ctl.h has the format): one request, one reply, and after
 * a tail's as many more as come. Blocking.
 */
#ifndef HEARTH_CTL_CLIENT_H
#define HEARTH_CTL_CLIENT_H

#include <jansson.h>
#include <stddef.h>

/* Descriptor, or -errno. */
int ctl_connect(const char *path);
/* 0 or -errno. */
int ctl_send(int fd, const json_t *request, const void *payload, size_t payload_bytes);
/* NULL: the other side closed, or broke the protocol. */
json_t *ctl_receive(int fd);

#endif
