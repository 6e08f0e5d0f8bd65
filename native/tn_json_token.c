/* Strings and numbers of the JSON scanner: where their bytes go, escapes, grammar. See tn_json.h. */
#include "tn_json_state.h"

#include <string.h>

enum number_state {
	MINUS,
	ZERO,
	INTEGER,
	POINT,
	FRACTION,
	EXPONENT,
	SIGN,
	POWER,
};

/* Integers with more digits than this do not survive JSON.parse. */
#define EXACT_DIGITS 15

void tn_json_put(struct tn_json *json, const char *bytes, size_t length)
{
	if (json->overflow)
		return;
	if (length > json->size - json->used) {
		json->overflow = true;
		return;
	}
	memcpy(json->buffer + json->used, bytes, length);
	json->used += length;
}

/** Appends bytes of a string to wherever it goes. */
static void sink_bytes(struct tn_json *json, const char *bytes, size_t length)
{
	switch (json->sink) {
	case TO_TEXT:
		tn_json_put(json, bytes, length);
		break;
	case TO_NAME:
		if (length > (size_t)(TN_JSON_NAME - json->name_length)) {
			json->long_name = true;
			break;
		}
		memcpy(json->name + json->name_length, bytes, length);
		json->name_length = (uint8_t)(json->name_length + length);
		break;
	case TO_KEY:
		if (length > json->size - json->used) {
			json->long_name = true;
			break;
		}
		memcpy(json->buffer + json->used, bytes, length);
		json->used += length;
		break;
	default:
		break;
	}
}

static void sink_code(struct tn_json *json, uint32_t code)
{
	char utf8[4];
	size_t length;
	if (code < 0x80) {
		utf8[0] = (char)code;
		length = 1;
	} else if (code < 0x800) {
		utf8[0] = (char)(0xc0 | code >> 6);
		length = 2;
	} else if (code < 0x10000) {
		utf8[0] = (char)(0xe0 | code >> 12);
		length = 3;
	} else {
		utf8[0] = (char)(0xf0 | code >> 18);
		length = 4;
	}
	for (size_t i = 1; i < length; i++)
		utf8[i] = (char)(0x80 | (code >> (6 * (length - 1 - i)) & 0x3f));
	sink_bytes(json, utf8, length);
}

/** A first half of a surrogate pair that got no second half counts as U+FFFD, as in Go. */
static void flush_surrogate(struct tn_json *json)
{
	if (json->surrogate != 0) {
		json->surrogate = 0;
		sink_code(json, 0xfffd);
	}
}

static void sink_unit(struct tn_json *json, uint16_t unit)
{
	const bool is_low = unit >= 0xdc00 && unit < 0xe000;
	if (is_low && json->surrogate != 0) {
		const uint32_t high = json->surrogate;
		json->surrogate = 0;
		sink_code(json, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00u));
		return;
	}
	flush_surrogate(json);
	if (unit >= 0xd800 && unit < 0xdc00)
		json->surrogate = unit;
	else
		sink_code(json, is_low ? 0xfffd : unit);
}

