/* Classification of datagrams, see tn_classify.h. */
#include "tn_classify.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_packet.h"

#define STUN_MINIMUM 20
#define DISCO_MINIMUM 38
#define MAPPING_MINIMUM 8
#define MAPPING_PORT 5351

static const uint8_t disco_magic[6] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
static const uint8_t stun_cookie[4] = {0x21, 0x12, 0xa4, 0x42};

bool tn_classify_is_disco(const uint8_t *packet, size_t length)
{
	return length >= DISCO_MINIMUM && memcmp(packet, disco_magic, sizeof disco_magic) == 0;
}

static bool is_stun(const uint8_t *datagram, size_t length)
{
	return length >= STUN_MINIMUM && (datagram[0] & 0xc0) == 0 && datagram[1] == 1 && memcmp(datagram + 4, stun_cookie, sizeof stun_cookie) == 0;
}

/** The low byte of the Geneve protocol type, 0x7a11 or 0x7a12; 0 for anything else. */
static uint8_t geneve_protocol(const uint8_t *datagram, size_t length)
{
	if (length < TN_GENEVE_HEADER || (datagram[0] & 0xc0) != 0 || (datagram[1] & 0x3f) != 0 || datagram[7] != 0 || datagram[2] != 0x7a)
		return 0;
	return datagram[3] == 0x11 || datagram[3] == 0x12 ? datagram[3] : 0;
}

enum tn_datagram tn_classify(const uint8_t *datagram, size_t length, bool *geneve)
{
	bool ignored;
	if (!geneve)
		geneve = &ignored;
	*geneve = false;
	if (is_stun(datagram, length))
		return TN_DATAGRAM_STUN;
	const uint8_t inner = geneve_protocol(datagram, length);
	if (inner == 0x11) {
		*geneve = tn_classify_is_disco(datagram + TN_GENEVE_HEADER, length - TN_GENEVE_HEADER);
		return *geneve ? TN_DATAGRAM_DISCO : TN_DATAGRAM_WIREGUARD;
	}
	if (inner == 0x12) {
		*geneve = true;
		return TN_DATAGRAM_WIREGUARD;
	}
	return tn_classify_is_disco(datagram, length) ? TN_DATAGRAM_DISCO : TN_DATAGRAM_WIREGUARD;
}

static bool is_private_ipv4(const uint8_t *address)
{
	if (!tn_address_is_ip4(address))
		return false;
	const uint8_t *v4 = address + 12;
	return v4[0] == 10 || (v4[0] == 172 && (v4[1] & 0xf0) == 16) || (v4[0] == 192 && v4[1] == 168);
}

bool tn_classify_is_mapping(const uint8_t *source, const uint8_t *datagram, size_t length)
{
	if (length < MAPPING_MINIMUM || !is_private_ipv4(source))
		return false;
	if (memcmp(datagram, "HTTP/1.", 7) == 0)
		return true;
	return tn_load16be(source + 16) == MAPPING_PORT && (datagram[0] == 0 || datagram[0] == 2) && (datagram[1] & 0x80) != 0;
}
