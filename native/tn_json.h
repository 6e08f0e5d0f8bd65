/*
 * An incremental JSON scanner (RFC 8259) that cuts values worth keeping out of one document while it streams by. Memory is this struct, the
 * schema, and one working buffer that holds the value being kept, so that a document of megabytes needs the room of its largest wanted value.
 * Bytes may be cut anywhere: the events are the same.
 *
 * The schema is a graph of nodes that says what happens to a value. Built by modules/netmap/json-schema.ts, all integers little-endian:
 *
 *   0   "JS"   2  u16 nodes N   4  N nodes of 8 bytes, then entries and names
 *   node         u8 kind   u8 flags   u16 path   u16 offset of the first entry   u16 "other": a node
 *   at offset    u16 entries, then entries of 6 bytes: u8 length of the name, u8 its first byte, u16 offset of the name, u16 node
 *   node 0 is "skip", node 1 the document
 *
 *   kind            applies to   what happens
 *   0 skip          anything     nothing; the value is checked and forgotten
 *   1 take          anything     kept as it is, without white space
 *   2 keys          object       kept with every member's value replaced by null
 *   3 project       object       kept with the named members only, each treated by its own node (kinds 0..4)
 *   4 list          array        kept with every element treated by "other" (kinds 0..4)
 *   5 members       object       descended: each named member is treated by its node, others by "other"
 *   6 each member   object       descended: every member is treated by "other", and its name is the key of the event
 *   7 each element  array        descended: every element is treated by "other"
 *
 * Kinds 1..4 make an event (path, key, text) when they are reached by descending; path is the node's. A container that is descended into (5..7)
 * makes events under its own path unless that is 0: with flag bit 0 ("announce") text "{" or "[" before its content and "}" or "]" after it;
 * without the flag "{}" or "[]" if it is empty. Any value of another type than its node wants is taken as it is: null, for instance, is always
 * seen, and a string where an array should be as well. The text of an announcement is a single character, and no JSON value is.
 *
 * A value that does not fit the buffer makes an event with an empty text, scanning goes on, and the document ends with TN_JSON_TOO_LARGE.
 * Integers of more than 15 digits are kept as strings. Escapes in member names are decoded, duplicate members reported twice, depth is bounded.
 */
#ifndef TN_JSON_H
#define TN_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TN_JSON_DEPTH 64
/** Longest name in a schema; longer members match none. */
#define TN_JSON_NAME 63

enum tn_json_kind {
	TN_JSON_SKIP = 0,
	TN_JSON_TAKE = 1,
	TN_JSON_KEYS = 2,
	TN_JSON_PROJECT = 3,
	TN_JSON_LIST = 4,
	TN_JSON_MEMBERS = 5,
	TN_JSON_EACH_MEMBER = 6,
	TN_JSON_EACH_ELEMENT = 7,
};

#define TN_JSON_ANNOUNCE 1

enum tn_json_result {
	TN_JSON_MORE = 0,       /* the document is not complete */
	TN_JSON_COMPLETE = 1,   /* it is; only white space may follow */
	TN_JSON_MALFORMED = -1, /* it is not JSON, or deeper than TN_JSON_DEPTH; nothing more is accepted until reset */
	TN_JSON_TOO_LARGE = -2, /* complete, but at least one value did not fit */
};

/**
 * One value. Text and key are UTF-8 as they came (not checked), not terminated, and gone when the call returns. The scanner must not be called from inside.
 * @param path of the schema node
 * @param key name of the member for "each member", escapes decoded; else empty. The announcement of an end has none
 * @param text JSON, an announcement ("{", "}", "[", "]"), or empty: it did not fit
 */
typedef void (*tn_json_value)(void *context, uint16_t path, const char *key, size_t key_length, const char *text, size_t text_length);

struct tn_json_frame {
	uint16_t node;
	uint8_t kind;
	bool is_array;
	bool is_filled;
};

struct tn_json {
	const uint8_t *schema;
	uint8_t *buffer;
	size_t size;
	size_t used; /* bytes in the buffer: the key, then the text of the event */
	size_t key_length;
	size_t number; /* where the number that is being kept begins */
	size_t peak;
	tn_json_value callback;
	void *context;
	uint16_t path;      /* of the event being made */
	uint16_t next_node; /* what the coming value is treated by */
	uint16_t code;      /* of a \u escape, as far as it is read */
	uint16_t surrogate; /* first half of a pair that waits for the second */
	uint8_t next_kind;
	uint8_t state;
	uint8_t number_state;
	uint8_t digits;   /* of the integer part, up to 255 */
	uint8_t progress; /* in a literal or a \u escape */
	uint8_t sink;     /* where the string being read goes */
	uint8_t name_length;
	uint8_t depth;
	uint8_t event_depth;
	bool is_name;   /* the string being read is a member's name */
	bool is_kept;   /* the number or literal being read belongs to the event */
	bool long_name; /* the name did not fit */
	bool in_event;
	bool overflow;  /* the event does not fit */
	bool too_large; /* an event of this document did not */
	char name[TN_JSON_NAME];
	const char *literal;
	struct tn_json_frame frames[TN_JSON_DEPTH];
};

/** Checks a schema: every node, entry and name lies inside, kinds stand where they may. @return 0 or -1 */
int tn_json_check_schema(const uint8_t *schema, size_t length);

/**
 * @param schema must stay in place as long as the scanner
 * @param buffer working buffer, likewise; at least 16 bytes
 * @return 0, or -1 for a bad schema or too small a buffer
 */
int tn_json_init(struct tn_json *json, const uint8_t *schema, size_t schema_length, uint8_t *buffer, size_t size);

/** Ready for the next document; peak is kept. */
void tn_json_reset(struct tn_json *json);

/** Feeds bytes; the callback runs before it returns. @return enum tn_json_result */
int tn_json_push(struct tn_json *json, const uint8_t *bytes, size_t length, tn_json_value callback, void *context);

/** Largest number of buffer bytes used since tn_json_init. */
size_t tn_json_peak(const struct tn_json *json);

#endif
