/* SPDX-License-Identifier: Apache-2.0
 *
 * A program for tests: diary FILE NAME. It notes in the file when it begins ("+ NAME"), says that
 * it is ready after that, and notes when it is asked to end ("- NAME").
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int note(const char *file, char what, const char *name) {
    char line[200];
    int n = snprintf(line, sizeof(line), "%c %s %d\n", what, name, (int)getpid());
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    int ok = fd >= 0 && write(fd, line, (size_t)n) == n;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void say_ready(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path ? path : "");
    if (fd >= 0 && *a.sun_path) {
        sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&a, sizeof(a));
        close(fd);
    }
}

int main(int argc, char **argv) {
    sigset_t set;
    int signum = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (argc < 3 || !note(argv[1], '+', argv[2])) {
        return 1;
    }
    say_ready();
    sigwait(&set, &signum);
    return note(argv[1], '-', argv[2]) ? 0 : 1;
}
