/*
 * What tests ask of this header; picolibc's has no inet_pton. start.c has it, by lwIP's parsers.
 */
#ifndef TN_CROSS_INET_H
#define TN_CROSS_INET_H

#define AF_INET 2
#define AF_INET6 10

int inet_pton(int family, const char *text, void *address);

#endif
