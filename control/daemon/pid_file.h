/* pid_file.h
 *
 * Who runs here: a file with the process's number, locked as long as it runs. The lock is the truth
 * (flock: the kernel lets go of it with the process, however that ends), the number is for people
 * and for `kill`. A second process gets a sentence, and touches nothing.
 */
#ifndef HEARTH_PID_FILE_H
#define HEARTH_PID_FILE_H

#include <stddef.h>

/* A descriptor that holds the lock, or -1 and a sentence. What the file said before is replaced
 * only once it is ours. */
int pid_file_take(const char *path, char *error, size_t error_bytes);
/* Removes it and lets go. -1: nothing was taken, nothing happens. */
void pid_file_give(int fd, const char *path);

#endif
