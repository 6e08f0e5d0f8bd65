/* The incremental JSON scanner, see tn_json.h. One state for each place in the grammar, one frame for each open container. */
#include "tn_json.h"

#include <string.h>

#include "tn_json_schema.h"
#include "tn_json_state.h"

#define SMALLEST_BUFFER 16

static struct tn_json_frame *top(struct tn_json *json)
{
	return &json->frames[json->depth - 1];
}

static void note_peak(struct tn_json *json)
{
	if (json->used > json->peak)
		json->peak = json->used;
}

static void report(struct tn_json *json, uint16_t path, const char *text, size_t length)
{
	if (path != 0)
		json->callback(json->context, path, (const char *)json->buffer, json->key_length, text, length);
}

static void begin_event(struct tn_json *json, uint16_t path)
{
	json->in_event = true;
	json->event_depth = json->depth;
	json->path = path;
	json->overflow = false;
	json->used = json->key_length;
}

static void end_event(struct tn_json *json)
{
	json->in_event = false;
	note_peak(json);
	if (json->overflow)
		json->too_large = true;
	report(json, json->path, (const char *)json->buffer + json->key_length, json->overflow ? 0 : json->used - json->key_length);
	json->key_length = 0;
}

/* ---- Values ---- */

static void set_next(struct tn_json *json, uint16_t node)
{
	json->next_node = node;
	json->next_kind = tn_json_kind(json->schema, node);
}

static void set_next_kind(struct tn_json *json, enum tn_json_kind kind)
{
	json->next_kind = (uint8_t)kind;
	json->next_node = 0;
}

static void set_next_element(struct tn_json *json)
{
	const struct tn_json_frame *frame = top(json);
	if (frame->kind == TN_JSON_LIST || frame->kind == TN_JSON_EACH_ELEMENT)
		set_next(json, tn_json_other(json->schema, frame->node));
	else
		set_next_kind(json, frame->kind == TN_JSON_TAKE ? TN_JSON_TAKE : TN_JSON_SKIP);
}

static void end_value(struct tn_json *json)
{
	if (json->in_event && json->depth == json->event_depth)
		end_event(json);
	json->state = json->depth > 0 ? AFTER : DONE;
}

static bool push(struct tn_json *json, uint8_t kind, bool is_array)
{
	if (json->depth == TN_JSON_DEPTH)
		return false;
	json->frames[json->depth++] = (struct tn_json_frame){json->next_node, kind, is_array, false};
	json->state = is_array ? ELEMENT_OR_END : NAME_OR_END;
	if (is_array)
		set_next_element(json);
	return true;
}

/** How a value that begins with c is treated, by what is known of it; starts an event if it makes one. @return enum tn_json_kind */
static uint8_t choose_kind(struct tn_json *json, uint8_t c)
{
	uint8_t kind = json->next_kind;
	if (!json->in_event) {
		const uint16_t path = tn_json_path(json->schema, json->next_node);
		if (json->depth == 0 || top(json)->kind != TN_JSON_EACH_MEMBER)
			json->key_length = 0;
		if (kind == TN_JSON_SKIP)
			return kind;
		if (json->long_name && json->depth > 0 && top(json)->kind == TN_JSON_EACH_MEMBER) {
			json->key_length = 0;
			json->too_large = true;
			report(json, path, "", 0);
			return TN_JSON_SKIP;
		}
		if (kind >= TN_JSON_MEMBERS) {
			if (c == (kind == TN_JSON_EACH_ELEMENT ? '[' : '{'))
				return kind;
			kind = TN_JSON_TAKE;
		}
		if (path == 0)
			return TN_JSON_SKIP;
		begin_event(json, path);
	}
	if (kind == TN_JSON_LIST)
		return c == '[' ? kind : TN_JSON_TAKE;
	if (kind == TN_JSON_KEYS || kind == TN_JSON_PROJECT)
		return c == '{' ? kind : TN_JSON_TAKE;
	return kind;
}

