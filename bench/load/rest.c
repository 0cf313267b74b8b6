#include "load.h"

enum { QUIET_TURNS = 4, PATIENCE_TURNS = 240 };
static const double TURN_S = 0.25, QUIET_BUSY = 0.02;

/* CPU microseconds per second that the server takes by itself. */
double server_rest(double seconds)
{
    double before = server_cpu_us();
    uint64_t began = now_us();
    loop_run(seconds);
    return (server_cpu_us() - before) / ((double)(now_us() - began) / 1e6);
}

/* Let the server finish what it has begun: the CPU since `began_us`, beyond its rest. `seconds`: until it was quiet. */
double server_quiet(double before_us, uint64_t began_us, double rest, double *seconds)
{
    double last = server_cpu_us();
    *seconds = (double)(now_us() - began_us) / 1e6;
    for (int quiet = 0, turn = 0; quiet < QUIET_TURNS && turn < PATIENCE_TURNS; turn++) {
        loop_run(TURN_S);
        double now = server_cpu_us(), busy = (now - last - rest * TURN_S) / 1e6 / TURN_S;
        quiet = busy < QUIET_BUSY ? quiet + 1 : 0;
        if (!quiet) *seconds = (double)(now_us() - began_us) / 1e6;
        last = now;
    }
    return last - before_us - rest * (double)(now_us() - began_us) / 1e6;
}
