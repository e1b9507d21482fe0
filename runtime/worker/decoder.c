#include "runtime/worker/decoder.h"

#include <assert.h>
#include <string.h>

#include "runtime/worker/decoder_tables.h"

/* Of ISO-2022-JP. */
enum { JP_ASCII, JP_ROMAN, JP_KATAKANA, JP_LEAD, JP_TRAIL, JP_ESCAPE_START, JP_ESCAPE, JP_MODES };

enum { END = -1 }; /* instead of a byte */

struct run {
    struct decoder *d;
    uint16_t *to;
    bool is_bad; /* something was malformed */
};

typedef void step_fn(struct run *, int byte);

static bool is_in(int byte, int low, int high)
{
    return byte >= low && byte <= high;
}

static void emit(struct run *r, uint32_t code)
{
    if (code > 0xffff) {
        *r->to++ = (uint16_t)(0xd7c0 + (code >> 10));
        code = 0xdc00 + (code & 0x3ff);
    }
    *r->to++ = (uint16_t)code;
}

static void malformed(struct run *r)
{
    r->is_bad = true;
    emit(r, 0xfffd);
}

/* 0 beyond the end of an index: the last rows of some are not full. */
static uint32_t code_at(const uint16_t *index, size_t count, int pointer)
{
    return (size_t)pointer < count ? index[pointer] : 0;
}
#define CODE_AT(index, pointer) code_at(index, sizeof(index) / sizeof(*(index)), pointer)

/* A sequence of two bytes: its code point, or malformed, and then the second byte is read again if
 * it is ASCII. */
static void emit_pair(struct run *r, uint32_t code, int byte)
{
    if (code) {
        emit(r, code);
        return;
    }
    malformed(r);
    if (is_in(byte, 0, 0x7f))
        emit(r, (uint32_t)byte);
}

/* ---- gb18030, GBK ---- */

static uint32_t gb18030_code(uint32_t pointer)
{
    if ((pointer > 39419 && pointer < 189000) || pointer > 1237575)
        return 0;
    if (pointer == 7457)
        return 0xe7c7;
    uint32_t low = 0, high = sizeof(gb18030_range_pointer) / sizeof(*gb18030_range_pointer);
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (gb18030_range_pointer[middle] <= pointer)
            low = middle;
        else
            high = middle;
    }
    return gb18030_range_code[low] + pointer - gb18030_range_pointer[low];
}

static void step_gb18030(struct run *r, int byte)
{
    struct decoder_state *s = &r->d->state;
    const uint8_t lead = s->lead, second = s->second, third = s->third;

    if (byte == END) {
        if (lead)
            malformed(r);
        *s = (struct decoder_state){0};
    } else if (third) {
        *s = (struct decoder_state){0};
        uint32_t code = 0;
        if (is_in(byte, 0x30, 0x39))
            code = gb18030_code(((lead - 0x81u) * 10 + second - 0x30u) * 1260 +
                                (third - 0x81u) * 10 + (uint32_t)byte - 0x30);
        if (code) {
            emit(r, code);
            return;
        }
        malformed(r);
        if (!is_in(byte, 0x30, 0x39)) {
            step_gb18030(r, second);
            step_gb18030(r, third);
            step_gb18030(r, byte);
        }
    } else if (second) {
        if (is_in(byte, 0x81, 0xfe)) {
            s->third = (uint8_t)byte;
            return;
        }
        *s = (struct decoder_state){0};
        malformed(r);
        step_gb18030(r, second);
        step_gb18030(r, byte);
    } else if (lead) {
        if (is_in(byte, 0x30, 0x39)) {
            s->second = (uint8_t)byte;
            return;
        }
        s->lead = 0;
        uint32_t code = 0;
        if (is_in(byte, 0x40, 0x7e) || is_in(byte, 0x80, 0xfe))
            code = index_gb18030[(lead - 0x81) * 190 + byte - (byte < 0x7f ? 0x40 : 0x41)];
        emit_pair(r, code, byte);
    } else if (byte < 0x80) {
        emit(r, (uint32_t)byte);
    } else if (byte == 0x80) {
        emit(r, 0x20ac);
    } else if (byte == 0xff) {
        malformed(r);
    } else {
        s->lead = (uint8_t)byte;
    }
}

/* ---- Big5, EUC-KR, Shift_JIS, EUC-JP: one lead byte ---- */

/* The end of the bytes, or of what a lead byte begins. False: there was no lead byte, or no more to
 * do. */
static bool take_lead(struct run *r, int byte, uint8_t *lead)
{
    *lead = r->d->state.lead;
    r->d->state.lead = 0;
    if (byte != END)
        return *lead != 0;
    if (*lead)
        malformed(r);
    *lead = 0;
    return false;
}

