/* SPDX-License-Identifier: Apache-2.0
 *
 * What the driver and a keeper agree on: files in an instance's directory, and messages on its
 * socket (SOCK_SEQPACKET, one text per message). No state; included by both.
 *
 * spec: entries "key=value", each ended by a NUL; keys below, `argv` and `env` repeat.
 * log, log.1 ...: lines "<unix ms> <stream> <text>", stream O or E (o, e: the line goes on).
 * exit: "<exit code> <signal> <unix ms>" once the process and all its descendants are gone.
 */
#ifndef DRIVER_PROCESS_KEEPER_H
#define DRIVER_PROCESS_KEEPER_H

#define KEEPER_SPEC   "spec"
#define KEEPER_SOCK   "sock"
#define KEEPER_NOTIFY "notify"
#define KEEPER_LOG    "log"
#define KEEPER_EXIT   "exit"

/* Descriptors of a keeper when it is started. Result: "ok <pid>" or the error's text, then EOF. */
#define KEEPER_FD_RESULT 3
#define KEEPER_FD_LISTEN 4 /* and the following: `fds` of them, then `sealed` with secrets */
#define KEEPER_FDS_MAX   32
#define KEEPER_MSG_MAX   512

/* Requests; the answers are in brackets.
 *   status          [run <pid> <unix ms of start> <ready 0|1>] or [exit <code> <signal> <unix ms>]
 *   ready           [ok]        the manager found it well; kept for the next manager's status
 *   stop <ms>       [stopping]  SIGTERM to the group, SIGKILL after that time
 *   signal <number> [ok]        to the process itself
 *   fds             [fds <names joined by ':'>] with the listening sockets (SCM_RIGHTS)
 *   reap            the keeper ends; only after the exit
 * Unasked: [ready], once; [exit ...], when all is over. */

#endif
