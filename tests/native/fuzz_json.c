/*
 * Any bytes as a JSON document under the schema of test_json.c: cut anywhere, result and events are the same, and what is reported is JSON again.
 * The first byte says how it is cut, the second how large the buffer is.
 */
#include <stdlib.h>
#include <string.h>

#include "json_cases.h"
#include "tn_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t take_all[] = {'J', 'S', 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0};

struct result {
	uint64_t events;
	size_t count;
	int last;
};

static uint64_t hash(uint64_t state, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		state = (state ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
	return (state ^ length) * 0x100000001b3u;
}

static void ignore(void *context, uint16_t path, const char *key, size_t key_length, const char *text, size_t text_length)
{
	(void)path;
	(void)key;
	(void)key_length;
	(void)text;
	*(size_t *)context = text_length;
}

/** A value kept is a whole JSON value without white space: kept again, it stays as it is. */
static void check_value(const char *text, size_t length)
{
	static struct tn_json json;
	static uint8_t buffer[4096];
	size_t kept = 0;
	if (length == 0 || (length == 1 && strchr("{}[]", text[0])))
		return;
	if (tn_json_init(&json, take_all, sizeof take_all, buffer, sizeof buffer) != 0)
		abort();
	tn_json_push(&json, (const uint8_t *)text, length, ignore, &kept);
	if (tn_json_push(&json, (const uint8_t *)" ", 1, ignore, &kept) != TN_JSON_COMPLETE || kept != length)
		abort();
}

static void take(void *context, uint16_t path, const char *key, size_t key_length, const char *text, size_t text_length)
{
	struct result *result = context;
	result->events = hash(hash(hash(result->events, &path, sizeof path), key, key_length), text, text_length);
	result->count++;
	check_value(text, text_length);
}

static void run(const uint8_t *data, size_t size, size_t piece, size_t buffer_size, struct result *result)
{
	static struct tn_json json;
	uint8_t *buffer = malloc(buffer_size);
	memset(result, 0, sizeof *result);
	if (tn_json_init(&json, json_schema, sizeof json_schema, buffer, buffer_size) != 0)
		abort();
	for (size_t at = 0; at < size;) {
		const size_t part = piece == 0 || piece > size - at ? size - at : piece;
		uint8_t *copy = malloc(part);
		memcpy(copy, data + at, part);
		result->last = tn_json_push(&json, copy, part, take, result);
		free(copy);
		at += part;
	}
	free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result whole, cut;
	if (size < 2)
		return 0;
	const size_t buffer = 16 + 2 * (size_t)data[1];
	run(data + 2, size - 2, 0, buffer, &whole);
	run(data + 2, size - 2, 1 + data[0] % 16u, buffer, &cut);
	if (whole.last != cut.last || whole.count != cut.count || whole.events != cut.events)
		abort();
	return 0;
}
