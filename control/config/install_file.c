#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/config/install.h"

bool install_is_good(enum install_file file, const char *path, char *error, size_t error_bytes)
{
    static const struct {
        const char *what;
        int mode;
    } files[INSTALL_FILES] = {
        [INSTALL_NODE_EXE] = {"V8 executable", X_OK},
        [INSTALL_PROGRAM] = {"runtime program", R_OK},
        [INSTALL_BLOB] = {"base snapshot", R_OK},
    };

    if (!access(path, files[file].mode))
        return true;
    snprintf(error, error_bytes, "%s %s: %s", files[file].what, path, strerror(errno));
    return false;
}
