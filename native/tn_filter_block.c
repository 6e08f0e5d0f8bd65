/* The check of a compiled filter block, once, before the evaluator trusts it (layout: tn_filter.h). */
#include "tn_filter_block.h"

#include <string.h>

#include "tn_bytes.h"
#include "tn_filter.h"

static const uint8_t magic[4] = {'T', 'N', 'F', '1'};

/** Where each table begins, in the order of the block. @return false if they do not fill the block exactly */
static bool place_tables(struct tn_filter_tables *tables, const uint8_t *block, size_t length)
{
	static const uint8_t record_sizes[TN_FILTER_TABLES] = {
	    TN_FILTER_SET_SIZE,    TN_FILTER_DESTINATION_SIZE, TN_FILTER_DESTINATION_SIZE, TN_FILTER_CLASS_SIZE,
	    TN_FILTER_RANGE4_SIZE, TN_FILTER_ADDRESS6_SIZE,    TN_FILTER_PREFIX6_SIZE,     TN_FILTER_CAPABILITY_SIZE,
	};
	uint64_t at = TN_FILTER_HEADER;
	for (size_t i = 0; i < TN_FILTER_TABLES; i++) {
		tables->count[i] = tn_load32le(block + 8 + 4 * i);
		if (at > length)
			return false;
		tables->table[i] = block + at;
		at += (uint64_t)tables->count[i] * record_sizes[i];
	}
	return at == length;
}

static bool is_inside(uint32_t first, uint32_t count, uint32_t limit)
{
	return first <= limit && count <= limit - first;
}

static bool are_ranges_ordered(const uint8_t *range, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, range += TN_FILTER_RANGE4_SIZE) {
		if (tn_load32le(range) > tn_load32le(range + 4))
			return false;
		if (i > 0 && tn_load32le(range) <= tn_load32le(range - 4))
			return false;
	}
	return true;
}

/** Whether all bits beyond a prefix length are zero. */
static bool is_prefix(const uint8_t *address, unsigned bits)
{
	if (bits > 128)
		return false;
	size_t i = bits / 8;
	if (bits % 8 != 0 && (address[i++] & (0xff >> (bits % 8))) != 0)
		return false;
	while (i < 16)
		if (address[i++] != 0)
			return false;
	return true;
}

static bool are_prefixes_ordered(const uint8_t *prefix, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, prefix += TN_FILTER_PREFIX6_SIZE) {
		if (!is_prefix(prefix, prefix[16]))
			return false;
		/* Ascending, and the one before does not contain this one: then they are disjoint. */
		const uint8_t *before = prefix - TN_FILTER_PREFIX6_SIZE;
		if (i > 0 && (memcmp(before, prefix, 16) >= 0 || tn_filter_in_prefix6(before, before[16], prefix)))
			return false;
	}
	return true;
}

static bool are_sets_good(const struct tn_filter_tables *tables)
{
	const uint8_t *set = tables->table[TN_FILTER_SETS];
	if (tables->count[TN_FILTER_SETS] < 1 || tables->count[TN_FILTER_SETS] > 65536)
		return false;
	for (uint32_t i = 0; i < tables->count[TN_FILTER_SETS]; i++, set += TN_FILTER_SET_SIZE) {
		const uint32_t first4 = tn_load32le(set), count4 = tn_load32le(set + 4);
		const uint32_t first6 = tn_load32le(set + 8), count6 = tn_load32le(set + 12);
		if (!is_inside(first4, count4, tables->count[TN_FILTER_RANGES4]) || !is_inside(first6, count6, tables->count[TN_FILTER_PREFIXES6]) ||
		    !is_inside(tn_load32le(set + 16), tn_load16le(set + 20), tables->count[TN_FILTER_CAPABILITIES]))
			return false;
		if (!are_ranges_ordered(tables->table[TN_FILTER_RANGES4] + (size_t)first4 * TN_FILTER_RANGE4_SIZE, count4) ||
		    !are_prefixes_ordered(tables->table[TN_FILTER_PREFIXES6] + (size_t)first6 * TN_FILTER_PREFIX6_SIZE, count6))
			return false;
	}
	return true;
}

static bool are_destinations_good(const struct tn_filter_tables *tables, unsigned table)
{
	const uint8_t *record = tables->table[table];
	for (uint32_t i = 0; i < tables->count[table]; i++, record += TN_FILTER_DESTINATION_SIZE) {
		const uint32_t a = tn_load32le(record), b = tn_load32le(record + 4);
		if (tn_load16le(record + 12) >= tables->count[TN_FILTER_SETS] || record[14] >= tables->count[TN_FILTER_CLASSES])
			return false;
		if (table == TN_FILTER_DESTINATIONS4 ? a > b : a >= tables->count[TN_FILTER_ADDRESSES6] || b > 128)
			return false;
	}
	return true;
}

int tn_filter_read_block(struct tn_filter_tables *tables, const uint8_t *block, size_t length)
{
	if (length < TN_FILTER_HEADER || memcmp(block, magic, sizeof magic) != 0 || tn_load32le(block + 4) != length || tn_load32le(block + 44) != 0)
		return -1;
	if (!place_tables(tables, block, length))
		return -1;
	tables->icmp4 = tn_load16le(block + 40);
	tables->icmp6 = tn_load16le(block + 42);
	if (!is_inside(tables->icmp4, tables->icmp6, tables->count[TN_FILTER_CAPABILITIES]))
		return -1;
	if (!are_sets_good(tables) || !are_destinations_good(tables, TN_FILTER_DESTINATIONS4) || !are_destinations_good(tables, TN_FILTER_DESTINATIONS6))
		return -1;
	return 0;
}

int tn_filter_check_block(const uint8_t *block, size_t length)
{
	struct tn_filter_tables tables;
	return tn_filter_read_block(&tables, block, length);
}
