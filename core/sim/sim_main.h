/* SPDX-License-Identifier: Apache-2.0
 *
 * `trellis sim`: virtual hosts until told to end.
 */
#ifndef TRELLIS_SIM_SIM_MAIN_H
#define TRELLIS_SIM_SIM_MAIN_H

/* argv[0] is the name of the command. Returns the exit code: 0, 1 failed, 2 wrong use. */
int sim_main(int argc, char **argv);

#endif