static bool begin_container(struct tn_json *json, uint8_t c, uint8_t kind)
{
	const char text = (char)c;
	if (kind >= TN_JSON_MEMBERS) {
		if (tn_json_is_announced(json->schema, json->next_node)) {
			report(json, tn_json_path(json->schema, json->next_node), &text, 1);
			json->key_length = 0;
		}
	} else if (kind != TN_JSON_SKIP) {
		tn_json_put(json, &text, 1);
	}
	return push(json, kind, c == '[');
}

static bool begin_value(struct tn_json *json, uint8_t c)
{
	const uint8_t kind = choose_kind(json, c);
	switch (c) {
	case '{':
	case '[':
		return begin_container(json, c, kind);
	case '"':
		tn_json_begin_string(json, false, kind == TN_JSON_SKIP ? NOWHERE : TO_TEXT);
		return true;
	case 't':
		json->literal = "true";
		break;
	case 'f':
		json->literal = "false";
		break;
	case 'n':
		json->literal = "null";
		break;
	default:
		return tn_json_begin_number(json, c, kind != TN_JSON_SKIP);
	}
	json->state = LITERAL;
	json->is_kept = kind != TN_JSON_SKIP;
	json->progress = 1;
	return true;
}

static bool end_container(struct tn_json *json, uint8_t c)
{
	const struct tn_json_frame frame = *top(json);
	if (frame.is_array != (c == ']'))
		return false;
	json->depth--;
	if (frame.kind >= TN_JSON_MEMBERS) {
		const char text = (char)c;
		const uint16_t path = tn_json_path(json->schema, frame.node);
		if (tn_json_is_announced(json->schema, frame.node)) {
			json->key_length = 0;
			report(json, path, &text, 1);
		} else if (!frame.is_filled) {
			report(json, path, frame.is_array ? "[]" : "{}", 2);
		}
	} else if (frame.kind != TN_JSON_SKIP) {
		const char text = (char)c;
		tn_json_put(json, &text, 1);
	}
	end_value(json);
	return true;
}

/* ---- Members ---- */

static void begin_name(struct tn_json *json)
{
	struct tn_json_frame *frame = top(json);
	json->name_length = 0;
	json->long_name = false;
	switch (frame->kind) {
	case TN_JSON_TAKE:
	case TN_JSON_KEYS:
		tn_json_begin_string(json, true, TO_TEXT);
		break;
	case TN_JSON_PROJECT:
		tn_json_begin_string(json, true, TO_NAME);
		break;
	case TN_JSON_MEMBERS:
		frame->is_filled = true;
		tn_json_begin_string(json, true, TO_NAME);
		break;
	case TN_JSON_EACH_MEMBER:
		frame->is_filled = true;
		json->used = 0;
		json->key_length = 0;
		tn_json_begin_string(json, true, TO_KEY);
		break;
	default:
		tn_json_begin_string(json, true, NOWHERE);
		break;
	}
}

static void end_name(struct tn_json *json)
{
	struct tn_json_frame *frame = top(json);
	const int32_t found = (frame->kind == TN_JSON_PROJECT || frame->kind == TN_JSON_MEMBERS) && !json->long_name
	                          ? tn_json_find(json->schema, frame->node, json->name, json->name_length)
	                          : -1;
	json->state = COLON;
	switch (frame->kind) {
	case TN_JSON_TAKE:
		set_next_kind(json, TN_JSON_TAKE);
		break;
	case TN_JSON_PROJECT:
		set_next(json, found < 0 ? 0 : (uint16_t)found);
		if (json->next_kind == TN_JSON_SKIP)
			break;
		/* The name is written when it is known to be wanted. */
		tn_json_put(json, ",\"", frame->is_filled ? 2 : 0);
		tn_json_put(json, "\"", frame->is_filled ? 0 : 1);
		tn_json_put(json, json->name, json->name_length);
		tn_json_put(json, "\":", 2);
		frame->is_filled = true;
		break;
	case TN_JSON_MEMBERS:
		set_next(json, found < 0 ? tn_json_other(json->schema, frame->node) : (uint16_t)found);
		break;
	case TN_JSON_EACH_MEMBER:
		json->key_length = json->used;
		note_peak(json);
		set_next(json, tn_json_other(json->schema, frame->node));
		break;
	default:
		set_next_kind(json, TN_JSON_SKIP);
		break;
	}
}

