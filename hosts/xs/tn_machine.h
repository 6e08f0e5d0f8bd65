/*
 * Facts of the machine. One implementation a host.
 */
#ifndef TN_MACHINE_H
#define TN_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tn_machine_fact {
	TN_MACHINE_OS, /* "linux", "darwin", "windows", "esp32" */
	TN_MACHINE_OS_VERSION,
	TN_MACHINE_MODEL,
	TN_MACHINE_HOSTNAME,
	TN_MACHINE_LACKS, /* options that the system was built without: "NAME: what that costs" each, and a line feed */
};

/** Bytes that the text of a fact may take, with the zero at its end. */
#define TN_FACT_MAX 1024

/** Writes a fact as text. */
void tn_machine_fact(enum tn_machine_fact fact, char *out, size_t size);

/** Unix time in milliseconds as the system believes, 0 = it has no idea. */
uint64_t tn_machine_wall_ms(void);

/** Addresses of interfaces that are up, without loopback and link-local. @param out 16 bytes each. @return their number */
size_t tn_machine_addresses(uint8_t (*out)[16], size_t max);

/** The IPv4 default gateway and our address on the interface that leads there. @return false if there is none, or the system does not say */
bool tn_machine_gateway(uint8_t gateway[4], uint8_t address[4]);

/** One line of log. */
void tn_machine_log(const char *text);

#endif
