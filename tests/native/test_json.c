/* The JSON scanner: against the test host's scanner, cut everywhere, and against what is not JSON. */
#include "json_cases.h"
#include "tn_json.h"
#include "tn_test.h"

#include <stdlib.h>

#define CASES (sizeof json_cases / sizeof json_cases[0])
#define EVENTS_MAX 65536

/** Events as one text: path, 1f, key, 1f, text, 1e. */
struct events {
	char text[EVENTS_MAX];
	size_t length;
	size_t count;
	size_t too_large;
};

static void note(void *context, uint16_t path, const char *key, size_t key_length, const char *text, size_t text_length)
{
	struct events *events = context;
	events->count++;
	if (text_length == 0)
		events->too_large++;
	if (events->length + key_length + text_length + 16 > sizeof events->text)
		return;
	events->length += (size_t)sprintf(events->text + events->length, "%u\x1f", path);
	memcpy(events->text + events->length, key, key_length);
	events->length += key_length;
	events->text[events->length++] = '\x1f';
	memcpy(events->text + events->length, text, text_length);
	events->length += text_length;
	events->text[events->length++] = '\x1e';
}

static struct tn_json json;
static uint8_t *working;

static void begin(size_t buffer)
{
	free(working);
	working = malloc(buffer);
	CHECK_EQ(tn_json_init(&json, json_schema, sizeof json_schema, working, buffer), 0);
}

/** Pushes from a heap copy of exactly that length. */
static int push(const void *bytes, size_t length, struct events *events)
{
	uint8_t *copy = malloc(length ? length : 1);
	memcpy(copy, bytes, length);
	const int result = tn_json_push(&json, copy, length, note, events);
	free(copy);
	return result;
}

/** Scans a text whole; its events are left in *events. */
static int scan(const char *text, struct events *events)
{
	memset(events, 0, sizeof *events);
	begin(4096);
	return push(text, strlen(text), events);
}

static bool is_events(const struct events *events, const char *wanted)
{
	return events->length == strlen(wanted) && memcmp(events->text, wanted, events->length) == 0;
}

static struct events events;

TN_TEST("every document gives the events that a scanner of another make gives")
{
	for (size_t i = 0; i < CASES; i++) {
		const struct json_case *c = &json_cases[i];
		memset(&events, 0, sizeof events);
		begin(c->buffer);
		const int result = push(c->text, c->text_length, &events);
		CHECK_EQ(result, c->result);
		if (!CHECK_EQ(events.length, c->events_length) || !CHECK_MEM(events.text, c->events, c->events_length))
			printf("# document %.*s\n# got  %.*s\n# want %.*s\n", (int)c->text_length, (const char *)c->text, (int)events.length, events.text,
			       (int)c->events_length, (const char *)c->events);
	}
}

TN_TEST("a document cut at any byte, and at every byte, gives the same events and is complete at its last byte only")
{
	for (size_t i = 0; i < CASES; i += TN_TEST_STEP) {
		const struct json_case *c = &json_cases[i];
		size_t end = c->text_length;
		while (c->text[end - 1] != '}')
			end--;
		for (size_t cut = 0; cut < end; cut++) {
			memset(&events, 0, sizeof events);
			begin(c->buffer);
			if (cut == 0) {
				for (size_t k = 0; k + 1 < end; k++)
					CHECK_EQ(push(c->text + k, 1, &events), TN_JSON_MORE);
				CHECK_EQ(push(c->text + end - 1, 1, &events), c->result);
			} else {
				CHECK_EQ(push(c->text, cut, &events), TN_JSON_MORE);
				CHECK_EQ(push(c->text + cut, end - cut, &events), c->result);
			}
			CHECK_EQ(events.length, c->events_length);
			CHECK_MEM(events.text, c->events, c->events_length);
			if (cut > 300)
				cut += 17;
		}
	}
}

