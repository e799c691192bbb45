/* commands.h - the subcommands; each gets its own argv (argv[0] is its name) and returns the exit code */
#ifndef COMMANDS_H
#define COMMANDS_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 /* 128 + signal when interrupted */ };

int command_detect(int argc, char **argv);
int command_evaluate(int argc, char **argv);
int command_froc(int argc, char **argv);
int command_info(int argc, char **argv);
int command_mine(int argc, char **argv);
int command_pack(int argc, char **argv);
int command_pseudo_mask(int argc, char **argv);
int command_train(int argc, char **argv);

#endif
