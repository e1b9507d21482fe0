/* port_dpdk_large.c: large frames (port.h), and who cuts them: a PCI device by its TSO; behind an
 * AF_PACKET port the kernel, or its card. The PMD cannot tell the kernel (DPDK 22.11 has no
 * PACKET_VNET_HDR), so each lane has a packet socket of its own to send them on, one system call
 * each. What the kernel does not take is cut here, and leaves as ordinary frames.
 *
 * Rejected: to cut for all other ports, too, or to use net_tap's TSO, which is that (rte_gso). Over
 * AF_PACKET 1 MB of a download took 3,490 to 3,710 us of the core so, and 2,380 to 2,920 where TCP
 * makes each segment: it is one more copy, and each goes its own way through the kernel. */
#include "drivers/port_dpdk_impl.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "drivers/csum.h"
#include "drivers/gso.h"

enum {
    KERNEL_LARGE_BYTES = 65280,   /* with its headroom below 64 KiB, what an mbuf can say */
    CARD_LARGE_BYTES = 16128,     /* one descriptor of a card takes so much: ixgbe's 16 KiB */
    KERNEL_LARGE_BUFFERS = 3,     /* of a lane: what is sent is copied at once */
    CARD_LARGE_BUFFERS = 64,      /* some are on their way */
    CARD_SEGMENT_BYTES_MIN = 256, /* smaller ones look like an attack to Intel's (i40e) */
    SEND_BUFFER_BYTES = 4 << 20,  /* a card's queue holds them until they have left */
};

static bool make_large_pool(struct port_dpdk *p, uint32_t buffers, uint32_t room)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    int socket = rte_eth_dev_socket_id(p->port_id);

    snprintf(name, sizeof(name), "port%u_large", p->port_id);
    p->large_pool = rte_pktmbuf_pool_create_by_ops(
        name, buffers * p->lanes, 0, 0, (uint16_t)(room + RTE_PKTMBUF_HEADROOM),
        socket < 0 ? SOCKET_ID_ANY : socket, "ring_mt_rts");
    p->base.caps.has_tso = p->large_pool != NULL;
    p->base.large_bytes_max = p->large_pool ? room : 0;
    return p->large_pool != NULL;
}

/* Only sends: with protocol 0 nothing is received. -1: the kernel has no such thing. */
static int open_socket(const char *iface)
{
    int yes = 1, bytes = SEND_BUFFER_BYTES;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(iface)};

    if (fd < 0)
        return -1;
    if (at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) != 0) {
        close(fd);
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return fd;
}

/* What a packet socket sends, other packet sockets of the interface receive, too: the PMD's would.
 * It knows its own (they are a fanout group), and has no word against others'. */
static bool hear_nothing_of_it(const struct lane *l)
{
    struct sock_filter steps[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)SKF_AD_OFF + SKF_AD_PKTTYPE},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING},
        {BPF_RET | BPF_K, 0, 0, 0},
        {BPF_RET | BPF_K, 0, 0, UINT32_MAX},
    };
    struct sock_fprog filter = {RTE_DIM(steps), steps};

    for (int i = 0; i < l->device_fd_count; i++)
        if (setsockopt(l->device_fds[i], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) !=
            0)
            return false;
    return true;
}

int port_dpdk_open_large(struct port_dpdk *p, const char *iface)
{
    if (port_dpdk_has_card_tso(p))
        return make_large_pool(p, CARD_LARGE_BUFFERS, CARD_LARGE_BYTES) ? 0 : -rte_errno;
    if (p->kind != KIND_AF_PACKET)
        return 0;
    for (uint16_t q = 0; q < p->lanes; q++) {
        p->lane[q].large_fd = open_socket(iface);
        if (p->lane[q].large_fd < 0 || !hear_nothing_of_it(&p->lane[q]))
            return 0; /* then there are no large frames */
    }
    return make_large_pool(p, KERNEL_LARGE_BUFFERS, KERNEL_LARGE_BYTES) ? 0 : -rte_errno;
}