TN_TEST("what is not JSON is malformed, cut or whole, and stays so")
{
	static const char *const bad[] = {"x",
	                                  "]",
	                                  "}",
	                                  ",",
	                                  ":",
	                                  "{]",
	                                  "[}",
	                                  "{,}",
	                                  "[,]",
	                                  "[1,]",
	                                  "{\"a\":1,}",
	                                  "{\"a\"}",
	                                  "{\"a\" 1}",
	                                  "{\"a\":}",
	                                  "{a:1}",
	                                  "{'a':1}",
	                                  "[1 2]",
	                                  "[\"a\" \"b\"]",
	                                  "{\"a\":1 \"b\":2}",
	                                  "[01]",
	                                  "[-]",
	                                  "[-a]",
	                                  "[+1]",
	                                  "[.5]",
	                                  "[1.]",
	                                  "[1.e1]",
	                                  "[1e]",
	                                  "[1e+]",
	                                  "[1e+-1]",
	                                  "[0x1]",
	                                  "[1a]",
	                                  "[--1]",
	                                  "[tru]",
	                                  "[True]",
	                                  "[nul]",
	                                  "[nulll]",
	                                  "[truefalse]",
	                                  "[NaN]",
	                                  "[Infinity]",
	                                  "[\"\\x\"]",
	                                  "[\"\\u12g4\"]",
	                                  "[\"\\u\"]",
	                                  "[\"a\nb\"]",
	                                  "[\"a\tb\"]",
	                                  "[\"\x01\"]",
	                                  "{}x",
	                                  "{}{}",
	                                  "{},",
	                                  "[]]",
	                                  "\xef\xbb\xbf{}",
	                                  "\v{}",
	                                  "{\"take\":[1,2}",
	                                  "{\"project\":{\"a\":1]",
	                                  "{\"skipped\":[}",
	                                  "{\"keys\":{\"a\":tru}}",
	                                  "{\"each\":{\"a\":1,\"b\"}}",
	                                  "[1,\f2]",
	                                  "{\"a\":1}}",
	                                  "{\"take\":\"\\ud800\\q\"}"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (!CHECK_EQ(scan(bad[i], &events), TN_JSON_MALFORMED))
			printf("# %s\n", bad[i]);
		CHECK_EQ(push("{}", 2, &events), TN_JSON_MALFORMED);
		tn_json_reset(&json);
		int result = TN_JSON_MORE;
		for (size_t k = 0; k < strlen(bad[i]); k++)
			result = push(bad[i] + k, 1, &events);
		CHECK_EQ(result, TN_JSON_MALFORMED);
		tn_json_reset(&json);
		CHECK_EQ(push("{}", 2, &events), TN_JSON_COMPLETE);
	}
}

TN_TEST("white space may follow the document, nothing else")
{
	CHECK_EQ(scan("{} ", &events), TN_JSON_COMPLETE);
	CHECK_EQ(push("\r\n\t ", 4, &events), TN_JSON_COMPLETE);
	CHECK_EQ(push("", 0, &events), TN_JSON_COMPLETE);
	CHECK_EQ(push("x", 1, &events), TN_JSON_MALFORMED);
}

TN_TEST("64 levels are read, 65 are malformed, in every kind of value")
{
	static const char *const openings[] = {"{\"take\":", "{\"skipped\":", "{\"project\":{\"a\":", "{\"keys\":{\"a\":", "{\"elements\":["};
	static const size_t levels[] = {1, 1, 2, 2, 2};
	for (size_t i = 0; i < 5; i++) {
		for (size_t depth = 63; depth <= 65; depth++) {
			begin(4096);
			int result = push(openings[i], strlen(openings[i]), &events);
			for (size_t k = levels[i]; k < depth; k++)
				result = push(k % 2 ? "[" : "{\"a\":", k % 2 ? 1 : 5, &events);
			CHECK_EQ(result, depth <= TN_JSON_DEPTH ? TN_JSON_MORE : TN_JSON_MALFORMED);
		}
	}
}

