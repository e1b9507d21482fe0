#include "dataplane/egress/dns.h"

#include <string.h>

#include "dataplane/net/ip.h"

enum {
    HEADER_BYTES = 12,
    CLASS_IN = 1,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    TYPE_OPT = 41,
    FLAG_ANSWER = 0x8000,
    OPCODE = 0x7800,
    FLAG_CUT = 0x0200,
    FLAG_ASK_RECURSION = 0x0100,
    RCODE = 0x000f,
    RCODE_NO_NAME = 3,
    LABEL_BYTES_MAX = 63,
    RECORDS_MAX = 128,
};

/* ---- questions ---- */

/* Bit i of an endless row. */
static bool flips(uint64_t seed, size_t i)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + i / 64;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return seed && (x >> i % 64 & 1);
}

/* The name as labels, with the case of its letters. 0: a label is too long, or empty. */
static size_t write_name(const struct dns_question *q, uint8_t *buf)
{
    size_t len = strlen(q->host), at = 0;
    if (len == 0 || len > HOST_BYTES_MAX)
        return 0;
    for (size_t from = 0; from <= len;) {
        size_t label = strcspn(q->host + from, ".");
        if (label == 0 || label > LABEL_BYTES_MAX)
            return 0;
        buf[at++] = (uint8_t)label;
        for (size_t i = from; i < from + label; i++) {
            uint8_t c = (uint8_t)q->host[i];
            buf[at++] = c >= 'a' && c <= 'z' && flips(q->case_seed, i) ? c ^ 0x20 : c;
        }
        from += label + 1;
    }
    buf[at++] = 0;
    return at;
}

static size_t put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return 2;
}

size_t dns_write_question(const struct dns_question *q, uint8_t buf[DNS_QUESTION_BYTES_MAX])
{
    size_t at = HEADER_BYTES, name;
    memset(buf, 0, HEADER_BYTES);
    put_u16(buf, q->id);
    put_u16(buf + 2, FLAG_ASK_RECURSION);
    put_u16(buf + 4, 1);  /* questions */
    put_u16(buf + 10, 1); /* additional: OPT */
    name = write_name(q, buf + at);
    if (name == 0)
        return 0;
    at += name;
    at += put_u16(buf + at, q->type);
    at += put_u16(buf + at, CLASS_IN);
    buf[at++] = 0; /* the root */
    at += put_u16(buf + at, TYPE_OPT);
    at += put_u16(buf + at, DNS_UDP_BYTES);
    memset(buf + at, 0, 6); /* version, flags, no options */
    return at + 6;
}

/* ---- answers ---- */

struct reader {
    const uint8_t *bytes;
    size_t len, at;
    bool bad; /* sticks */
};

static uint16_t take_u16(struct reader *r)
{
    if (r->bad || r->len - r->at < 2) {
        r->bad = true;
        return 0;
    }
    r->at += 2;
    return (uint16_t)(r->bytes[r->at - 2] << 8 | r->bytes[r->at - 1]);
}

static uint32_t take_u32(struct reader *r)
{
    uint32_t high = take_u16(r);
    return high << 16 | take_u16(r);
}

static void skip(struct reader *r, size_t bytes)
{
    if (r->bad || r->len - r->at < bytes)
        r->bad = true;
    else
        r->at += bytes;
}

struct name {
    uint8_t len;
    char text[HOST_BYTES_MAX + 1]; /* lower case, dots; not zero-terminated */
};

/* Reads a name, and stands behind it. A pointer leads before where it stands, and each one before
 * the last: so it ends. Names of other bytes than a host's are skipped with bad labels as '?': they
 * equal none of ours. */
static void take_name(struct reader *r, struct name *out)
{
    size_t at = r->at, back = r->at, len = 0;
    bool has_jumped = false;
    out->len = 0;
    for (;;) {
        if (r->bad || at >= r->len)
            break;
        uint8_t n = r->bytes[at];
        if (n == 0) {
            if (!has_jumped)
                r->at = at + 1;
            out->len = (uint8_t)len;
            return;
        }
        if ((n & 0xc0) == 0xc0) {
            size_t to = at + 1 < r->len ? (size_t)(n & 0x3f) << 8 | r->bytes[at + 1] : r->len;
            if (to >= back)
                break;
            if (!has_jumped)
                r->at = at + 2;
            has_jumped = true;
            at = back = to;
            continue;
        }
        if (n > LABEL_BYTES_MAX || r->len - at - 1 < n || len + n + (len > 0) > HOST_BYTES_MAX)
            break;
        if (len > 0)
            out->text[len++] = '.';
        for (size_t i = 0; i < n; i++) {
            uint8_t c = r->bytes[at + 1 + i];
            out->text[len++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c == '.' ? '?' : c);
        }
        at += 1 + (size_t)n;
    }
    r->bad = true;
}