static void step_big5(struct run *r, int byte)
{
    uint8_t lead;
    if (take_lead(r, byte, &lead)) {
        uint32_t code = 0;
        if (is_in(byte, 0x40, 0x7e) || is_in(byte, 0xa1, 0xfe)) {
            int pointer = (lead - 0x81) * 157 + byte - (byte < 0x7f ? 0x40 : 0x62);
            bool is_e = pointer == 1164 || pointer == 1166;
            if (is_e || pointer == 1133 || pointer == 1135) { /* two code points */
                emit(r, is_e ? 0xea : 0xca);
                emit(r, pointer == 1133 || pointer == 1164 ? 0x304 : 0x30c);
                return;
            }
            code = index_big5[pointer];
            if (index_big5_plane2[pointer / 8] >> (pointer % 8) & 1)
                code += 0x20000;
        }
        emit_pair(r, code, byte);
    } else if (is_in(byte, 0, 0x7f)) {
        emit(r, (uint32_t)byte);
    } else if (is_in(byte, 0x81, 0xfe)) {
        r->d->state.lead = (uint8_t)byte;
    } else if (byte != END) {
        malformed(r);
    }
}

static void step_euc_kr(struct run *r, int byte)
{
    uint8_t lead;
    if (take_lead(r, byte, &lead)) {
        uint32_t code = 0;
        if (is_in(byte, 0x41, 0xfe))
            code = CODE_AT(index_euc_kr, (lead - 0x81) * 190 + byte - 0x41);
        emit_pair(r, code, byte);
    } else if (is_in(byte, 0, 0x7f)) {
        emit(r, (uint32_t)byte);
    } else if (is_in(byte, 0x81, 0xfe)) {
        r->d->state.lead = (uint8_t)byte;
    } else if (byte != END) {
        malformed(r);
    }
}

static void step_shift_jis(struct run *r, int byte)
{
    enum { USER_FIRST = 8836, USER_LAST = 10715 }; /* end-user-defined characters */
    uint8_t lead;
    if (take_lead(r, byte, &lead)) {
        uint32_t code = 0;
        if (is_in(byte, 0x40, 0x7e) || is_in(byte, 0x80, 0xfc)) {
            int pointer =
                (lead - (lead < 0xa0 ? 0x81 : 0xc1)) * 188 + byte - (byte < 0x7f ? 0x40 : 0x41);
            code = is_in(pointer, USER_FIRST, USER_LAST) ? 0xe000u + (uint32_t)pointer - USER_FIRST
                                                         : CODE_AT(index_jis0208, pointer);
        }
        emit_pair(r, code, byte);
    } else if (is_in(byte, 0, 0x80)) {
        emit(r, (uint32_t)byte);
    } else if (is_in(byte, 0xa1, 0xdf)) {
        emit(r, 0xff61u - 0xa1 + (uint32_t)byte);
    } else if (is_in(byte, 0x81, 0x9f) || is_in(byte, 0xe0, 0xfc)) {
        r->d->state.lead = (uint8_t)byte;
    } else if (byte != END) {
        malformed(r);
    }
}

static void step_euc_jp(struct run *r, int byte)
{
    struct decoder_state *s = &r->d->state;
    const bool is_jis0212 = s->mode;
    uint8_t lead;
    if (take_lead(r, byte, &lead)) {
        uint32_t code = 0;
        s->mode = 0;
        if (!is_jis0212 && lead == 0x8f && is_in(byte, 0xa1, 0xfe)) {
            s->mode = 1;
            s->lead = (uint8_t)byte;
            return;
        }
        if (!is_jis0212 && lead == 0x8e && is_in(byte, 0xa1, 0xdf)) {
            code = 0xff61u - 0xa1 + (uint32_t)byte;
        } else if (is_in(lead, 0xa1, 0xfe) && is_in(byte, 0xa1, 0xfe)) {
            int pointer = (lead - 0xa1) * 94 + byte - 0xa1;
            code = is_jis0212 ? CODE_AT(index_jis0212, pointer) : CODE_AT(index_jis0208, pointer);
        }
        emit_pair(r, code, byte);
        return;
    }
    s->mode = 0;
    if (is_in(byte, 0, 0x7f))
        emit(r, (uint32_t)byte);
    else if (byte == 0x8e || byte == 0x8f || is_in(byte, 0xa1, 0xfe))
        s->lead = (uint8_t)byte;
    else if (byte != END)
        malformed(r);
}

/* ---- ISO-2022-JP ---- */

static void step_iso_2022_jp(struct run *r, int byte);