TN_TEST("64 levels are read, 65 are malformed, of arrays and of objects alone")
{
	for (size_t kind = 0; kind < 2; kind++) {
		begin(4096);
		int result = push("{\"take\":", 8, &events);
		for (size_t depth = 2; depth <= TN_JSON_DEPTH; depth++)
			result = kind ? push("{\"a\":", 5, &events) : push("[", 1, &events);
		CHECK_EQ(result, TN_JSON_MORE);
		CHECK_EQ(push(kind ? "{" : "[", 1, &events), TN_JSON_MALFORMED);
	}
}

TN_TEST("integers of more than 15 digits become strings, other numbers stay as they are")
{
	CHECK_EQ(scan("{\"take\":[999999999999999,1000000000000000,-9223372036854775808,18446744073709551615,1234567890123456.5,1e100]}", &events),
	         TN_JSON_COMPLETE);
	CHECK(is_events(&events, "1\x1f\x1f[999999999999999,\"1000000000000000\",\"-9223372036854775808\",\"18446744073709551615\",1234567890123456.5,1e100]\x1e"));
	CHECK_EQ(scan("{\"take\":12345678901234567890 }", &events), TN_JSON_COMPLETE);
	CHECK(is_events(&events, "1\x1f\x1f\"12345678901234567890\"\x1e"));
}

TN_TEST("a number that just fits only without its quotes does not fit")
{
	static const char text[] = "{\"take\":12345678901234567890}";
	for (size_t size = 20; size <= 23; size++) {
		memset(&events, 0, sizeof events);
		begin(size);
		CHECK_EQ(push(text, sizeof text - 1, &events), size >= 22 ? TN_JSON_COMPLETE : TN_JSON_TOO_LARGE);
		CHECK(is_events(&events, size >= 22 ? "1\x1f\x1f\"12345678901234567890\"\x1e" : "1\x1f\x1f\x1e"));
	}
}

TN_TEST("a value that does not fit is reported once, empty, and scanning goes on")
{
	char text[2048] = "{\"elements\":[1,\"";
	memset(text + strlen(text), 'x', 300);
	strcat(text, "\",2,{\"a\":[");
	for (int i = 0; i < 200; i++)
		strcat(text, "1,");
	strcat(text, "1]},3]}");
	memset(&events, 0, sizeof events);
	begin(64);
	CHECK_EQ(push(text, strlen(text), &events), TN_JSON_TOO_LARGE);
	CHECK(is_events(&events, "18\x1f\x1f"
	                         "1\x1e"
	                         "18\x1f\x1f\x1e"
	                         "18\x1f\x1f"
	                         "2\x1e"
	                         "18\x1f\x1f\x1e"
	                         "18\x1f\x1f"
	                         "3\x1e"));
	CHECK_EQ(push(" ", 1, &events), TN_JSON_TOO_LARGE);
	tn_json_reset(&json);
	CHECK_EQ(push("{}", 2, &events), TN_JSON_COMPLETE);
	CHECK(tn_json_peak(&json) <= 64);
}

TN_TEST("members that are not listed take no room")
{
	char text[4096] = "{\"project\":{\"d\":\"";
	memset(text + strlen(text), 'x', 1000);
	strcat(text, "\",\"a\":1,\"");
	memset(text + strlen(text), 'n', 1000);
	strcat(text, "\":{\"a\":2},\"c\":{\"w\":[1,2,3],\"x\":null}}}");
	memset(&events, 0, sizeof events);
	begin(32);
	CHECK_EQ(push(text, strlen(text), &events), TN_JSON_COMPLETE);
	CHECK(is_events(&events, "3\x1f\x1f{\"a\":1,\"c\":{\"x\":null}}\x1e"));
	CHECK_EQ(tn_json_peak(&json), 22);
}

