/* Check and look-up of scanner schemas (layout: tn_json.h). */
#include "tn_json_schema.h"

#include <string.h>

static bool is_name_good(const uint8_t *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (name[i] < 0x20 || name[i] > 0x7e || name[i] == '"' || name[i] == '\\')
			return false;
	return true;
}

static bool are_entries_good(const uint8_t *schema, size_t length, uint16_t nodes, uint16_t node)
{
	const size_t offset = tn_load16le(tn_json_node(schema, node) + 4);
	if (offset + 2 > length)
		return false;
	const size_t count = tn_load16le(schema + offset);
	if (count * TN_JSON_ENTRY_SIZE > length - offset - 2)
		return false;
	const uint8_t *entry = schema + offset + 2;
	for (size_t i = 0; i < count; i++, entry += TN_JSON_ENTRY_SIZE) {
		const size_t name = tn_load16le(entry + 2);
		const uint16_t child = tn_load16le(entry + 4);
		if (entry[0] == 0 || entry[0] > TN_JSON_NAME || name + entry[0] > length || child >= nodes)
			return false;
		if (entry[1] != schema[name] || !is_name_good(schema + name, entry[0]))
			return false;
		if (tn_json_kind(schema, node) == TN_JSON_PROJECT && tn_json_kind(schema, child) > TN_JSON_LIST)
			return false;
	}
	return true;
}

static bool is_node_good(const uint8_t *schema, size_t length, uint16_t nodes, uint16_t node)
{
	const uint16_t other = tn_json_other(schema, node);
	if (other >= nodes || tn_json_node(schema, node)[1] > TN_JSON_ANNOUNCE)
		return false;
	switch (tn_json_kind(schema, node)) {
	case TN_JSON_SKIP:
	case TN_JSON_TAKE:
	case TN_JSON_KEYS:
	case TN_JSON_EACH_MEMBER:
	case TN_JSON_EACH_ELEMENT:
		return true;
	case TN_JSON_LIST:
		return tn_json_kind(schema, other) != TN_JSON_SKIP && tn_json_kind(schema, other) <= TN_JSON_LIST;
	case TN_JSON_PROJECT:
	case TN_JSON_MEMBERS:
		return are_entries_good(schema, length, nodes, node);
	default:
		return false;
	}
}

int tn_json_check_schema(const uint8_t *schema, size_t length)
{
	if (length < TN_JSON_SCHEMA_HEADER || schema[0] != 'J' || schema[1] != 'S')
		return -1;
	const uint16_t nodes = tn_load16le(schema + 2);
	if (nodes < 2 || (size_t)nodes * TN_JSON_NODE_SIZE > length - TN_JSON_SCHEMA_HEADER || tn_json_kind(schema, 0) != TN_JSON_SKIP)
		return -1;
	for (uint16_t node = 0; node < nodes; node++)
		if (!is_node_good(schema, length, nodes, node))
			return -1;
	return 0;
}

int32_t tn_json_find(const uint8_t *schema, uint16_t node, const char *name, size_t length)
{
	if (length == 0)
		return -1;
	const uint8_t *entry = schema + tn_load16le(tn_json_node(schema, node) + 4);
	const uint16_t count = tn_load16le(entry);
	const uint8_t first = (uint8_t)name[0];
	entry += 2;
	for (uint16_t i = 0; i < count; i++, entry += TN_JSON_ENTRY_SIZE)
		if (entry[0] == length && entry[1] == first && memcmp(schema + tn_load16le(entry + 2), name, length) == 0)
			return tn_load16le(entry + 4);
	return -1;
}
