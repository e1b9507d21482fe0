#include "control/deploy/fault.h"

#include <stdarg.h>
#include <stdio.h>

int refuse(const struct fault *f, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(f->text, f->bytes, format, args);
    va_end(args);
    return -1;
}
