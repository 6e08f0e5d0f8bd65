/*
 * Names and dates of certificates.
 */
#include "tn_certificate.h"

#include "tn_mbedtls.h"
#include <string.h>

#define SAN_TYPE 0x1f
#define SAN_DNS 2
#define SAN_IP 7
#define GROUPS 8

static const uint8_t common_name[] = {0x55, 0x04, 0x03};
static const char meta_prefix[] = "derpkey";

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** Reads a.b.c.d up to the end of the text. */
static bool parse_ip4(const char *text, uint8_t out[4])
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned value = 0, digits = 0;
		while (*text >= '0' && *text <= '9' && digits < 4) {
			value = value * 10 + (unsigned)(*text++ - '0');
			digits++;
		}
		if (digits == 0 || value > 255 || *text != (i < 3 ? '.' : '\0'))
			return false;
		text++;
		out[i] = (uint8_t)value;
	}
	return true;
}

static bool parse_ip6(const char *text, uint8_t out[16])
{
	uint8_t groups[16] = {0};
	unsigned count = 0;
	int gap = -1;
	if (text[0] == ':' && text[1] != ':')
		return false;
	if (text[0] == ':')
		text++;
	while (*text != '\0') {
		if (*text == ':') {
			if (gap >= 0)
				return false;
			gap = (int)count;
			text++;
			continue;
		}
		if (count == GROUPS)
			return false;
		if (count <= GROUPS - 2 && parse_ip4(text, groups + 2 * count)) {
			count += 2;
			break;
		}
		unsigned value = 0, digits = 0;
		for (; hex_of(*text) >= 0 && digits < 5; text++, digits++)
			value = value << 4 | (unsigned)hex_of(*text);
		if (digits == 0 || digits > 4 || (*text != ':' && *text != '\0'))
			return false;
		groups[2 * count] = (uint8_t)(value >> 8);
		groups[2 * count + 1] = (uint8_t)value;
		count++;
		if (*text == ':') {
			text++;
			if (*text == '\0')
				return false;
		}
	}
	if (gap < 0 ? count != GROUPS : count >= GROUPS)
		return false;
	unsigned before = gap < 0 ? count : (unsigned)gap;
	memset(out, 0, 16);
	memcpy(out, groups, 2 * (size_t)before);
	memcpy(out + 16 - 2 * (count - before), groups + 2 * before, 2 * (size_t)(count - before));
	return true;
}

unsigned tn_certificate_parse_ip(const char *text, uint8_t out[16])
{
	if (parse_ip4(text, out))
		return 4;
	return strchr(text, ':') != NULL && parse_ip6(text, out) ? 16 : 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_same_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
	if (a_length != b_length)
		return false;
	for (size_t i = 0; i < a_length; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

static bool matches_name(const char *pattern, size_t pattern_length, const char *name)
{
	size_t length = strlen(name);
	if (length > 0 && name[length - 1] == '.')
		length--;
	if (pattern_length > 2 && pattern[0] == '*' && pattern[1] == '.') {
		const char *dot = memchr(name, '.', length);
		if (dot == NULL || dot == name)
			return false;
		return is_same_text(pattern + 1, pattern_length - 1, dot, length - (size_t)(dot - name));
	}
	return length > 0 && is_same_text(pattern, pattern_length, name, length);
}

bool tn_certificate_carries(const struct mbedtls_x509_crt *certificate, const char *expected)
{
	uint8_t address[16];
	unsigned address_length = tn_certificate_parse_ip(expected, address);
	for (const mbedtls_x509_sequence *name = &certificate->subject_alt_names; name != NULL; name = name->next) {
		if (name->buf.p == NULL)
			continue;
		unsigned type = (unsigned)name->buf.tag & SAN_TYPE;
		if (address_length > 0 && type == SAN_IP && name->buf.len == address_length && memcmp(name->buf.p, address, address_length) == 0)
			return true;
		if (address_length == 0 && type == SAN_DNS && matches_name((const char *)name->buf.p, name->buf.len, expected))
			return true;
	}
	return false;
}

/** Unix seconds of a date in UTC (days of the civil calendar, counted from March). */
static int64_t seconds_of(const mbedtls_x509_time *time)
{
	int64_t year = time->mon > 2 ? time->year : time->year - 1;
	int64_t month = time->mon > 2 ? time->mon - 3 : time->mon + 9;
	int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + time->day - 1 - 719468;
	return ((days * 24 + time->hour) * 60 + time->min) * 60 + time->sec;
}

bool tn_certificate_is_valid(const struct mbedtls_x509_crt *certificate, uint64_t now)
{
	return (int64_t)now >= seconds_of(&certificate->valid_from) && (int64_t)now <= seconds_of(&certificate->valid_to);
}

bool tn_certificate_is_meta(const struct mbedtls_x509_crt *certificate)
{
	for (const mbedtls_x509_name *part = &certificate->subject; part != NULL; part = part->next) {
		if (part->oid.len == sizeof common_name && memcmp(part->oid.p, common_name, sizeof common_name) == 0)
			return part->val.len >= sizeof meta_prefix - 1 && memcmp(part->val.p, meta_prefix, sizeof meta_prefix - 1) == 0;
	}
	return false;
}

bool tn_certificate_is_issued_by(const struct mbedtls_x509_crt *a, const struct mbedtls_x509_crt *b)
{
	return a->issuer_raw.len == b->subject_raw.len && memcmp(a->issuer_raw.p, b->subject_raw.p, a->issuer_raw.len) == 0;
}
