/* sandbox_template.h: a template that attacks, each time in processes of its own; the test is
 * hearthd, with its door. */
#ifndef HEARTH_TEST_SANDBOX_TEMPLATE_H
#define HEARTH_TEST_SANDBOX_TEMPLATE_H

#include <stdbool.h>

bool templates_are_walled(void);

#endif