/* A character of the mode that the last escape sequence has set. */
static void step_jp_plain(struct run *r, int byte)
{
    struct decoder_state *s = &r->d->state;
    uint32_t code = 0;

    if (byte == 0x1b) {
        s->mode = JP_ESCAPE_START;
        return;
    }
    if (byte == END)
        return;
    s->has_output = 0;
    bool is_ascii = is_in(byte, 0, 0x7f) && byte != 0x0e && byte != 0x0f;
    if (s->mode == JP_LEAD && is_in(byte, 0x21, 0x7e)) {
        s->lead = (uint8_t)byte;
        s->mode = JP_TRAIL;
        return;
    }
    if (s->mode == JP_KATAKANA && is_in(byte, 0x21, 0x5f))
        code = 0xff61u - 0x21 + (uint32_t)byte;
    else if (s->mode == JP_ROMAN && is_ascii)
        code = byte == 0x5c ? 0xa5 : byte == 0x7e ? 0x203e : (uint32_t)byte;
    else if (s->mode == JP_ASCII && is_ascii)
        code = (uint32_t)byte;
    else
        code = 0xfffd;
    if (code == 0xfffd)
        malformed(r);
    else
        emit(r, code);
}

static void step_jp_trail(struct run *r, int byte)
{
    struct decoder_state *s = &r->d->state;
    uint32_t code = 0;

    if (byte == 0x1b) {
        s->mode = JP_ESCAPE_START;
        malformed(r);
        return;
    }
    s->mode = JP_LEAD;
    if (is_in(byte, 0x21, 0x7e))
        code = index_jis0208[(s->lead - 0x21) * 94 + byte - 0x21];
    s->lead = 0;
    if (code)
        emit(r, code);
    else
        malformed(r);
}

static void step_jp_escape(struct run *r, int byte)
{
    struct decoder_state *s = &r->d->state;
    const uint8_t lead = s->lead;
    int mode = -1;

    s->lead = 0;
    if (lead == 0x28)
        mode = byte == 0x42 ? JP_ASCII : byte == 0x4a ? JP_ROMAN : byte == 0x49 ? JP_KATAKANA : -1;
    else if (lead == 0x24 && (byte == 0x40 || byte == 0x42))
        mode = JP_LEAD;
    if (mode >= 0) {
        bool had_output = s->has_output;
        s->mode = s->mode_out = (uint8_t)mode;
        s->has_output = 1;
        if (had_output)
            malformed(r);
        return;
    }
    s->has_output = 0;
    s->mode = s->mode_out;
    malformed(r);
    step_iso_2022_jp(r, lead);
    if (byte != END)
        step_iso_2022_jp(r, byte);
}

static void step_iso_2022_jp(struct run *r, int byte)
{
    struct decoder_state *s = &r->d->state;

    if (s->mode == JP_TRAIL) {
        step_jp_trail(r, byte);
    } else if (s->mode == JP_ESCAPE) {
        step_jp_escape(r, byte);
    } else if (s->mode != JP_ESCAPE_START) {
        step_jp_plain(r, byte);
    } else if (byte == 0x24 || byte == 0x28) {
        s->lead = (uint8_t)byte;
        s->mode = JP_ESCAPE;
    } else {
        s->has_output = 0;
        s->mode = s->mode_out;
        malformed(r);
        if (byte != END)
            step_iso_2022_jp(r, byte);
    }
    if (byte == END && (s->mode == JP_TRAIL || s->mode == JP_ESCAPE || s->mode == JP_ESCAPE_START))
        step_iso_2022_jp(r, END); /* what was read again began something */
}

/* ---- UTF-16 ---- */

static void step_utf_16(struct run *r, int byte)
{
    struct decoder_state *s = &r->d->state;

    if (byte == END) {
        if (s->has_lead || s->surrogate)
            malformed(r);
        return;
    }
    if (!s->has_lead) {
        s->lead = (uint8_t)byte;
        s->has_lead = 1;
        return;
    }
    s->has_lead = 0;
    const uint8_t low = r->d->encoding == ENCODING_UTF_16LE ? s->lead : (uint8_t)byte;
    const uint8_t high = r->d->encoding == ENCODING_UTF_16LE ? (uint8_t)byte : s->lead;
    const uint16_t unit = (uint16_t)(high << 8 | low), first = s->surrogate;
    s->surrogate = 0;
    if (first && is_in(unit, 0xdc00, 0xdfff)) {
        *r->to++ = first;
        *r->to++ = unit;
        return;
    }
    if (first)
        malformed(r);
    if (is_in(unit, 0xd800, 0xdbff))
        s->surrogate = unit;
    else if (is_in(unit, 0xdc00, 0xdfff))
        malformed(r);
    else
        *r->to++ = unit;
}

/* ---- one byte ---- */

