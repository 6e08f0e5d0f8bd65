/*
 * What the board's sdkconfig gives the node, and what it does not.
 */
#ifndef TN_BOARD_H
#define TN_BOARD_H

/** Options that are off, and that the node goes without: for each its name without CONFIG_, a colon, what that costs, and a line feed. Health tells them. */
extern const char tn_board_lacks[];

#endif
