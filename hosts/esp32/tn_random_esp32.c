/*
 * Entropy. The hardware source has noise to give only while a radio is on, or while the bootloader's circuit feeds it, which a radio and the ADC must not
 * meet. So: 64 bytes at the first need, from the one or the other, are the key of a generator of ours (ChaCha20; each call takes a new key from its stream and
 * forgets the old one), into which the hardware source is mixed at every call, whatever it is worth then.
 */
#include "bootloader_random.h"
#include "esp_random.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include <sodium.h>
#include <string.h>
#include "tn_blake2s.h"
#include "tn_mutex.h"
#include "tn_port.h"

#define KEY crypto_stream_chacha20_KEYBYTES
#define SEED 64
/** Bytes of output under one key; its first block is the next key. */
#define PIECE 1024u

static struct {
	tn_mutex lock;
	bool is_seeded;
	uint8_t key[KEY];
} generator;

/** Of ESP-IDF's esp_phy, where it is linked: radios that are on, a bit each. */
extern unsigned phy_get_modem_flag(void) __attribute__((weak));

/** The lock is held. */
static void seed(void)
{
	uint8_t noise[SEED];
	bool has_radio = phy_get_modem_flag != NULL && phy_get_modem_flag() != 0;
	if (!has_radio)
		bootloader_random_enable();
	esp_fill_random(noise, sizeof noise);
	if (!has_radio)
		bootloader_random_disable();
	tn_hash(generator.key, noise, sizeof noise, NULL, 0);
	sodium_memzero(noise, sizeof noise);
	generator.is_seeded = true;
}

void tn_port_random(void *out, size_t n)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint8_t noise[KEY];
	tn_mutex_lock(&generator.lock);
	if (!generator.is_seeded)
		seed();
	while (n > 0) {
		size_t piece = n < PIECE ? n : PIECE;
		esp_fill_random(noise, sizeof noise);
		for (size_t i = 0; i < KEY; i++)
			generator.key[i] ^= noise[i];
		memset(out, 0, piece);
		crypto_stream_chacha20_xor_ic(out, out, piece, nonce, 1, generator.key);
		crypto_stream_chacha20(generator.key, KEY, nonce, generator.key);
		out = (uint8_t *)out + piece;
		n -= piece;
	}
	tn_mutex_unlock(&generator.lock);
	sodium_memzero(noise, sizeof noise);
}
