/* Any bytes as the answer to a question of ours. With the first byte odd, what is fixed of an
 * answer is put right, so that the records behind it are read. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/egress/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_question q = {.host = "www.example.com", .type = DNS_TYPE_A, .id = 0x1234};
    uint8_t question[DNS_QUESTION_BYTES_MAX], message[4096];
    struct dns_answer answer;
    if (size < 2 || size > sizeof(message))
        return 0;
    q.type = data[0] & 2 ? DNS_TYPE_AAAA : DNS_TYPE_A;
    q.case_seed = data[0] & 4 ? 7 : 0;
    size_t fixed = dns_write_question(&q, question) - 11;
    memcpy(message, data + 1, size - 1);
    if ((data[0] & 1) && size - 1 >= fixed) {
        memcpy(message + 12, question + 12, fixed - 12);
        memcpy(message, question, 2);
        message[2] = (uint8_t)((message[2] & 2) | 0x81);
        message[4] = 0;
        message[5] = 1;
    }
    /* Exactly as long as it says: who reads beyond is seen. */
    uint8_t *bytes = malloc(size - 1);
    memcpy(bytes, message, size - 1);
    enum dns_result result = dns_read_answer(&q, bytes, size - 1, &answer);
    assert((result == DNS_ADDRESSES) == (answer.count > 0) || result == DNS_FOREIGN ||
           result == DNS_FAILURE);
    assert(answer.count <= EGRESS_ADDRESSES_MAX);
    free(bytes);
    return 0;
}