void port_dpdk_close_large(struct port_dpdk *p)
{
    for (uint16_t q = 0; q < p->lanes; q++)
        if (p->lane[q].large_fd >= 0)
            close(p->lane[q].large_fd);
    rte_mempool_free(p->large_pool);
}

/* The sum of the pseudo-header, where the checksum will be. */
static void put_pseudo(struct frame *f, uint32_t l4_bytes)
{
    uint16_t sum = csum_pseudo(f->bytes + f->l3_offset, IPPROTO_TCP, l4_bytes);
    memcpy(f->bytes + f->l4_offset + CSUM_AT_TCP, &sum, sizeof(sum));
}

bool port_dpdk_ask_tso(const struct port_dpdk *p, const struct lane *l, struct frame *f)
{
    bool is_v4 = f->bytes[f->l3_offset] >> 4 == 4;
    struct rte_mbuf *m = f->handle;

    if (f->gso_size < CARD_SEGMENT_BYTES_MIN)
        return false;
    m->data_len = (uint16_t)f->len;
    m->pkt_len = f->len;
    m->l2_len = f->l3_offset;
    m->l3_len = (uint32_t)(f->l4_offset - f->l3_offset);
    m->l4_len = gso_header_bytes(f) - f->l4_offset;
    m->tso_segsz = f->gso_size;
    m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM |
                   (is_v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6);
    put_pseudo(f, 0); /* the card adds each segment's length */
    /* virtio wants it otherwise, and its driver sees to that here. */
    return rte_eth_tx_prepare(p->port_id, l->tx_queue, &m, 1) == 1;
}

/* 0: the kernel has it. */
static int tell_kernel(int fd, struct frame *f)
{
    bool is_v4 = f->bytes[f->l3_offset] >> 4 == 4;
    struct virtio_net_hdr h = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = is_v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
        .hdr_len = (uint16_t)gso_header_bytes(f),
        .gso_size = f->gso_size,
        .csum_start = f->l4_offset,
        .csum_offset = CSUM_AT_TCP,
    };
    struct iovec parts[] = {{&h, sizeof(h)}, {f->bytes, f->len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    f->tx_csum = FRAME_TX_IP; /* who receives it whole looks at it */
    csum_fill(f);
    f->tx_csum = FRAME_TX_TCP;
    put_pseudo(f, f->len - f->l4_offset);
    return sendmsg(fd, &message, MSG_DONTWAIT) < 0 ? errno : 0;
}

/* As the data plane would have: all of a burst at once. */
static void cut(struct port_dpdk *p, struct lane *l, struct frame *f)
{
    uint32_t count = gso_count(f), n = 0;
    struct frame part[PORT_BURST];

    memset(f->bytes + f->l4_offset + CSUM_AT_TCP, 0, sizeof(uint16_t));
    l->stats.tx_cut++;
    for (uint32_t i = 0; i < count; i++) {
        if (!port_tx_alloc(&p->base, (uint16_t)(l - p->lane), &part[n])) {
            l->stats.tx_full += count - i;
            break;
        }
        gso_segment(f, i, &part[n++]);
        if (n == PORT_BURST || i + 1 == count) {
            port_tx(&p->base, (uint16_t)(l - p->lane), part, (uint16_t)n);
            n = 0;
        }
    }
    if (n > 0)
        port_tx(&p->base, (uint16_t)(l - p->lane), part, (uint16_t)n);
}

void port_dpdk_send_large(struct port_dpdk *p, struct lane *l, struct frame *f)
{
    uint32_t count = gso_count(f);
    uint64_t bytes = gso_wire_bytes(f);

    switch (l->large_fd < 0 ? EINVAL : tell_kernel(l->large_fd, f)) {
    case 0:
        l->stats.tx_frames += count;
        l->stats.tx_bytes += bytes;
        break;
    case ENOBUFS: /* a queue below is full, or */
    case ENETDOWN:
    case ENXIO: /* there is no way out */
        l->stats.tx_full += count;
        break;
    default: /* EAGAIN: more on its way than the socket may have; else it does not like it */
        cut(p, l, f);
    }
    rte_pktmbuf_free(f->handle);
}
