#include "control/base/spelling.h"

#include <string.h>

unsigned spelling_distance(const char *a, const char *b)
{
    unsigned row[SPELLING_LETTERS_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > SPELLING_LETTERS_MAX || b_len > SPELLING_LETTERS_MAX)
        return UINT_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            unsigned least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = replaced < least ? replaced : least;
        }
    }
    return row[b_len];
}