static void take_colon(struct tn_json *json)
{
	if (top(json)->kind == TN_JSON_TAKE)
		tn_json_put(json, ":", 1);
	else if (top(json)->kind == TN_JSON_KEYS)
		tn_json_put(json, ":null", 5);
	json->state = VALUE;
}

static void take_comma(struct tn_json *json)
{
	const struct tn_json_frame *frame = top(json);
	if (frame->kind == TN_JSON_TAKE || frame->kind == TN_JSON_KEYS || frame->kind == TN_JSON_LIST)
		tn_json_put(json, ",", 1);
	if (frame->is_array)
		set_next_element(json);
	json->state = frame->is_array ? VALUE : NAME;
}

/* ---- Grammar ---- */

static bool take_literal(struct tn_json *json, uint8_t c)
{
	if (json->literal[json->progress] != (char)c)
		return false;
	json->progress++;
	if (json->literal[json->progress] == 0) {
		if (json->is_kept)
			tn_json_put(json, json->literal, json->progress);
		end_value(json);
	}
	return true;
}

static bool take_structure(struct tn_json *json, uint8_t c)
{
	switch (json->state) {
	case ELEMENT_OR_END:
		if (c == ']')
			return end_container(json, c);
		if (top(json)->kind == TN_JSON_EACH_ELEMENT)
			top(json)->is_filled = true;
		return begin_value(json, c);
	case VALUE:
		return begin_value(json, c);
	case NAME_OR_END:
		if (c == '}')
			return end_container(json, c);
		/* fall through */
	case NAME:
		if (c != '"')
			return false;
		begin_name(json);
		return true;
	case COLON:
		if (c != ':')
			return false;
		take_colon(json);
		return true;
	case AFTER:
		if (c != ',')
			return (c == '}' || c == ']') && end_container(json, c);
		take_comma(json);
		return true;
	default:
		return false;
	}
}

/** After the closing quote, or before the byte that follows a number. */
static void end_token(struct tn_json *json)
{
	if (json->is_name)
		end_name(json);
	else
		end_value(json);
}

/** Takes what can be taken at once; nothing only where a number ends. @return bytes taken, or SIZE_MAX when the document is malformed */
static size_t step(struct tn_json *json, const uint8_t *bytes, size_t length)
{
	const uint8_t c = bytes[0];
	size_t taken;
	switch (json->state) {
	case STRING:
	case ESCAPE:
	case HEX:
	case NUMBER:
		taken = tn_json_take_token(json, bytes, length);
		if (json->state == TOKEN_END)
			end_token(json);
		return taken;
	case LITERAL:
		return take_literal(json, c) ? 1 : SIZE_MAX;
	default:
		if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
			return 1;
		return take_structure(json, c) ? 1 : SIZE_MAX;
	}
}

int tn_json_init(struct tn_json *json, const uint8_t *schema, size_t schema_length, uint8_t *buffer, size_t size)
{
	if (tn_json_check_schema(schema, schema_length) != 0 || size < SMALLEST_BUFFER)
		return -1;
	memset(json, 0, sizeof *json);
	json->schema = schema;
	json->buffer = buffer;
	json->size = size;
	tn_json_reset(json);
	return 0;
}

void tn_json_reset(struct tn_json *json)
{
	json->state = VALUE;
	json->depth = 0;
	json->used = 0;
	json->key_length = 0;
	json->in_event = false;
	json->too_large = false;
	json->long_name = false;
	set_next(json, 1);
}

int tn_json_push(struct tn_json *json, const uint8_t *bytes, size_t length, tn_json_value callback, void *context)
{
	json->callback = callback;
	json->context = context;
	while (length > 0 && json->state != FAILED) {
		const size_t taken = step(json, bytes, length);
		if (taken == SIZE_MAX) {
			json->state = FAILED;
			break;
		}
		bytes += taken;
		length -= taken;
	}
	if (json->state == FAILED)
		return TN_JSON_MALFORMED;
	if (json->state != DONE)
		return TN_JSON_MORE;
	return json->too_large ? TN_JSON_TOO_LARGE : TN_JSON_COMPLETE;
}

size_t tn_json_peak(const struct tn_json *json)
{
	return json->peak;
}
