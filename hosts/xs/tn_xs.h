/*
 * What the files of the XS bindings share. They only translate between JavaScript and native/, as hosts/xs/native.js names them.
 *
 * Rules of the engine that all of them keep: a pointer into a buffer dies at the next call that may allocate or run JavaScript, so buffers are fetched last and
 * used at once; no call of the engine off the VM's thread; a destructor gets the data only, and may run when the VM ends.
 */
#ifndef TN_XS_H
#define TN_XS_H

#include "xsmc.h"
#include "xsHost.h"
#include "mc.xs.h"
#include <stddef.h>
#include <stdint.h>

struct tn_xs_bytes {
	uint8_t *data;
	size_t length;
};

/** Bytes of argument number i, to be read. Throws a TypeError when it is no buffer. */
struct tn_xs_bytes tn_xs_readable(xsMachine *the, unsigned i);

/** Bytes of argument number i, to be written. */
struct tn_xs_bytes tn_xs_writable(xsMachine *the, unsigned i);

/** As tn_xs_readable, and the length must be this. */
const uint8_t *tn_xs_exactly(xsMachine *the, unsigned i, size_t length);

/** Sets slot to the text of UTF-8 bytes that need not be well-formed: what is not becomes U+FFFD. Moves buffers. */
void tn_xs_set_text(xsMachine *the, xsSlot *slot, const uint8_t *bytes, size_t length);

/** A text argument copied to memory of our own (tn_port_free), NULL for undefined. Throws when memory is short. */
char *tn_xs_copy_text(xsMachine *the, unsigned i);

/** Calls a function with up to two arguments, from outside of JavaScript; an exception that leaves it is logged and ends there. Between xsBeginHost and xsEndHost. */
void tn_xs_call(xsMachine *the, xsSlot *function, unsigned count, xsSlot *first, xsSlot *second);

/** Sets slot to the text of an address, 16 bytes. */
void tn_xs_set_address(xsMachine *the, xsSlot *slot, const uint8_t address[16]);

#endif
