/* Sizes and places of the tables of a filter block (layout: tn_filter.h). For tn_filter.c and tn_filter_block.c only. */
#ifndef TN_FILTER_BLOCK_H
#define TN_FILTER_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	TN_FILTER_SETS = 0,
	TN_FILTER_DESTINATIONS4,
	TN_FILTER_DESTINATIONS6,
	TN_FILTER_CLASSES,
	TN_FILTER_RANGES4,
	TN_FILTER_ADDRESSES6,
	TN_FILTER_PREFIXES6,
	TN_FILTER_CAPABILITIES,
	TN_FILTER_TABLES,
};

enum {
	TN_FILTER_SET_SIZE = 24,
	TN_FILTER_DESTINATION_SIZE = 16,
	TN_FILTER_CLASS_SIZE = 32,
	TN_FILTER_RANGE4_SIZE = 8,
	TN_FILTER_ADDRESS6_SIZE = 16,
	TN_FILTER_PREFIX6_SIZE = 17,
	TN_FILTER_CAPABILITY_SIZE = 2,
};

enum {
	TN_FILTER_SET_ANY4 = 1,
	TN_FILTER_SET_ANY6 = 2,
};

struct tn_filter_tables {
	const uint8_t *table[TN_FILTER_TABLES];
	uint32_t count[TN_FILTER_TABLES];
	uint16_t icmp4;
	uint16_t icmp6;
};

/** Checks a block and finds its tables. @return 0, or -1 for a bad block */
int tn_filter_read_block(struct tn_filter_tables *tables, const uint8_t *block, size_t length);

static inline bool tn_filter_in_prefix6(const uint8_t prefix[16], unsigned bits, const uint8_t address[16])
{
	if (memcmp(prefix, address, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((prefix[bits / 8] ^ address[bits / 8]) & (0xff00 >> (bits % 8)) & 0xff) == 0;
}

#endif