static void run_single(struct run *r, const uint8_t *p, const uint8_t *end)
{
    enum encoding encoding =
        r->d->encoding == ENCODING_ISO_8859_8_I ? ENCODING_ISO_8859_8 : r->d->encoding;
    const uint16_t *index = index_single[encoding - ENCODING_SINGLE_FIRST];
    uint16_t *to = r->to;
    bool is_bad = false;

    for (; p < end; p++) {
        uint16_t unit = *p < 0x80 ? *p : index[*p - 0x80];
        is_bad |= unit == 0xfffd;
        *to++ = unit;
    }
    r->to = to;
    r->is_bad = is_bad;
}

static void run_user_defined(struct run *r, const uint8_t *p, const uint8_t *end)
{
    for (; p < end; p++)
        *r->to++ = (uint16_t)(*p < 0x80 ? *p : 0xf780 + *p - 0x80);
}

static step_fn *const steps[ENCODINGS] = {
    [ENCODING_UTF_16LE] = step_utf_16,
    [ENCODING_UTF_16BE] = step_utf_16,
    [ENCODING_GBK] = step_gb18030,
    [ENCODING_GB18030] = step_gb18030,
    [ENCODING_BIG5] = step_big5,
    [ENCODING_EUC_JP] = step_euc_jp,
    [ENCODING_SHIFT_JIS] = step_shift_jis,
    [ENCODING_EUC_KR] = step_euc_kr,
    [ENCODING_ISO_2022_JP] = step_iso_2022_jp,
};

/* Bytes from p on that need no state: the end of them. */
static const uint8_t *run_ascii(struct run *r, const uint8_t *p, const uint8_t *end)
{
    for (; p < end && *p < 0x80; p++)
        *r->to++ = *p;
    return p;
}

static const uint8_t *run_utf_16(struct run *r, const uint8_t *p, const uint8_t *end)
{
    const int low = r->d->encoding == ENCODING_UTF_16LE ? 0 : 1;
    for (; end - p >= 2; p += 2) {
        uint16_t unit = (uint16_t)(p[low] | p[1 - low] << 8);
        if ((unit & 0xf800) == 0xd800)
            break;
        *r->to++ = unit;
    }
    return p;
}

static void run_steps(struct run *r, step_fn *step, const uint8_t *p, const uint8_t *end)
{
    const struct decoder_state *s = &r->d->state;
    while (p < end && !(r->is_bad && r->d->is_fatal)) {
        if (step == step_utf_16 && !s->has_lead && !s->surrogate)
            p = run_utf_16(r, p, end);
        else if (step != step_utf_16 && step != step_iso_2022_jp && !s->lead)
            p = run_ascii(r, p, end);
        if (p < end)
            step(r, *p++);
    }
}

bool decoder_is_state(enum encoding encoding, const struct decoder_state *s)
{
    if (encoding == ENCODING_UTF_16LE || encoding == ENCODING_UTF_16BE)
        return !s->surrogate || is_in(s->surrogate, 0xd800, 0xdbff);
    if (encoding == ENCODING_ISO_2022_JP)
        return s->mode < JP_MODES && s->mode_out <= JP_LEAD &&
               (s->mode != JP_TRAIL || is_in(s->lead, 0x21, 0x7e)) &&
               (s->mode != JP_ESCAPE || s->lead == 0x24 || s->lead == 0x28);
    /* The lead bytes of all others, and the bytes between in gb18030. */
    return (!s->lead || is_in(s->lead, 0x81, 0xfe)) &&
           (!s->second || is_in(s->second, 0x30, 0x39)) &&
           (!s->third || is_in(s->third, 0x81, 0xfe)) && (!s->third || s->second) &&
           (!s->second || s->lead) && s->mode <= 1;
}

int64_t decoder_run(struct decoder *d, const uint8_t *bytes, size_t len, bool is_last,
                    uint16_t *units)
{
    struct run run = {.d = d, .to = units};
    const uint8_t *end = bytes + len;
    step_fn *step = steps[d->encoding];

    assert(len <= DECODER_UNITS_MAX && d->encoding > ENCODING_UTF_8);
    assert(decoder_is_state(d->encoding, &d->state));
    if (!step && d->encoding == ENCODING_X_USER_DEFINED)
        run_user_defined(&run, bytes, end);
    else if (!step)
        run_single(&run, bytes, end);
    else
        run_steps(&run, step, bytes, end);
    if (step && is_last)
        step(&run, END);
    bool is_refused = run.is_bad && d->is_fatal;
    if (is_last || is_refused)
        d->state = (struct decoder_state){0};
    assert((size_t)(run.to - units) <= len + DECODER_KEPT_MAX);
    return is_refused ? DECODER_BAD : run.to - units;
}