/** Length of the run of bytes that are neither a quote, a backslash nor a control character. A word at a time. */
static size_t ordinary_run(const uint8_t *bytes, size_t length)
{
	const size_t ones = (size_t)-1 / 255, high = ones * 0x80;
	size_t i = 0;
	for (; length - i >= sizeof(size_t); i += sizeof(size_t)) {
		size_t word;
		memcpy(&word, bytes + i, sizeof word);
		const size_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
		if ((((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word)) & high)
			break;
	}
	while (i < length && bytes[i] >= 0x20 && bytes[i] != '"' && bytes[i] != '\\')
		i++;
	return i;
}

void tn_json_begin_string(struct tn_json *json, bool is_name, enum tn_json_sink sink)
{
	json->state = STRING;
	json->is_name = is_name;
	json->sink = (uint8_t)sink;
	json->surrogate = 0;
	if (sink == TO_TEXT)
		tn_json_put(json, "\"", 1);
}

static bool take_escape(struct tn_json *json, uint8_t c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (c == 'u') {
		json->state = HEX;
		json->progress = 0;
		json->code = 0;
		if (json->sink == TO_TEXT)
			tn_json_put(json, "\\u", 2);
		return true;
	}
	const char *at = c == 0 ? NULL : strchr(from, c);
	if (!at)
		return false;
	json->state = STRING;
	if (json->sink == TO_TEXT) {
		tn_json_put(json, "\\", 1);
		tn_json_put(json, at, 1);
	} else {
		flush_surrogate(json);
		sink_bytes(json, to + (at - from), 1);
	}
	return true;
}

static bool take_hex(struct tn_json *json, uint8_t c)
{
	unsigned digit;
	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		digit = (unsigned)(c | 0x20) - 'a' + 10;
	else
		return false;
	json->code = (uint16_t)((unsigned)json->code << 4 | digit);
	if (json->sink == TO_TEXT) {
		const char text = (char)c;
		tn_json_put(json, &text, 1);
	}
	if (++json->progress == 4) {
		json->state = STRING;
		if (json->sink != TO_TEXT)
			sink_unit(json, json->code);
	}
	return true;
}

static size_t take_string(struct tn_json *json, const uint8_t *bytes, size_t length)
{
	const size_t run = ordinary_run(bytes, length);
	if (run > 0 && json->sink != NOWHERE) {
		flush_surrogate(json);
		sink_bytes(json, (const char *)bytes, run);
	}
	if (run == length)
		return run;
	if (bytes[run] == '"') {
		if (json->sink != TO_TEXT)
			flush_surrogate(json);
		else
			tn_json_put(json, "\"", 1);
		json->state = TOKEN_END;
	} else if (bytes[run] == '\\')
		json->state = ESCAPE;
	else
		return SIZE_MAX;
	return run + 1;
}

/* ---- Numbers ---- */

bool tn_json_begin_number(struct tn_json *json, uint8_t c, bool is_kept)
{
	if (c != '-' && (c < '0' || c > '9'))
		return false;
	const char text = (char)c;
	json->state = NUMBER;
	json->is_name = false;
	json->is_kept = is_kept;
	json->number = json->used;
	json->number_state = c == '-' ? MINUS : c == '0' ? ZERO : INTEGER;
	json->digits = c != '-';
	if (is_kept)
		tn_json_put(json, &text, 1);
	return true;
}

/** @return false if the digit, sign, point or exponent cannot stand here */
static bool advance_number(struct tn_json *json, uint8_t c)
{
	const bool is_digit = c >= '0' && c <= '9';
	switch (json->number_state) {
	case MINUS:
		json->number_state = c == '0' ? ZERO : INTEGER;
		json->digits = 1;
		return is_digit;
	case INTEGER:
		if (is_digit) {
			if (json->digits < UINT8_MAX)
				json->digits++;
			return true;
		}
		/* fall through */
	case ZERO:
		json->number_state = c == '.' ? POINT : EXPONENT;
		return c == '.' || c == 'e' || c == 'E';
	case POINT:
		json->number_state = FRACTION;
		return is_digit;
	case FRACTION:
		if (is_digit)
			return true;
		json->number_state = EXPONENT;
		return c == 'e' || c == 'E';
	case EXPONENT:
		json->number_state = is_digit ? POWER : SIGN;
		return is_digit || c == '+' || c == '-';
	default:
		json->number_state = POWER;
		return is_digit;
	}
}

static bool end_number(struct tn_json *json)
{
	const uint8_t state = json->number_state;
	if (state != ZERO && state != INTEGER && state != FRACTION && state != POWER)
		return false;
	if (json->is_kept && state == INTEGER && json->digits > EXACT_DIGITS) {
		tn_json_put(json, "\"\"", 2);
		if (!json->overflow) {
			uint8_t *number = json->buffer + json->number;
			memmove(number + 1, number, json->used - json->number - 2);
			number[0] = '"';
		}
	}
	json->state = TOKEN_END;
	return true;
}

static bool is_number_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

/** Takes what there is of a number. @return bytes taken, or SIZE_MAX if it is none */
static size_t take_number(struct tn_json *json, const uint8_t *bytes, size_t length)
{
	size_t i = 0;
	for (; i < length && is_number_byte(bytes[i]); i++)
		if (!advance_number(json, bytes[i]))
			return SIZE_MAX;
	if (json->is_kept)
		tn_json_put(json, (const char *)bytes, i);
	return i == length || end_number(json) ? i : SIZE_MAX;
}

size_t tn_json_take_token(struct tn_json *json, const uint8_t *bytes, size_t length)
{
	switch (json->state) {
	case STRING:
		return take_string(json, bytes, length);
	case ESCAPE:
		return take_escape(json, bytes[0]) ? 1 : SIZE_MAX;
	case HEX:
		return take_hex(json, bytes[0]) ? 1 : SIZE_MAX;
	default:
		return take_number(json, bytes, length);
	}
}