static bool is_same(const struct name *a, const struct name *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

struct record {
    struct name owner;
    uint16_t type, class;
    uint32_t ttl_s;
    size_t data, bytes; /* its data */
};

static bool take_record(struct reader *r, struct record *out)
{
    take_name(r, &out->owner);
    out->type = take_u16(r);
    out->class = take_u16(r);
    out->ttl_s = take_u32(r);
    out->bytes = take_u16(r);
    out->data = r->at;
    skip(r, out->bytes);
    if (out->ttl_s > INT32_MAX) /* RFC 2181 8 */
        out->ttl_s = 0;
    return !r->bad;
}

static void take_address(const struct dns_question *q, const struct record *record,
                         const uint8_t *data, struct dns_answer *out)
{
    size_t wanted = q->type == DNS_TYPE_A ? 4 : 16;
    if (record->bytes != wanted || out->count == EGRESS_ADDRESSES_MAX)
        return;
    uint8_t *ip = out->ip[out->count++];
    if (wanted == 4)
        ip_from_ip4(ip, data);
    else
        memcpy(ip, data, 16);
}

/* One pass over the answers for one name: its addresses, or the name that it stands for. */
static bool read_records(const struct dns_question *q, struct reader r, uint16_t count,
                         struct name *name, struct dns_answer *out)
{
    struct name alias = {0};
    bool has_alias = false;
    for (uint16_t i = 0; i < count; i++) {
        struct record record;
        if (!take_record(&r, &record))
            return false;
        if (record.class != CLASS_IN || !is_same(&record.owner, name))
            continue;
        if (record.type == q->type) {
            take_address(q, &record, r.bytes + record.data, out);
        } else if (record.type == TYPE_CNAME && !has_alias) {
            struct reader data = {.bytes = r.bytes, .len = r.len, .at = record.data};
            take_name(&data, &alias);
            has_alias = !data.bad;
        } else {
            continue;
        }
        if (record.ttl_s < out->ttl_s)
            out->ttl_s = record.ttl_s;
    }
    if (out->count > 0 || !has_alias)
        return false;
    *name = alias;
    return true;
}

/* How long a "no" holds (RFC 2308 5): the SOA's own time or its last number, the smaller. */
static uint32_t negative_ttl(struct reader r, uint16_t answers, uint16_t authorities)
{
    struct record record;
    for (uint32_t i = 0; i < (uint32_t)answers + authorities; i++) {
        if (!take_record(&r, &record))
            return 0;
        if (i < answers || record.type != TYPE_SOA || record.bytes < 20)
            continue;
        struct reader last = {.bytes = r.bytes, .len = r.len, .at = record.data + record.bytes - 4};
        uint32_t minimum = take_u32(&last);
        return minimum < record.ttl_s ? minimum : record.ttl_s;
    }
    return 0;
}

enum dns_result dns_read_answer(const struct dns_question *q, const uint8_t *bytes, size_t len,
                                struct dns_answer *out)
{
    struct reader r = {.bytes = bytes, .len = len};
    uint8_t asked[DNS_QUESTION_BYTES_MAX];
    size_t asked_bytes = dns_write_question(q, asked), name_bytes = asked_bytes - HEADER_BYTES - 11;
    uint16_t id = take_u16(&r), flags = take_u16(&r), questions = take_u16(&r),
             answers = take_u16(&r), authorities = take_u16(&r);
    out->count = 0;
    out->ttl_s = UINT32_MAX;
    skip(&r, 2);
    if (r.bad || asked_bytes == 0 || id != q->id || !(flags & FLAG_ANSWER) || (flags & OPCODE) ||
        questions != 1 || len - HEADER_BYTES < name_bytes ||
        memcmp(bytes + HEADER_BYTES, asked + HEADER_BYTES, name_bytes) != 0)
        return DNS_FOREIGN;
    skip(&r, name_bytes);
    if (flags & FLAG_CUT)
        return DNS_CUT;
    if ((flags & RCODE) != 0 && (flags & RCODE) != RCODE_NO_NAME)
        return DNS_FAILURE;
    if (answers > RECORDS_MAX || authorities > RECORDS_MAX)
        return DNS_FAILURE;
    struct name name = {.len = (uint8_t)strlen(q->host)};
    memcpy(name.text, q->host, name.len);
    for (int i = 0; i <= DNS_CNAMES_MAX && read_records(q, r, answers, &name, out); i++)
        ;
    if (out->count > 0)
        return DNS_ADDRESSES;
    out->ttl_s = negative_ttl(r, answers, authorities);
    return DNS_NOTHING;
}
