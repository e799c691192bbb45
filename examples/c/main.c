/* main.c - the command-line tool `uldor`; everything it can do it does through uldor.h */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <uldor.h>

#include "commands.h"
#include "interrupt.h"
#include "message.h"
#include "output_file.h"
#include "version.h"

static const char help[] =
    "usage: uldor COMMAND ...\n"
    "\n"
    "Finds lesions in CT slices. For research only; not a medical device.\n"
    "\n"
    "  detect         find lesions in PNG slices and NIfTI volumes\n"
    "  evaluate       detect on a data set and measure how well\n"
    "  froc           measure detections against DeepLesion's annotations\n"
    "  info           show what a weights file holds\n"
    "  mine           find a model's hard negatives in a data set, to learn from\n"
    "  pack           write weights as they lie in memory, for starting sooner\n"
    "  pseudo-mask    draw the mask that two RECIST diameters span\n"
    "  train          train a detector on a data set of DeepLesion's layout\n"
    "\n"
    "  --version      versions of the tool and the library\n"
    "  --help         this text; 'uldor COMMAND --help' says more\n"
    "\n"
    "Exit code: 0 done, 1 something failed, 2 usage, 130 interrupted (128 + signal).\n";

static int print_version(void) {
    printf("uldor %d.%d.%d (libuldor %s)\n", ULDOR_VERSION_MAJOR, ULDOR_VERSION_MINOR, ULDOR_VERSION_PATCH,
           version_of_library().text);
    return EXIT_OK;
}

static int run(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"detect", command_detect}, {"evaluate", command_evaluate}, {"froc", command_froc},
                    {"info", command_info},     {"mine", command_mine},         {"pack", command_pack},
                    {"pseudo-mask", command_pseudo_mask}, {"train", command_train}};
    if (argc < 2) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) return print_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    message_error(NULL, "%s: no such command", argv[1]);
    fputs("Try 'uldor --help'.\n", stderr);
    return EXIT_USAGE;
}

/*
 * A descriptor that the caller closed would be given to the next file opened, and what is meant for standard output would end up
 * in it. Opened for the wrong direction it stays an error.
 */
static void keep_standard_descriptors(void) {
    static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};
    for (int descriptor = 0; descriptor < 3; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0) (void)!open("/dev/null", modes[descriptor]);
}

int main(int argc, char **argv) {
    reason why;
    keep_standard_descriptors();
    if (uldor_abi_version() != ULDOR_ABI_VERSION) {
        message_error(NULL, "this tool needs libuldor.so.%d; the library found is %d", ULDOR_ABI_VERSION,
                      (int)uldor_abi_version());
        return EXIT_FAILED;
    }
    int error = interrupt_start();
    if (error != 0) {
        message_error(NULL, "%s", strerror(error));
        return EXIT_FAILED;
    }
    int code = run(argc, argv);
    /* Standard output is checked here once for all commands: a full disk must not look like success. */
    if (output_flush_stdout(&why) != 0) {
        message_error("-", "%s", why.text);
        if (code == EXIT_OK) code = EXIT_FAILED;
    }
    return code;
}
