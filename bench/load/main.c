#include "load.h"

#include <string.h>

int main(int argc, char **argv)
{
    options_read(argc, argv);
    loop_open();
    clients_make(options.clients);
    if (!strcmp(options.mode, "fanout"))
        mode_fanout();
    else if (!strcmp(options.mode, "path"))
        mode_path();
    else if (!strcmp(options.mode, "calls"))
        mode_calls();
    else
        mode_life();
    return 0;
}
