/*
 * Loads and stores of integers, byte by byte: no alignment is asked for and the machine's own order does not matter. Compilers
 * turn each into one instruction where the machine has it.
 */
#ifndef TN_BYTES_H
#define TN_BYTES_H

#include <stdint.h>

static inline uint16_t tn_load16le(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t tn_load32le(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t tn_load64le(const uint8_t *p)
{
	return (uint64_t)tn_load32le(p) | (uint64_t)tn_load32le(p + 4) << 32;
}

static inline uint16_t tn_load16be(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t tn_load32be(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static inline uint64_t tn_load64be(const uint8_t *p)
{
	return (uint64_t)tn_load32be(p) << 32 | (uint64_t)tn_load32be(p + 4);
}

static inline void tn_store16le(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static inline void tn_store32le(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
	p[2] = (uint8_t)(value >> 16);
	p[3] = (uint8_t)(value >> 24);
}

static inline void tn_store64le(uint8_t *p, uint64_t value)
{
	tn_store32le(p, (uint32_t)value);
	tn_store32le(p + 4, (uint32_t)(value >> 32));
}

static inline void tn_store16be(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void tn_store32be(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 24);
	p[1] = (uint8_t)(value >> 16);
	p[2] = (uint8_t)(value >> 8);
	p[3] = (uint8_t)value;
}

static inline void tn_store64be(uint8_t *p, uint64_t value)
{
	tn_store32be(p, (uint32_t)(value >> 32));
	tn_store32be(p + 4, (uint32_t)value);
}

#endif
