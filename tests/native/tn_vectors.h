/*
 * The vectors of tests/vectors as C data: build.js turns NAME.json into build/native/vectors_NAME.h, which defines
 * `static const struct tn_vector tn_vectors_NAME`, a tree with the shape of the JSON. Numbers and booleans keep their text
 * ("1280", "true"), null is the type TN_VECTOR_NULL; a name that is not there gives such a null, so that look-ups chain.
 *
 *   #include "vectors_wireguard.h"
 *   const struct tn_vector *list = tn_vector_get(&tn_vectors_wireguard, "blake2s");
 *   for (size_t i = 0; i < list->count; i++) {
 *       uint8_t in[256];
 *       size_t length = tn_vector_hex(tn_vector_get(&list->items[i], "in"), in, sizeof in);
 *   }
 */
#ifndef TN_VECTORS_H
#define TN_VECTORS_H

#include <stdlib.h>

#include "tn_test.h"

enum tn_vector_type { TN_VECTOR_NULL, TN_VECTOR_BOOLEAN, TN_VECTOR_NUMBER, TN_VECTOR_STRING, TN_VECTOR_ARRAY, TN_VECTOR_OBJECT };

struct tn_vector {
	const char *name; /* in its object, else NULL */
	enum tn_vector_type type;
	const char *text; /* of a string, number or boolean; never NULL */
	const struct tn_vector *items;
	size_t count; /* of items */
};

static const struct tn_vector tn_vector_null = {NULL, TN_VECTOR_NULL, "", NULL, 0};

/** The member of that name, or a null value. */
static inline const struct tn_vector *tn_vector_get(const struct tn_vector *object, const char *name)
{
	for (size_t i = 0; i < object->count; i++)
		if (object->items[i].name && strcmp(object->items[i].name, name) == 0)
			return &object->items[i];
	return &tn_vector_null;
}

/** The element at that place, or a null value. */
static inline const struct tn_vector *tn_vector_at(const struct tn_vector *array, size_t i)
{
	return i < array->count ? &array->items[i] : &tn_vector_null;
}

/** Decodes a hex string. @return the number of bytes, SIZE_MAX if it is no hex or larger than size */
static inline size_t tn_vector_hex(const struct tn_vector *string, uint8_t *out, size_t size)
{
	return tn_test_hex(string->text, out, size);
}

/** The value of a decimal number or decimal string, all 64 bits. */
static inline uint64_t tn_vector_number(const struct tn_vector *value)
{
	return strtoull(value->text, NULL, 10);
}

static inline bool tn_vector_true(const struct tn_vector *value)
{
	return value->type == TN_VECTOR_BOOLEAN && value->text[0] == 't';
}

static inline bool tn_vector_is(const struct tn_vector *value, const char *text)
{
	return value->type != TN_VECTOR_NULL && strcmp(value->text, text) == 0;
}

#endif
