/* What the files of the JSON scanner share: tn_json.c (grammar and events), tn_json_token.c (strings and numbers). */
#ifndef TN_JSON_STATE_H
#define TN_JSON_STATE_H

#include "tn_json.h"

enum tn_json_state {
	VALUE,          /* a value must follow */
	ELEMENT_OR_END, /* after "[" */
	NAME_OR_END,    /* after "{" */
	NAME,           /* after "," in an object */
	COLON,
	AFTER, /* after a value in a container */
	STRING,
	ESCAPE, /* after a backslash */
	HEX,    /* after \u */
	NUMBER,
	LITERAL,
	TOKEN_END, /* the string or number just ended */
	DONE,
	FAILED,
};

/** Where the bytes of a string go. */
enum tn_json_sink {
	NOWHERE,
	TO_TEXT, /* as they are, to the text of the event */
	TO_NAME, /* decoded, to json->name */
	TO_KEY,  /* decoded, to the buffer */
};

/** Appends to the text of the event. */
void tn_json_put(struct tn_json *json, const char *bytes, size_t length);

/** Starts a string, after its opening quote. */
void tn_json_begin_string(struct tn_json *json, bool is_name, enum tn_json_sink sink);

/** Starts a number with its first byte. @return false if no number begins so */
bool tn_json_begin_number(struct tn_json *json, uint8_t c, bool is_kept);

/** Takes what there is of a string, escape or number; state TOKEN_END when it ended. @return bytes taken, SIZE_MAX if it is malformed */
size_t tn_json_take_token(struct tn_json *json, const uint8_t *bytes, size_t length);

#endif