TN_TEST("a member's key that does not fit makes one empty event, whatever stands behind it")
{
	char text[1024] = "{\"chunks\":{\"";
	memset(text + strlen(text), 'k', 200);
	strcat(text, "\":[{\"s\":[1]}],\"b\":[]},\"each\":{\"");
	memset(text + strlen(text), 'k', 200);
	strcat(text, "\":1,\"a\":2}}");
	memset(&events, 0, sizeof events);
	begin(64);
	CHECK_EQ(push(text, strlen(text), &events), TN_JSON_TOO_LARGE);
	CHECK(is_events(&events, "11\x1f\x1f{\x1e"
	                         "12\x1f\x1f\x1e"
	                         "12\x1f"
	                         "b\x1f[\x1e"
	                         "12\x1f\x1f]\x1e"
	                         "11\x1f\x1f}\x1e"
	                         "10\x1f\x1f\x1e"
	                         "10\x1f"
	                         "a\x1f"
	                         "2\x1e"));
}

TN_TEST("escapes are decoded in names and keys, and kept in values")
{
	CHECK_EQ(
	    scan("{\"t\\u0061ke\":\"\\u0061\\\"\",\"project\":{\"\\u0061\":1,\"y\\u0020z\":2},\"each\":{\"\\ud83d\\ude00\\ud800x\\udc00\\ud800\":1}}", &events),
	    TN_JSON_COMPLETE);
	CHECK(is_events(&events, "1\x1f\x1f\"\\u0061\\\"\"\x1e"
	                         "3\x1f\x1f{\"a\":1}\x1e"
	                         "10\x1f\xf0\x9f\x98\x80\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd\x1f"
	                         "1\x1e"));
	CHECK_EQ(scan("{\"project\":{\"c\":{\"y\\u0020z\":2}}}", &events), TN_JSON_COMPLETE);
	CHECK(is_events(&events, "3\x1f\x1f{\"c\":{\"y z\":2}}\x1e"));
}

TN_TEST("a second half of a surrogate pair alone is U+FFFD, two of them are two")
{
	CHECK_EQ(scan("{\"each\":{\"\\udc00\\udc00\":1}}", &events), TN_JSON_COMPLETE);
	CHECK(is_events(&events, "10\x1f\xef\xbf\xbd\xef\xbf\xbd\x1f"
	                         "1\x1e"));
}

TN_TEST("bytes above 127 pass through, well-formed UTF-8 or not")
{
	CHECK_EQ(scan("{\"take\":\"\xff\xc3\xa9\x80\",\"each\":{\"\xfe\":1}}", &events), TN_JSON_COMPLETE);
	CHECK(is_events(&events, "1\x1f\x1f\"\xff\xc3\xa9\x80\"\x1e"
	                         "10\x1f\xfe\x1f"
	                         "1\x1e"));
}

TN_TEST("names are matched whole and in their case")
{
	CHECK_EQ(scan("{\"Take\":1,\"tak\":1,\"takes\":1,\"\":1,\"take\\u0000\":1}", &events), TN_JSON_COMPLETE);
	CHECK_EQ(events.count, 0);
}

TN_TEST("a name too long for any match does not match by its beginning, however it is cut")
{
	static const char text[] =
	    "{\"takennnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\":1,\"project\":{\"annnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\":2}}";
	for (size_t cut = 1; cut < sizeof text - 1; cut++) {
		memset(&events, 0, sizeof events);
		begin(64);
		push(text, cut, &events);
		CHECK_EQ(push(text + cut, sizeof text - 1 - cut, &events), TN_JSON_COMPLETE);
		CHECK(is_events(&events, "3\x1f\x1f{}\x1e"));
	}
}

/** A schema of a list (node 1) with that other node, whose kind is given. */
static int check_list_of(uint8_t kind)
{
	const uint8_t schema[] = {'J', 'S', 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, TN_JSON_LIST, 0, 1, 0, 0, 0, 2, 0, kind, 0, 0, 0, 28, 0, 0, 0, 0, 0};
	return tn_json_check_schema(schema, sizeof schema);
}

