/* A data centre over a day, by trace: centre.h says what is the product's code here and what is a
 * figure. `--help` lists the studies. */
#include <stdio.h>

#include "tests/sim/datacentre/study.h"

int main(int argc, char **argv)
{
    struct options o;
    char error[160];
    int parsed = options_parse(&o, argc, argv, error, sizeof(error));
    if (parsed < 0) {
        fprintf(stderr, "sim_datacentre: %s\n", error);
        return 2;
    }
    if (parsed > 0)
        return 0;
    switch (o.study) {
    case STUDY_PAPER:
        return study_paper(&o);
    case STUDY_BEST:
        return study_best(&o);
    case STUDY_NONE:
        return study_table(&o);
    case STUDY_MEMORY:
        return study_memory(&o);
    case STUDY_SENSITIVITY:
        return study_sensitivity(&o);
    case STUDY_FLASH:
        return study_flash(&o);
    case STUDY_CHECK:
        return study_check(&o);
    }
    return 2;
}
