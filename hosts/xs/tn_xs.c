/*
 * What the XS bindings share.
 */
#include "tn_xs.h"

#include <stdio.h>
#include <string.h>
#include "tn_machine.h"
#include "tn_port.h"

#define LOG_MAX 256

struct tn_xs_bytes tn_xs_readable(xsMachine *the, unsigned i)
{
	void *data;
	xsUnsignedValue length;
	if (xsmcArgc <= (int)i)
		xsTypeError("expected bytes");
	xsmcGetBufferReadable(xsArg(i), &data, &length);
	return (struct tn_xs_bytes){data, length};
}

struct tn_xs_bytes tn_xs_writable(xsMachine *the, unsigned i)
{
	void *data;
	xsUnsignedValue length;
	if (xsmcArgc <= (int)i)
		xsTypeError("expected bytes");
	xsmcGetBufferWritable(xsArg(i), &data, &length);
	return (struct tn_xs_bytes){data, length};
}

const uint8_t *tn_xs_exactly(xsMachine *the, unsigned i, size_t length)
{
	struct tn_xs_bytes bytes = tn_xs_readable(the, i);
	if (bytes.length != length)
		xsTypeError("expected %d bytes, got %d", (int)length, (int)bytes.length);
	return bytes.data;
}

/** Bytes of the UTF-8 sequence that bytes begin with; of one that is not well-formed, those that belong together (at least one). */
static size_t take_sequence(const uint8_t *bytes, size_t length, bool *is_whole)
{
	uint8_t first = bytes[0], low = 0x80, high = 0xbf;
	size_t size = first < 0x80 ? 1 : first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0, i = 1;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	for (; i < size && i < length && bytes[i] >= low && bytes[i] <= high; i++) {
		low = 0x80;
		high = 0xbf;
	}
	*is_whole = i == size;
	return i;
}

/** Writes the engine's form of a text (a zero as c0 80, nothing malformed), or only counts. @return bytes */
static size_t convert(const uint8_t *bytes, size_t length, uint8_t *out)
{
	static const uint8_t replacement[] = {0xef, 0xbf, 0xbd}, zero[] = {0xc0, 0x80};
	size_t size = 0;
	for (size_t i = 0; i < length;) {
		bool is_whole;
		size_t part = take_sequence(bytes + i, length - i, &is_whole), copied = part;
		const uint8_t *from = bytes + i;
		if (!is_whole) {
			from = replacement;
			copied = sizeof replacement;
		} else if (bytes[i] == 0) {
			from = zero;
			copied = sizeof zero;
		}
		if (out != NULL)
			memcpy(out + size, from, copied);
		size += copied;
		i += part;
	}
	return size;
}

void tn_xs_set_text(xsMachine *the, xsSlot *slot, const uint8_t *bytes, size_t length)
{
	bool is_plain = true;
	for (size_t i = 0; i < length && is_plain; i++)
		is_plain = bytes[i] > 0 && bytes[i] < 0x80;
	if (is_plain) {
		xsmcSetStringBuffer(*slot, (char *)(uintptr_t)bytes, (xsIntegerValue)length);
		return;
	}
	size_t size = convert(bytes, length, NULL);
	uint8_t *copy = tn_port_allocate(size + 1);
	if (copy == NULL)
		xsUnknownError("out of memory");
	convert(bytes, length, copy);
	xsmcSetStringBuffer(*slot, (char *)copy, (xsIntegerValue)size);
	tn_port_free(copy);
}

char *tn_xs_copy_text(xsMachine *the, unsigned i)
{
	if (xsmcArgc <= (int)i || xsmcTypeOf(xsArg(i)) == xsUndefinedType)
		return NULL;
	const char *text = xsmcToString(xsArg(i));
	char *copy = tn_port_allocate(strlen(text) + 1);
	if (copy == NULL)
		xsUnknownError("out of memory");
	strcpy(copy, text);
	return copy;
}

void tn_xs_call(xsMachine *the, xsSlot *function, unsigned count, xsSlot *first, xsSlot *second)
{
	xsTry
	{
		if (count == 0)
			(void)xsCallFunction0(*function, xsUndefined);
		else if (count == 1)
			(void)xsCallFunction1(*function, xsUndefined, *first);
		else
			(void)xsCallFunction2(*function, xsUndefined, *first, *second);
	}
	xsCatch
	{
		char line[LOG_MAX];
		snprintf(line, sizeof line, "tailnet: an exception left a callback: %.200s", xsmcToString(xsException));
		tn_machine_log(line);
	}
}

void tn_xs_set_address(xsMachine *the, xsSlot *slot, const uint8_t address[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char text[48];
	if (memcmp(address, mapped, sizeof mapped) == 0) {
		snprintf(text, sizeof text, "%u.%u.%u.%u", address[12], address[13], address[14], address[15]);
	} else {
		size_t at = 0;
		for (unsigned i = 0; i < 16; i += 2)
			at += (size_t)snprintf(text + at, sizeof text - at, "%s%x", i > 0 ? ":" : "", (unsigned)(address[i] << 8 | address[i + 1]));
	}
	xsmcSetString(*slot, text);
}