/** A schema of an object of that kind with one member "a", whose node is of the other kind. */
static int check_member_of(uint8_t kind, uint8_t member, uint8_t first)
{
	const uint8_t schema[] = {'J',    'S', 3, 0, 0,  0, 0, 0, 0, 0, 0, 0,     kind, 0, 1, 0, 28,  0, 0, 0,
	                          member, 0,   1, 0, 37, 0, 0, 0, 1, 0, 1, first, 36,   0, 2, 0, 'a', 0, 0};
	return tn_json_check_schema(schema, sizeof schema);
}

TN_TEST("what is kept is not gone into, and a list keeps its elements")
{
	for (uint8_t kind = 0; kind < 10; kind++) {
		CHECK_EQ(check_list_of(kind), kind >= TN_JSON_TAKE && kind <= TN_JSON_PROJECT ? 0 : -1);
		CHECK_EQ(check_member_of(TN_JSON_PROJECT, kind, 'a'), kind <= TN_JSON_PROJECT ? 0 : -1);
		CHECK_EQ(check_member_of(TN_JSON_MEMBERS, kind, 'a'), kind <= TN_JSON_EACH_ELEMENT && kind != TN_JSON_LIST ? 0 : -1);
	}
	CHECK_EQ(check_member_of(TN_JSON_MEMBERS, TN_JSON_TAKE, 'b'), -1);
	static const uint8_t list_of_itself[] = {'J', 'S', 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, TN_JSON_LIST, 0, 1, 0, 0, 0, 1, 0};
	CHECK_EQ(tn_json_check_schema(list_of_itself, sizeof list_of_itself), 0);
	static const uint8_t no_document[] = {'J', 'S', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	CHECK_EQ(tn_json_check_schema(no_document, sizeof no_document), -1);
}

TN_TEST("random bytes, and documents with bytes changed, never read or write outside")
{
	for (unsigned round = 0; round < 6000; round++) {
		const struct json_case *c = &json_cases[tn_test_random_below(CASES)];
		uint8_t *text = malloc(c->text_length);
		memcpy(text, c->text, c->text_length);
		static const char bytes[] = "{}[]\",:\\u0e-.1tfn \n\x80";
		for (unsigned k = tn_test_random_below(4); k > 0; k--)
			text[tn_test_random_below((uint32_t)c->text_length)] = (uint8_t)bytes[tn_test_random_below(sizeof bytes - 1)];
		memset(&events, 0, sizeof events);
		begin(16 + tn_test_random_below(100));
		push(text, c->text_length, &events);
		free(text);
	}
}

TN_TEST("a bad schema is refused: cut anywhere, or with an offset, node or kind that leads outside")
{
	uint8_t buffer[64];
	struct tn_json other;
	for (size_t length = 0; length < sizeof json_schema; length++) {
		uint8_t *copy = malloc(length ? length : 1);
		memcpy(copy, json_schema, length);
		CHECK_EQ(tn_json_check_schema(copy, length), -1);
		free(copy);
	}
	CHECK_EQ(tn_json_check_schema(json_schema, sizeof json_schema), 0);
	CHECK_EQ(tn_json_init(&other, json_schema, sizeof json_schema, buffer, 15), -1);
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t *copy = malloc(sizeof json_schema);
		memcpy(copy, json_schema, sizeof json_schema);
		copy[tn_test_random_below(sizeof json_schema)] = (uint8_t)tn_test_random();
		if (tn_json_init(&other, copy, sizeof json_schema, buffer, sizeof buffer) == 0) {
			const struct json_case *c = &json_cases[round % CASES];
			memset(&events, 0, sizeof events);
			tn_json_push(&other, c->text, c->text_length, note, &events);
		}
		free(copy);
	}
}
