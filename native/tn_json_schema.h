/* Reading a schema of the JSON scanner (layout: tn_json.h). For tn_json.c and tn_json_schema.c only; the schema was checked. */
#ifndef TN_JSON_SCHEMA_H
#define TN_JSON_SCHEMA_H

#include "tn_bytes.h"
#include "tn_json.h"

#define TN_JSON_SCHEMA_HEADER 4
#define TN_JSON_NODE_SIZE 8
#define TN_JSON_ENTRY_SIZE 6

static inline const uint8_t *tn_json_node(const uint8_t *schema, uint16_t node)
{
	return schema + TN_JSON_SCHEMA_HEADER + (size_t)node * TN_JSON_NODE_SIZE;
}

static inline uint8_t tn_json_kind(const uint8_t *schema, uint16_t node)
{
	return tn_json_node(schema, node)[0];
}

static inline bool tn_json_is_announced(const uint8_t *schema, uint16_t node)
{
	return (tn_json_node(schema, node)[1] & TN_JSON_ANNOUNCE) != 0;
}

static inline uint16_t tn_json_path(const uint8_t *schema, uint16_t node)
{
	return tn_load16le(tn_json_node(schema, node) + 2);
}

static inline uint16_t tn_json_other(const uint8_t *schema, uint16_t node)
{
	return tn_load16le(tn_json_node(schema, node) + 6);
}

/** The node for a member of that name, -1 if it is not named. */
int32_t tn_json_find(const uint8_t *schema, uint16_t node, const char *name, size_t length);

#endif
